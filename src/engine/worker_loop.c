/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/stage_hooks.h"
#include "engine/worker_parts.h"

/* Turns with work after which a worker that is never idle looks at the clock. */
#define BUSY_TURNS 1024

static bool collect_posted(struct worker *worker)
{
	struct storage_io *io;

	if (!__atomic_load_n(&worker->posted, __ATOMIC_RELAXED))
		return false;
	io = __atomic_exchange_n(&worker->posted, NULL, __ATOMIC_ACQUIRE);
	while (io) {
		struct storage_io *next = io->next;

		io->done(io, (int)(int64_t)io->progress);
		io = next;
	}
	return true;
}

static void handle_completion(struct worker *worker, const struct io_uring_cqe *cqe)
{
	void *object = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);

	switch ((enum worker_tag)(cqe->user_data & TAG_MASK)) {
	case TAG_STORAGE: {
		struct storage_io *io = object;

		io->event(io, cqe->res);
		break;
	}
	case TAG_KICK:
		worker_handle_kick(worker, object, cqe);
		break;
	case TAG_MAILBOX:
		if (!(cqe->flags & IORING_CQE_F_MORE))
			worker->mailbox_armed = false;
		break;
	case TAG_IGNORE:
		break;
	}
}

static bool reap(struct worker *worker)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(&worker->ring, head, cqe)
	{
		handle_completion(worker, cqe);
		count++;
	}
	io_uring_cq_advance(&worker->ring, count);
	return count > 0;
}

/* One system call for everything that was prepared, none if that is nothing. */
static void enter(struct worker *worker)
{
	if (io_uring_sq_ready(&worker->ring))
		io_uring_submit_and_get_events(&worker->ring);
	else if (ring_needs_enter(&worker->ring))
		io_uring_get_events(&worker->ring);
	else
		return;
	worker->thread.submits++;
	stage_tick(&worker->thread);
}

/*
 * Who had something released goes behind all others: of a limit that lets one request pass at a time whoever is first
 * would have all.
 */
static bool release_held(struct worker *worker)
{
	struct queue **link = &worker->queues, *served = NULL, **last = &served;

	while (*link) {
		struct queue *queue = *link;

		if (!queue->held_now || !queue_release_held(queue)) {
			link = &queue->next;
			continue;
		}
		*link = queue->next;
		*last = queue;
		last = &queue->next;
	}
	*last = NULL;
	*link = served;
	return served != NULL;
}

/* Look everywhere once. True where something was found to do. */
static bool turn(struct worker *worker)
{
	bool found = mailbox_run(&worker->mailbox);

	/* What that did may have taken long. */
	if (found)
		stage_tick(&worker->thread);
	found |= collect_posted(worker);
	if (__builtin_expect(worker->holding, 0))
		found |= release_held(worker);
	for (struct queue *queue = worker->queues; queue; queue = queue->next) {
		found |= queue_take(queue);
		if (queue_under_way(queue) && storage_needs_poll(queue->storage)) {
			stage_tick(&worker->thread);
			found |= storage_poll(queue->storage, &worker->thread) > 0;
		}
	}
	enter(worker);
	for (struct queue *queue = worker->queues; queue; queue = queue->next)
		stage_entered(queue);
	found |= reap(worker);
	worker_flush_queues(worker);
	QUEUE_COUNT(worker->counters.turns, 1);
	return found;
}

static bool anything_in_flight(const struct worker *worker)
{
	for (const struct queue *queue = worker->queues; queue; queue = queue->next) {
		if (queue_under_way(queue))
			return true;
	}
	return false;
}

/* Ask for kicks. False where work has come meanwhile, so that there is no reason to sleep. */
static bool prepare_sleep(struct worker *worker)
{
	if (!worker->mailbox_armed) {
		worker_arm_poll(worker, worker->mailbox.event_fd, NULL, TAG_MAILBOX);
		worker->mailbox_armed = true;
	}
	for (struct queue *queue = worker->queues; queue; queue = queue->next) {
		if (queue_under_way(queue) && storage_needs_poll(queue->storage))
			return false;
		if (queue->leaving == QUEUE_STAYS && !queue->broken_said && !queue_is_full(queue) && !queue->in_debt &&
		    virtq_enable_kicks(&queue->vq))
			return false;
	}
	return !mailbox_has_messages(&worker->mailbox) && !__atomic_load_n(&worker->posted, __ATOMIC_RELAXED);
}

