/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_STATS_FRAME_H
#define STRAIT_CONTROL_STATS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/blk/blk_profile.h"
#include "engine/stage.h"
#include "storage/storage.h"

/*
 * What was counted of a disk in a span of time, in few bytes: what is zero
 * takes none, small numbers take little. Pure: no clock, no thread.
 */

/* Numbers of a disk that only grow, beside those of the stage clock. */
enum stats_word {
	STATS_OPS, /* one for each enum storage_op: taken from the ring */
	STATS_BYTES_READ = STATS_OPS + STORAGE_OP_COUNT,
	STATS_BYTES_WRITTEN,
	STATS_ERRORS,   /* answered IOERR */
	STATS_REQUESTS, /* given back to the driver */
	STATS_KICKS,
	STATS_CALLS,
	STATS_BROKEN,
	STATS_HELD,    /* requests that QoS held back */
	STATS_HELD_NS, /* those that have passed, for so long, together */
	STATS_DEVICE,  /* those of enum blk_profile_word */
	STATS_WORDS = STATS_DEVICE + BLK_PROFILE_WORDS,
};

#define STATS_ALL_OPS ((1u << STORAGE_OP_COUNT) - 1)

/* The stage clocks of one operation type, summed over the queues of a disk. */
struct stats_counts {
	uint64_t count[HIST_BUCKETS]; /* as struct stage_level, apart since most are looked at in vain */
	uint64_t spent_ns[HIST_BUCKETS][STAGE_COUNT];
	uint64_t stage[STAGE_COUNT][HIST_BUCKETS];
};

/* What has been put into frames so far. Large and mostly untouched: map it (stats_seen_new()). */
struct stats_seen {
	uint64_t word[STATS_WORDS];
	struct stats_counts op[STORAGE_OP_COUNT];
};

/* NULL: no memory. */
struct stats_seen *stats_seen_new(void);
void stats_seen_free(struct stats_seen *seen);

/* Bytes that grow. Where memory runs out failed is set, and what is put in goes nowhere. */
struct stats_bytes {
	uint8_t *at;
	size_t size, room;
	bool failed;
};

void stats_bytes_free(struct stats_bytes *bytes);

/*
 * Append what the clocks of one operation type have counted since seen, or
 * since their beginning where seen is NULL. With advance, it has been seen
 * from then on. Clocks may be written meanwhile.
 */
void stats_put_clocks(struct stats_bytes *bytes, enum storage_op op, const struct stage_times *const *clocks,
		      unsigned clock_count, struct stats_seen *seen, bool advance);

/* Only the totals and what was spent, for a sum without stages. Nothing has been seen. */
void stats_put_totals(struct stats_bytes *bytes, enum storage_op op, const struct stage_times *const *clocks,
		      unsigned clock_count, struct stats_seen *seen);

/* The same for the words. */
void stats_put_words(struct stats_bytes *bytes, const uint64_t word[STATS_WORDS], struct stats_seen *seen,
		     bool advance);

/* A sum of frames. */
struct stats_sum {
	uint64_t word[STATS_WORDS];
	struct stage_reading reading; /* of the operation types asked for; complete after stats_sum_finish() */
};

void stats_sum_init(struct stats_sum *sum);

/*
 * Add size bytes that the functions above have made, or take them away again:
 * the words, and the clocks of the operation types in ops (bits). Without
 * stages, of the clocks only totals and what was spent.
 */
void stats_sum_add(struct stats_sum *sum, const uint8_t *bytes, size_t size, unsigned ops, bool stages, bool subtract);

/* The parts of the reading that follow from others. */
void stats_sum_finish(struct stats_sum *sum);

#endif
