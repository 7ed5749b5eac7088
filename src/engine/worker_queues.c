/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/stage_hooks.h"
#include "engine/worker_parts.h"

void worker_arm_poll(struct worker *worker, int fd, void *object, enum worker_tag tag)
{
	struct io_uring_sqe *sqe = storage_sqe(&worker->thread);

	/* Multishot and never read: each eventfd_write() wakes us once, at no system call of ours. */
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, (uintptr_t)object | tag);
}

/* Whether a queue of the worker's has the storage. */
static bool serves(const struct worker *worker, const struct storage *storage)
{
	for (const struct queue *queue = worker->queues; queue; queue = queue->next)
		if (queue->storage == storage)
			return true;
	return false;
}

void worker_add_queue(struct worker *worker, struct queue *queue)
{
	if (!serves(worker, queue->storage))
		storage_attach(queue->storage, &worker->thread);
	queue->next = worker->queues;
	worker->queues = queue;
	worker->polled_as[queue->policy.poll]++;
	if (queue->kick_fd >= 0) {
		worker_arm_poll(worker, queue->kick_fd, queue, TAG_KICK);
		queue->kick_armed = true;
	} else {
		worker->unkicked++;
	}
	queue_has_moved(queue);
	queue->held_until = qos_now();
	virtq_disable_kicks(&queue->vq);
}

void worker_handle_kick(struct worker *worker, struct queue *queue, const struct io_uring_cqe *cqe)
{
	if (cqe->res >= 0)
		QUEUE_COUNT(queue->counters.kicks, 1);
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	queue->kick_armed = false;
	if (!queue->kick_cancelled && cqe->res >= 0) {
		worker_arm_poll(worker, queue->kick_fd, queue, TAG_KICK);
		queue->kick_armed = true;
	} else if (!queue->kick_cancelled) {
		if (log_may_say(queue->quota, queue->name))
			log_error("disk %s: queue %u: its kick descriptor cannot be polled: %s; it is looked at all "
				  "the time",
				  queue->name, queue->index, strerror(-cqe->res));
		close(queue->kick_fd);
		queue->kick_fd = -1;
		worker->unkicked++;
	}
}

/* A queue with nothing in flight is to go: first its poll has to. True when the queue can be let go. */
static bool poll_has_ended(struct worker *worker, struct queue *queue)
{
	struct io_uring_sqe *sqe;

	if (queue->kick_armed && !queue->kick_cancelled) {
		sqe = storage_sqe(&worker->thread);
		/* Not a removal of the poll: that fails where a kick has just come, as it may at each attempt. */
		io_uring_prep_cancel64(sqe, (uintptr_t)queue | TAG_KICK, 0);
		io_uring_sqe_set_data64(sqe, TAG_IGNORE);
		queue->kick_cancelled = true;
	}
	return !queue->kick_armed;
}

/* Let a queue that has drained go to whoever gets it next. */
static void part_with(struct worker *worker, struct queue *queue)
{
	stage_rest(queue);
	if (!serves(worker, queue->storage))
		storage_detach(queue->storage, &worker->thread);
	if (queue->kick_fd < 0)
		worker->unkicked--;
	worker->polled_as[queue->policy.poll]--;
	if (queue->leaving == QUEUE_STOPS)
		mailbox_post(queue->stopped_to, &queue->stopped);
	else
		queue_hand_over(queue);
}

/* True where the queue is gone. */
static bool leave(struct worker *worker, struct queue *queue, struct queue **link)
{
	/* What is held goes along; at a stop it is submitted (queue_release_held()). */
	const uint32_t waits_for = queue->leaving == QUEUE_MOVES ? queue_under_way(queue) : queue->in_flight;

	/* Requests that take long must not hold a queue up that only moves: it stays where it is. */
	if (waits_for && queue->leaving == QUEUE_MOVES && clock_ticks() >= queue->move_deadline)
		queue_give_up_move(queue);
	if (queue->leaving == QUEUE_STAYS || waits_for || queue_owes(queue) || !poll_has_ended(worker, queue))
		return false;
	*link = queue->next;
	part_with(worker, queue);
	return true;
}

void worker_look_at_held(struct worker *worker)
{
	const qos_time now = qos_now();

	for (struct queue *queue = worker->queues; queue; queue = queue->next)
		queue->held_until = now;
}

void worker_flush_queues(struct worker *worker)
{
	struct queue **link = &worker->queues;

	worker->held = worker->holding = worker->moving = 0;
	while (*link) {
		struct queue *queue = *link;

		queue_flush(queue);
		if (__builtin_expect(queue->leaving != QUEUE_STAYS, 0) && leave(worker, queue, link))
			continue;
		worker->held += queue->calls.held > 0;
		worker->holding += queue->held_now > 0;
		worker->moving += queue->leaving == QUEUE_MOVES;
		link = &queue->next;
	}
}

void worker_release_calls(struct worker *worker)
{
	if (!worker->held)
		return;
	for (struct queue *queue = worker->queues; queue; queue = queue->next)
		queue_release_call(queue);
	worker->held = 0;
}
