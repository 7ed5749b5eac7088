/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_PLACEMENT_H
#define STRAIT_CONTROL_PLACEMENT_H

#include "base/error.h"
#include "control/config.h"
#include "control/cpu_idle.h"
#include "engine/worker.h"

/*
 * The workers, and which of them has which queue. Control thread. Where
 * placement is adaptive, queues move: workers that have work report now and
 * then, and placement_policy.h says what to make of it. Nothing happens while
 * all are idle.
 */
struct placement_seat {
	struct queue *queue;
	const void *disk;
	/* of the queue, at the last look */
	uint64_t requests;
	uint64_t moves_given_up;
	unsigned rest; /* looks for which it is left where it is */
	unsigned home; /* index of the worker that it was last sent to by placement_vacate() */
};

struct placement_measure {
	uint64_t idle_ticks;
	uint64_t run_delay_ns;
};

struct placement {
	enum config_placement policy;
	unsigned count; /* all there are */
	unsigned used;  /* the first of them, which get queues */
	struct worker *worker[CONFIG_MAX_WORKERS];
	cpu_set_t cpus[CONFIG_MAX_WORKERS]; /* that it may run on */
	struct placement_measure measure[CONFIG_MAX_WORKERS];
	uint64_t looked; /* ticks, when those were taken */
	struct cpu_idle cpu_idle;
	struct placement_seat *seats; /* one for each running queue */
	unsigned seat_count, seat_room;
	struct {
		void (*call)(void *context);
		void *context;
	} on_work[2]; /* see placement_on_work() */
};

/*
 * Make the workers, which report to mailbox, with what takes rights
 * (worker_create()), their rings restricted or not. Negative errno with err
 * set: none is left.
 */
int placement_create(struct placement *placement, const struct config *config, struct mailbox *mailbox,
		     bool restrict_rings, struct error *err);

/*
 * Have on_work called, on the control thread, at least once a second while
 * workers have work, and when the first of them gets some; not while all are
 * idle. Before placement_start(); for two at most.
 */
void placement_on_work(struct placement *placement, void (*on_work)(void *context), void *context);

/* Start their threads. Negative errno with err set: placement_stop() is next. */
int placement_start(struct placement *placement, struct error *err);

/* All their rings are restricted. */
bool placement_rings_restricted(const struct placement *placement);

/* End the workers, which have no queues. */
void placement_stop(struct placement *placement);

/*
 * Go by other values: how many of the workers get queues (1 to count), which
 * worker that is, how long they look for work. -ENOMEM: some may have changed.
 * placement_vacate() is next.
 */
int placement_adjust(struct placement *placement, unsigned used, enum config_placement policy, uint32_t poll_max_us);

/*
 * Have the queues of workers that are not used any more go to others, each
 * within patience_ns. Returns how many are still there: call it again later.
 */
unsigned placement_vacate(struct placement *placement, uint64_t patience_ns);

/* Choose a worker for a queue of disk, and remember that it has it. NULL where memory runs out. */
struct worker *placement_take(struct placement *placement, struct queue *queue, const void *disk);

/* The workers that have running queues of disk, a bit each. */
uint64_t placement_workers_of(const struct placement *placement, const void *disk);

/* The queue runs no more. */
void placement_release(struct placement *placement, const struct queue *queue);

#endif
