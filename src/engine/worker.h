/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_WORKER_H
#define STRAIT_ENGINE_WORKER_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/mailbox.h"
#include "engine/queue.h"
#include "engine/ring.h"
#include "storage/storage.h"

/*
 * A thread that owns an io_uring and a set of queues: it takes what drivers
 * make available, hands it to storage, enters the kernel once for all of it,
 * publishes what came back and calls the drivers. Out of work it polls for a
 * while (poll_policy.h), then sleeps in io_uring_enter until a kick, a completion or
 * a message; an idle worker is not woken.
 */
struct worker_options {
	unsigned index;        /* for its name */
	const cpu_set_t *cpus; /* NULL: wherever the scheduler likes */
	uint32_t poll_max_us;
	enum ring_profile best_ring; /* RING_DEFER_TASKRUN, but for tests */
	bool restrict_ring;          /* ring_restrict(), where the kernel can */

	/*
	 * Where work keeps it from sleeping or wakes it, it has on_report() called from
	 * this mailbox, no sooner than report_ms after the last time. NULL: never.
	 */
	struct mailbox *report_to;
	uint32_t report_ms;
	void (*on_report)(void *context);
	void *report_context;
};

struct worker;

/*
 * Make a worker with all that takes rights; its thread comes with
 * worker_start(). NULL with err set where it cannot be.
 */
struct worker *worker_create(const struct worker_options *options, struct error *err);

/* Start its thread. 0, or a negative errno with err set: worker_destroy() is all that is left to do then. */
int worker_start(struct worker *worker, struct error *err);

/*
 * End the thread of a worker that has no queues any more, if it was started.
 * Where queues have moved between workers, stop all of them before one is
 * destroyed: who sent a queue may still be about to wake its new worker.
 */
void worker_stop(struct worker *worker);

/* Stop it and free it. */
void worker_destroy(struct worker *worker);

/* Any thread: have a message run on the worker. */
void worker_post(struct worker *worker, struct mailbox_message *message);

/* Any thread: limits have changed, so that held requests may be due earlier than they were. */
void worker_ask_again(struct worker *worker);

/*
 * Any thread: other values for two of its options from now on. -ENOMEM: nothing
 * has changed.
 */
int worker_adjust(struct worker *worker, uint32_t poll_max_us, uint32_t report_ms);

/* The calling thread is this worker's. */
bool worker_is_current(const struct worker *worker);

/* What the scheduler says of a worker's thread, in nanoseconds since it began. */
struct worker_run_times {
	uint64_t running;
	uint64_t waiting; /* ready to run, but without a CPU */
};

/* Any thread; all 0 where the kernel does not say. */
struct worker_run_times worker_run_times(const struct worker *worker);

/* The storage side of the worker; to be used on it. */
struct storage_thread *worker_storage_thread(struct worker *worker);

/* On the worker. */
void worker_add_queue(struct worker *worker, struct queue *queue);

/* Read by any thread. */
struct worker_counters {
	uint64_t turns;      /* of its loop */
	uint64_t sleeps;     /* times it waited in the kernel */
	uint64_t idle_ticks; /* without work, looking for some or asleep */
	uint64_t idle_since; /* ticks, when the present idle time began, which idle_ticks lacks; 0: none */
};
const struct worker_counters *worker_counters(const struct worker *worker);
enum ring_profile worker_ring_profile(const struct worker *worker);
bool worker_ring_restricted(const struct worker *worker);

#endif
