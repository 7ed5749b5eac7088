/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_PLACEMENT_POLICY_H
#define STRAIT_CONTROL_PLACEMENT_POLICY_H

#include <stdbool.h>

/*
 * Whether a queue should move to another worker, judged from what the last
 * interval was like. A queue moves away from a worker that has more to do than
 * one CPU gives if another worker could have a CPU that is idle now; and away
 * from a worker that has to wait for its CPU, since others use it too, to one
 * that need not. Where nobody has a CPU to spare, the queues come together:
 * several threads that wait for CPUs are slower than one.
 * Pure arithmetic. Shares are of the interval, 0 to 1.
 */
struct placement_worker {
	double busy;    /* had work */
	double starved; /* was ready to run and had no CPU; part of busy */
	double spare;   /* the idlest CPU that it may run on was idle */
	unsigned queues;
};

struct placement_queue {
	unsigned worker;
	double share; /* of its worker's requests */
};

/* True: the queue with this number should go to this worker. At most one move at a time. */
bool placement_advise(const struct placement_worker *workers, unsigned worker_count,
		      const struct placement_queue *queues, unsigned queue_count, unsigned *queue, unsigned *to);

#endif
