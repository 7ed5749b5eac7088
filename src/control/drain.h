/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DRAIN_H
#define STRAIT_CONTROL_DRAIN_H

#include "control/loop.h"

/*
 * Queues stop when their requests have come back from the storage, however
 * long that takes: giving a request up would leave the kernel writing to a
 * guest's memory. So that nobody has to guess what a front end or a stop of
 * the daemon waits for, the log says it every few seconds. Control thread.
 */
struct disk;

struct drain {
	struct loop_source timer; /* watched while something is waited for */
	unsigned seconds;
};

/* Look whether the disk waits for queues to stop; to be called whenever that may have changed. */
void drain_update(struct disk *disk);

#endif
