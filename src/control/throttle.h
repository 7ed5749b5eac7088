/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_THROTTLE_H
#define STRAIT_CONTROL_THROTTLE_H

#include <stdbool.h>

#include "control/limiter.h"
#include "control/loop.h"

/*
 * Front ends that come and go in a loop cost the control thread time that it
 * has for all disks. Where they come more often than the configuration allows,
 * the socket is not looked at for a while: whoever connects waits in its
 * backlog. Control thread.
 */
struct disk;

struct throttle {
	struct limiter limiter;
	struct loop_source timer; /* made at the start: when it is needed there may be no descriptor left */
	uint64_t said_ns;         /* when the log last told of it, 0: never */
};

/* 0 or a negative errno. */
int throttle_open(struct disk *disk);
void throttle_close(struct disk *disk);

/* Do not look at the disk's listener for so long. */
void throttle_pause(struct disk *disk, uint64_t wait_ns);

/* Whether a front end may be let in now. If not, the listener is not looked at until it may. */
bool throttle_admit(struct disk *disk);

#endif
