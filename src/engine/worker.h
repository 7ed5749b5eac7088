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
};

struct worker;

/* Start a worker. NULL with err set where it cannot be. */
struct worker *worker_create(const struct worker_options *options, struct error *err);

/* End a worker that has no queues any more. */
void worker_destroy(struct worker *worker);

/* Any thread: have a message run on the worker. */
void worker_post(struct worker *worker, struct mailbox_message *message);

/* The storage side of the worker; to be used on it. */
struct storage_thread *worker_storage_thread(struct worker *worker);

/* On the worker. */
void worker_add_queue(struct worker *worker, struct queue *queue);

/* Read by any thread. */
struct worker_counters {
	uint64_t turns;  /* of its loop */
	uint64_t sleeps; /* times it waited in the kernel */
};
const struct worker_counters *worker_counters(const struct worker *worker);
enum ring_profile worker_ring_profile(const struct worker *worker);

#endif
