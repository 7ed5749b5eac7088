/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_STAGE_CLOCK_H
#define STRAIT_ENGINE_STAGE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "engine/request.h"
#include "engine/slow.h"
#include "engine/stage.h"
#include "storage/storage.h"
#include "virtio/virtq.h"

/*
 * The stage clock of a queue: what its requests' stamps become (stage.h). It is
 * the worker's; anyone reads times.
 *
 * Time is storage_thread.now, which the worker reads a few times a turn: behind
 * each io_uring_enter, at each publication, behind a call. A turn begins with
 * the time at which the last one ended, one after a look in vain or a sleep with that
 * of the end of it. What happens in between has the same stamps, and is counted together.
 *
 *   seen       see below
 *   taken      the turn in which it was taken
 *   admitted   the same; of a HELD request, when it passed
 *   submitted  behind the io_uring_enter that carried it; of a request that is carried several
 *              times, the first. When it was handed to the storage, where it did not go through
 *              io_uring, or that very call did the work (a read from the page cache)
 *   completed  when its last completion was found
 *   published  with the first look at the clock behind the publication
 *   called     behind the call; where none was wanted, published
 *
 * A storage that works inside submit() (storage_info.works_inline) has the clock read at each completion, since
 * otherwise all of its time would be that of publishing.
 *
 * Seen: what was not there at the last look at the ring and is now came in
 * between. Of k such requests the n-th is taken to have come after n k-ths of that time, in
 * groups of what is taken together. Where the worker slept meanwhile, they
 * came when it woke. A packed ring does not say how many wait: that is
 * looked up (virtq_waiting()) where some are left.
 *
 * Requests that are over before handle() returns are not stamped, where the
 * device counts requests by operation type (queue.op_counts): their number is
 * what these counters have grown by, less those that were stamped.
 *
 * A worker that does nothing else (null, at hundreds of nanoseconds a turn)
 * would spend several percent of its time on this. So where a turn took a good
 * many requests, all over at once and without a call, the next few turns count as
 * that one did, as long as none takes more than twice or less than half as
 * long: what is slow is never taken for usual.
 */

/* 0: builds without it, to see what it costs. */
#ifndef STRAIT_STAGE_CLOCK
#define STRAIT_STAGE_CLOCK 1
#endif

/* Requests taken in one go. */
#define STAGE_BATCH 16

/* Groups of requests between their completion and their call. More than there usually are: what is beyond has no
 * notify. */
#define STAGE_SAMPLES 128

/* What the worker was about when it took a request. */
enum stage_activity {
	STAGE_BUSY,    /* with other requests */
	STAGE_LOOKING, /* for some */
	STAGE_ASLEEP,
};

/* Requests of one operation type with equal stamps (ticks), and one of them. */
struct stage_sample {
	uint64_t seen, taken, admitted, submitted, completed, published;
	uint64_t offset, length; /* bytes; one that is slow has a sample of its own */
	uint64_t gap;            /* ticks without a look at the ring */
	uint32_t requests;
	uint32_t depth; /* requests in flight when it was taken */
	uint8_t op, activity;
};

struct stage_clock {
	/* of the look at the ring that is going on */
	uint64_t seen;  /* by the requests that are taken now */
	uint64_t taken; /* when that look began */
	uint64_t since; /* what is not among the known ones has come since */
	uint64_t gap;   /* ticks since the look before */
	uint8_t activity;

	/* from one look to the next */
	uint64_t looked;                 /* when it was last known what is in the ring */
	uint64_t known_since, known_gap; /* the first of those known came then, the next so many ticks later each */
	uint32_t known, known_taken;     /* still in the ring; taken of those that were found with them */

	/* turns that count as an earlier one */
	uint64_t like[STAGE_COUNT]; /* what its requests spent (nanoseconds) */
	uint64_t like_least,
		like_span; /* ticks from one publication to the next of a turn like it, and how much more they may be */
	uint64_t published;         /* the last time something was */
	uint64_t alike;             /* requests of such turns, as at_once */
	const struct request *last; /* taken; its place is not taken again before it is published */
	uint32_t taken_count;       /* in this turn */
	uint32_t repeats;           /* that may follow; 0: the next turn is measured */

	uint64_t counted[STORAGE_OP_COUNT]; /* of queue.op_counts, in samples or in times; stamped ones at once */
	struct request *unsubmitted;        /* those that the next io_uring_enter carries */
	unsigned sample_count, unpublished;
	unsigned latest[STORAGE_OP_COUNT];
	struct stage_sample sample[STAGE_SAMPLES];

	struct slow_recorder slow;
	struct stage_times times[STORAGE_OP_COUNT];
};

/*
 * Control thread, for the owner of a queue. One that has counted nothing; its memory
 * comes as it is touched. NULL: out of memory, or the build has no stage clock.
 */
struct stage_clock *stage_clock_create(void);
void stage_clock_destroy(struct stage_clock *clock);

struct queue;

/* Control thread: the queue is about to start. What was counted stays. */
void stage_clock_start(struct queue *queue);

/* Any thread: what a queue has counted of an operation type; to be read by stage_read(). NULL: it has no clock. */
const struct stage_times *stage_clock_times(const struct queue *queue, enum storage_op op);

/* Any thread: its slowest requests. NULL: it has no clock. */
struct slow_recorder *stage_clock_slow(const struct queue *queue);

/*
 * The rest is for stage_hooks.h, which says what it means. Not inlined: it is seldom that a turn of a busy queue needs
 * it, and the loop that takes requests is better off with its registers for itself.
 */
#define STAGE_SELDOM __attribute__((noinline))

/*
 * A look at the ring begins, or goes on: so many have been taken in it. The
 * number at which this is to be called again, most where that is none.
 */
STAGE_SELDOM unsigned stage_clock_group(struct queue *queue, unsigned taken, unsigned most);
STAGE_SELDOM void stage_clock_stamp_first(struct queue *queue, struct request *request);
STAGE_SELDOM void stage_clock_handled(struct queue *queue, struct request *request);
STAGE_SELDOM void stage_clock_looked(struct queue *queue, const struct request *last, unsigned taken, bool empty);
STAGE_SELDOM void stage_clock_submit(struct queue *queue, struct request *request);
STAGE_SELDOM void stage_clock_entered(struct queue *queue);
STAGE_SELDOM void stage_clock_done(struct queue *queue, struct request *request);
STAGE_SELDOM uint64_t stage_clock_published(struct queue *queue);
STAGE_SELDOM void stage_clock_called(struct queue *queue, uint64_t called);
STAGE_SELDOM void stage_clock_repeated(struct queue *queue);
STAGE_SELDOM void stage_clock_rest(struct queue *queue);

#endif
