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
	struct loop_source timer; /* watched while the socket is not */
	uint64_t said_ns;         /* when the log last told of it, 0: never */
};

/* Whether a front end may be let in now. If not, disk->listener is no longer watched, and will be again. */
bool throttle_admit(struct disk *disk);

/* End it; the listener stays as it is. */
void throttle_end(struct disk *disk);

#endif