/* Wait for an event, or until a held request is due. */
static void wait_in_kernel(struct worker *worker)
{
	qos_time due = 0, now;
	bool held = false;
	struct io_uring_cqe *cqe;
	struct __kernel_timespec timeout;
	uint64_t ns;

	for (const struct queue *queue = worker->queues; queue; queue = queue->next) {
		if ((!queue->held_now && !queue->in_debt) || (held && qos_time_between(due, queue->held_until) >= 0))
			continue;
		due = queue->held_until;
		held = true;
	}
	if (!held) {
		io_uring_submit_and_wait(&worker->ring, 1);
		return;
	}
	now = qos_now();
	if (qos_time_between(now, due) <= 0) {
		io_uring_submit(&worker->ring);
		return;
	}
	ns = (due - now) >> QOS_TIME_SHIFT;
	timeout = (struct __kernel_timespec){.tv_sec = (int64_t)(ns / 1000000000),
					     .tv_nsec = (long long)(ns % 1000000000)};
	io_uring_submit_and_wait_timeout(&worker->ring, &cqe, 1, &timeout, NULL);
}

static void sleep_until_event(struct worker *worker)
{
	worker_release_calls(worker);
	if (worker->unkicked || worker->moving)
		return;
	if (prepare_sleep(worker)) {
		QUEUE_COUNT(worker->counters.sleeps, 1);
		wait_in_kernel(worker);
		worker->thread.submits++;
		stage_tick(&worker->thread);
		worker->thread.woke = worker->thread.now;
	}
	for (struct queue *queue = worker->queues; queue; queue = queue->next)
		virtq_disable_kicks(&queue->vq);
}

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Now and then, and only while there is work, say how it goes. */
static void report(struct worker *worker, uint64_t now)
{
	if (!worker->report_ticks || now - worker->reported < worker->report_ticks ||
	    __atomic_load_n(&worker->report_pending, __ATOMIC_ACQUIRE))
		return;
	worker->reported = now;
	__atomic_store_n(&worker->report_pending, true, __ATOMIC_RELAXED);
	mailbox_post(worker->options.report_to, &worker->report);
}

/* Nothing anywhere: look for a while, then sleep, until there is something. */
static void idle(struct worker *worker)
{
	const bool in_flight = anything_in_flight(worker);
	const bool looks = worker->polled_as[POLL_ADAPTIVE] || !worker->polled_as[POLL_NEVER];
	const uint32_t window = looks ? poll_policy_window(&worker->poll, in_flight) : 0;
	const uint64_t ticks = clock_ns_to_ticks(window);
	const uint64_t since = stage_now(&worker->thread);
	uint64_t now;

	worker->thread.looking = true;
	__atomic_store_n(&worker->counters.idle_since, since, __ATOMIC_RELAXED);
	while (!turn(worker) && !worker->quit) {
		if (stage_now(&worker->thread) - since < ticks || worker->polled_as[POLL_ALWAYS])
			relax();
		else
			sleep_until_event(worker);
	}
	worker->thread.looking = false;
	now = stage_now(&worker->thread);
	__atomic_store_n(&worker->counters.idle_since, 0, __ATOMIC_RELAXED);
	QUEUE_COUNT(worker->counters.idle_ticks, now - since);
	poll_policy_learn(&worker->poll, in_flight, clock_ticks_to_ns(now - since), window);
	report(worker, now);
}

void worker_run(struct worker *worker)
{
	unsigned busy_turns = 0;

	while (!worker->quit) {
		if (!turn(worker))
			idle(worker);
		else if (++busy_turns % BUSY_TURNS == 0)
			report(worker, clock_ticks());
	}
}
