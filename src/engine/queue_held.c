/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/stage_hooks.h"

/* Released in one go, so that other queues of the worker have their turn. */
#define RELEASE_BATCH 16

/* How often a queue in debt looks whether it still is. */
#define DEBT_LOOK QOS_NS(50000000)

static void push(struct queue *queue, enum qos_direction direction, struct request *request)
{
	struct queue_held *held = &queue->held[direction];

	request->io.next = NULL;
	if (held->first)
		held->last->io.next = &request->io;
	else
		held->first = request;
	held->last = request;
	QUEUE_COUNT(queue->held_now, 1);
	QUEUE_COUNT(queue->counters.held, 1);
	qos_count_held(queue->qos, 1);
}

/* What a stop lets pass is limited by nothing but the size of the ring. */
static void charge(struct queue *queue, const struct qos_cost *cost, qos_time now)
{
	qos_charge(queue->qos, cost, now);
	queue->in_debt |= queue->leaving == QUEUE_STOPS;
}

static struct request *pop(struct queue *queue, enum qos_direction direction)
{
	struct queue_held *held = &queue->held[direction];
	struct request *request = held->first;

	held->first = request->io.next ? request_of(request->io.next) : NULL;
	QUEUE_COUNT(queue->held_now, -1);
	qos_count_held(queue->qos, -1);
	return request;
}

static void begin(struct request *request)
{
	request->under_way = true;
	qos_count_under_way(request->queue->qos, 1);
}

static void hold(struct request *request, enum qos_direction direction)
{
	request->held_since = clock_ticks();
	request_set_state(request, REQUEST_HELD);
	push(request->queue, direction, request);
}

static void note_refusal(struct queue *queue, const struct qos_refusal *why)
{
	queue->held_until = why->when;
	queue->held_both = !why->direction_only;
}

bool queue_admit(struct request *request)
{
	struct queue *queue = request->queue;
	struct qos_refusal why;
	struct qos_cost cost;

	if (!qos_cost_of(&request->io, &cost))
		return true;
	/* The next part of what has begun, or what a queue that stops still has to do. */
	if (request->state == REQUEST_SUBMITTED || queue->leaving == QUEUE_STOPS) {
		charge(queue, &cost, qos_now());
		if (!request->under_way)
			begin(request);
		return true;
	}
	if (!queue->held[cost.direction].first && !(queue->held_now && queue->held_both)) {
		if (qos_admit(queue->qos, &cost, qos_now(), &why)) {
			begin(request);
			return true;
		}
		/* If those of the other direction are due earlier, that is when to look. */
		if (queue->held_now && qos_time_between(queue->held_until, why.when) > 0)
			why.when = queue->held_until;
		note_refusal(queue, &why);
	}
	hold(request, cost.direction);
	return false;
}

/* The oldest of a direction. False: it does not pass. */
static bool release(struct queue *queue, enum qos_direction direction, bool anyway, qos_time now,
		    struct qos_refusal *why)
{
	struct request *request = queue->held[direction].first;
	struct qos_cost cost;

	qos_cost_of(&request->io, &cost);
	cost.since = QOS_NS(clock_ticks_to_ns(request->held_since));
	if (anyway)
		charge(queue, &cost, now);
	else if (!qos_admit(queue->qos, &cost, now, why))
		return false;
	pop(queue, direction);
	QUEUE_COUNT(queue->counters.held_ns, clock_ticks_to_ns(clock_ticks() - request->held_since));
	begin(request);
	request_set_state(request, REQUEST_SUBMITTED);
	stage_admit(queue, request);
	stage_submit(queue, request);
	return true;
}

static enum qos_direction older(const struct queue *queue)
{
	const struct request *read = queue->held[QOS_READ].first, *write = queue->held[QOS_WRITE].first;

	if (!read || !write)
		return read ? QOS_READ : QOS_WRITE;
	return read->held_since <= write->held_since ? QOS_READ : QOS_WRITE;
}

/* One of either direction. False: none passes, and the queue knows why. */
static bool release_any(struct queue *queue, bool anyway, qos_time now)
{
	const enum qos_direction first = older(queue), second = first == QOS_READ ? QOS_WRITE : QOS_READ;
	struct qos_refusal why, other;

	if (release(queue, first, anyway, now, &why))
		return true;
	if (why.direction_only && queue->held[second].first) {
		if (release(queue, second, anyway, now, &other))
			return true;
		if (qos_time_between(other.when, why.when) > 0)
			why.when = other.when;
		why.direction_only = other.direction_only;
	}
	note_refusal(queue, &why);
	return false;
}

bool queue_release_held(struct queue *queue)
{
	const bool anyway = queue->leaving == QUEUE_STOPS || !__atomic_load_n(&queue->limited, __ATOMIC_RELAXED);
	const qos_time now = qos_now();
	unsigned released = 0;

	if (queue->leaving == QUEUE_MOVES)
		return false;
	/* Whether fewer are under way than a cap allows is not known by time. */
	if (!anyway && !qos_node_is_capped(queue->qos) && qos_time_between(now, queue->held_until) > 0)
		return false;
	while (queue->held_now && released < RELEASE_BATCH && release_any(queue, anyway, now))
		released++;
	return released > 0;
}

bool queue_pays(struct queue *queue)
{
	const qos_time now = qos_now();

	if (queue->leaving == QUEUE_STOPS)
		return false;
	queue->in_debt = __atomic_load_n(&queue->limited, __ATOMIC_RELAXED) && qos_is_in_debt(queue->qos, now);
	/* A limit that is changed meanwhile is noticed soon. */
	if (queue->in_debt)
		queue->held_until = now + DEBT_LOOK;
	return queue->in_debt;
}
