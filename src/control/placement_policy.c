/* SPDX-License-Identifier: Apache-2.0 */
#include "control/placement_policy.h"

/* A worker with so much to do is full; one that waits so long for its CPU is crowded. */
#define FULL    0.7
#define CROWDED 0.1

/* What a CPU must have to spare for a queue to be sent there, and what one worker can do. */
#define IDLE_ENOUGH 0.5
#define FITS        0.9

/* A queue with less of the work is not worth a move. */
#define WORTH_MOVING 0.05

/* What the worker did, without the time it waited for its CPU. */
static double work_of(const struct placement_worker *worker)
{
	return worker->busy > worker->starved ? worker->busy - worker->starved : 0;
}

/* The queue of a worker whose share comes nearest to what is wanted. -1: none that is worth it. */
static int find_queue(const struct placement_queue *queues, unsigned count, unsigned worker, double wanted)
{
	double nearest = 2;
	int found = -1;

	for (unsigned i = 0; i < count; i++) {
		double distance = queues[i].share > wanted ? queues[i].share - wanted : wanted - queues[i].share;

		if (queues[i].worker != worker || queues[i].share < WORTH_MOVING || distance >= nearest)
			continue;
		nearest = distance;
		found = (int)i;
	}
	return found;
}

/*
 * Whether a worker is the better place for what a crowded one has: it waits
 * much less, even if it cannot do it all, since a wait for a CPU is what the
 * slowest requests are made of; or it waits as much and can do it all.
 */
static bool is_refuge(const struct placement_worker *workers, unsigned candidate, unsigned from)
{
	const struct placement_worker *a = &workers[candidate], *b = &workers[from];

	/* One without queues has not tried its CPU yet. */
	if (!a->queues)
		return a->spare >= IDLE_ENOUGH;
	if (a->starved < b->starved / 2)
		return true;
	return (a->starved < b->starved || (a->starved == b->starved && candidate < from)) &&
	       work_of(a) + work_of(b) <= FITS;
}

static bool advise_join(const struct placement_worker *workers, unsigned worker_count, unsigned from, unsigned *to)
{
	bool found = false;

	for (unsigned i = 0; i < worker_count; i++) {
		if (i == from || !is_refuge(workers, i, from))
			continue;
		if (!found || workers[i].starved < workers[*to].starved)
			*to = i;
		found = true;
	}
	return found;
}

/* To a CPU that is idle. */
static bool advise_spread(const struct placement_worker *workers, unsigned worker_count, unsigned from, unsigned *to)
{
	bool found = false;

	for (unsigned i = 0; i < worker_count; i++) {
		if (i == from || workers[i].spare < IDLE_ENOUGH || workers[i].starved >= CROWDED ||
		    work_of(&workers[i]) > work_of(&workers[from]) / 2)
			continue;
		if (!found || work_of(&workers[i]) < work_of(&workers[*to]))
			*to = i;
		found = true;
	}
	return found;
}

bool placement_advise(const struct placement_worker *workers, unsigned worker_count,
		      const struct placement_queue *queues, unsigned queue_count, unsigned *queue, unsigned *to)
{
	for (unsigned from = 0; from < worker_count; from++) {
		const struct placement_worker *worker = &workers[from];
		int found = -1;

		if (worker->queues && worker->starved >= CROWDED) {
			if (advise_join(workers, worker_count, from, to))
				found = find_queue(queues, queue_count, from, 1);
		} else if (worker->queues > 1 && worker->busy >= FULL) {
			if (advise_spread(workers, worker_count, from, to))
				found = find_queue(queues, queue_count, from,
						   (1 - work_of(&workers[*to]) / work_of(worker)) / 2);
			/* All of its work in one queue: elsewhere it would be no better off. */
			if (found >= 0 && queues[found].share > 1 - WORTH_MOVING)
				found = -1;
		}
		if (found >= 0) {
			*queue = (unsigned)found;
			return true;
		}
	}
	return false;
}
