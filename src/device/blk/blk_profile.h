/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_DEVICE_BLK_BLK_PROFILE_H
#define STRAIT_DEVICE_BLK_BLK_PROFILE_H

#include <stdint.h>

#include "storage/storage.h"

/*
 * What a queue is used for. Written by its worker, read by anyone (relaxed);
 * numbers only grow.
 *
 * Of each millisecond 32 requests in a row are looked at, the others only
 * counted. If there were more in the millisecond before, each stands for that
 * many times as many, and they begin anywhere: the first ones of a batch are
 * not like the last. So it costs next to nothing where requests come fast, and
 * nothing is missed where they come slowly. Times are ticks of the engine's
 * clock (storage_thread.now).
 */
#define BLK_PROFILE_SIZES  16 /* of up to 512 bytes, up to 1 KiB, ... the last: and above */
#define BLK_PROFILE_DEPTHS 40 /* see blk_profile_depth() */

/* Places in blk_profile.word. Sizes of one operation type stand together, those of flushes stay 0. */
enum blk_profile_word {
	BLK_PROFILE_SIZE,
	BLK_PROFILE_SEQUENTIAL = BLK_PROFILE_SIZE + STORAGE_OP_COUNT * BLK_PROFILE_SIZES, /* by operation type */
	BLK_PROFILE_SYNC = BLK_PROFILE_SEQUENTIAL + STORAGE_OP_COUNT, /* a write alone, a flush behind it */
	BLK_PROFILE_DEPTH,                                            /* under way on the queue, with the new one */
	BLK_PROFILE_DEPTH_SUM = BLK_PROFILE_DEPTH + BLK_PROFILE_DEPTHS,
	/* Of spans of 10 ms, also those in which nothing came: how many, and of their requests sum and squares. */
	BLK_PROFILE_SPANS,
	BLK_PROFILE_SPAN_REQUESTS,
	BLK_PROFILE_SPAN_SQUARES,
	BLK_PROFILE_WORDS,
};

/*
 * Where requests went in the last one to two minutes: a HyperLogLog of regions
 * of the disk, which knows how many different ones there were to some 3%.
 */
#define BLK_PROFILE_REGION_BITS 16 /* 64 KiB */
#define BLK_PROFILE_REGISTERS   1024

struct blk_profile_streams {
	uint64_t end[4]; /* where sequential requests would go on */
	unsigned next;
};

struct blk_profile {
	uint64_t word[BLK_PROFILE_WORDS];
	uint8_t region[2][BLK_PROFILE_REGISTERS]; /* of this minute and of the one before */

	/* the worker's */
	uint64_t millisecond; /* ticks, as the others */
	uint64_t began;       /* the millisecond that is going on */
	uint64_t ends;
	uint32_t came;      /* requests in it */
	uint32_t look_from; /* which of them are looked at: from this one on, */
	uint32_t left;      /* so many more */
	uint32_t random;
	uint32_t weight; /* for how many each stands */
	uint64_t span, span_requests;
	uint64_t minute;
	unsigned current; /* which region[] is this minute's */
	struct blk_profile_streams stream[2];
	uint8_t last_alone; /* the last one was a write, and nothing else was under way */
};

/* Of count queues, memory comes as it is touched. After clock_init(). NULL: none. */
struct blk_profile *blk_profile_create(unsigned count);
void blk_profile_destroy(struct blk_profile *profiles, unsigned count);

/* The longer part of blk_profile_request(). */
void blk_profile_look(struct blk_profile *profile, uint64_t now, const struct storage_io *io, uint32_t depth);

/* Worker: a request has come; io has its op, offset and length, depth is what the queue has under way with it. */
static inline void blk_profile_request(struct blk_profile *profile, uint64_t now, const struct storage_io *io,
				       uint32_t depth)
{
	if (!profile)
		return;
	if (__builtin_expect(++profile->came > profile->look_from || now >= profile->ends, 0))
		blk_profile_look(profile, now, io, depth);
}

/* The place of a depth among BLK_PROFILE_DEPTHS, and the largest depth at a place: exact up to 8, then four an octave.
 */
unsigned blk_profile_depth(uint32_t depth);
uint32_t blk_profile_depth_limit(unsigned place);

/* Any thread: add the numbers, and the regions (registers are at least as high as before). */
void blk_profile_read(const struct blk_profile *profile, uint64_t word[BLK_PROFILE_WORDS],
		      uint8_t region[BLK_PROFILE_REGISTERS]);

/* How many different regions the registers have seen. */
double blk_profile_regions(const uint8_t region[BLK_PROFILE_REGISTERS]);

#endif
