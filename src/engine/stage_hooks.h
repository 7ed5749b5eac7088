/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_STAGE_HOOKS_H
#define STRAIT_ENGINE_STAGE_HOOKS_H

#include "engine/queue.h"
#include "engine/stage_clock.h"

/*
 * Where the engine tells the stage clock what happens, in the order of a
 * request's way. All on the queue's worker. What a request of a busy queue passes is a few
 * instructions; without a clock, or in a build without it, it is none.
 */

static inline struct stage_clock *stage_clock_of(const struct queue *queue)
{
	return STRAIT_STAGE_CLOCK ? queue->clock : NULL;
}

/* Look at the clock. */
static inline uint64_t stage_now(struct storage_thread *thread)
{
	return thread->now = clock_ticks();
}

/* The same, where nothing but the stage clock needs it. */
static inline void stage_tick(struct storage_thread *thread)
{
	if (STRAIT_STAGE_CLOCK)
		stage_now(thread);
}

/* A turn that counts as an earlier one, and is not the last of these: nobody asks what of it was where when. */
static inline bool stage_repeats(const struct queue *queue)
{
	return queue->clock->repeats > 1 && !queue->stamp_each;
}

/* A look at the ring begins. Where what is taken has to be told apart, it is taken by stage_clock_group(). */
static inline bool stage_wants_groups(const struct queue *queue)
{
	return stage_clock_of(queue) && !stage_repeats(queue);
}

/* Nothing more is coming, for now: leave nothing uncounted. */
static inline void stage_rest(struct queue *queue)
{
	const struct stage_clock *clock = stage_clock_of(queue);

	if (clock && clock->repeats)
		stage_clock_rest(queue);
}

/* It is about to be handled, and has been. */
static inline void stage_handle(struct queue *queue, struct request *request)
{
	if (STRAIT_STAGE_CLOCK && __builtin_expect(queue->stamp_each, 0))
		stage_clock_stamp_first(queue, request);
}

static inline void stage_handled(struct queue *queue, struct request *request)
{
	if (STRAIT_STAGE_CLOCK && __builtin_expect(request->state != REQUEST_FREE, 0))
		stage_clock_handled(queue, request);
}

/* The look is over; empty: it found that nothing more is there. */
static inline void stage_looked(struct queue *queue, const struct request *last, unsigned taken, bool empty)
{
	struct stage_clock *clock = stage_clock_of(queue);

	if (!clock)
		return;
	if (taken && stage_repeats(queue)) {
		clock->last = last;
		clock->taken_count = taken;
		clock->looked = queue->thread->now;
	} else if (taken) {
		stage_clock_looked(queue, last, taken, empty);
	} else if (empty) {
		stage_rest(queue);
		clock->looked = queue->thread->now;
		clock->known = 0;
	}
}

/* A HELD request passes. */
static inline void stage_admit(struct queue *queue, struct request *request)
{
	request->admitted = queue->thread->now;
}

/* Hand it to the storage. */
static inline void stage_submit(struct queue *queue, struct request *request)
{
	if (STRAIT_STAGE_CLOCK && __builtin_expect(request->stamp == STAMP_TAKEN, 0))
		stage_clock_submit(queue, request);
	else
		storage_submit(queue->storage, queue->thread, &request->io);
}

/* What was prepared is with the kernel. */
static inline void stage_entered(struct queue *queue)
{
	struct stage_clock *clock = stage_clock_of(queue);

	if (clock && clock->unsubmitted)
		stage_clock_entered(queue);
}

/* The request is about to be DONE. */
static inline void stage_done(struct queue *queue, struct request *request)
{
	if (STRAIT_STAGE_CLOCK && request->stamp != STAMP_NONE)
		stage_clock_done(queue, request);
}

/* What is done was published. The time, 0 where it was not looked at. */
static inline uint64_t stage_published(struct queue *queue)
{
	return stage_clock_of(queue) ? stage_clock_published(queue) : 0;
}

/* The driver was called for all that was published, or wants no call for it. */
static inline void stage_called(struct queue *queue, bool called)
{
	struct stage_clock *clock = stage_clock_of(queue);

	if (!clock)
		return;
	if (clock->repeats && !called)
		stage_clock_repeated(queue);
	else if (clock->sample_count || clock->repeats)
		stage_clock_called(queue, called ? stage_now(queue->thread) : 0);
}

#endif
