/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_STAGE_H
#define STRAIT_ENGINE_STAGE_H

#include <stdint.h>

#include "base/hist.h"
#include "storage/storage.h"

/*
 * Where a request's time went. The stages follow each other without a gap, so
 * that their sum is the total.
 */
enum stage {
	STAGE_RING,    /* visible in the ring, not yet taken */
	STAGE_HELD,    /* taken, held back by QoS */
	STAGE_SUBMIT,  /* admitted, on its way to the kernel or back end */
	STAGE_BACKEND, /* there, until its completion was seen */
	STAGE_PUBLISH, /* completed, not yet in the driver's ring */
	STAGE_NOTIFY,  /* in the ring, the driver not yet called; 0 where it wants no call */
	STAGE_COUNT,
};

extern const char *const stage_names[STAGE_COUNT]; /* "ring", "held", ... as users read them */

/*
 * Buckets lie in octaves of HIST_STEPS. A word has a bit for each octave that
 * was ever counted into, so that readers pass over those that were not.
 */
#define STAGE_OCTAVE_COUNT (HIST_BUCKETS / HIST_STEPS)
_Static_assert(STAGE_OCTAVE_COUNT <= 64, "a bit for each octave");

/*
 * What a queue's worker writes and anyone reads (relaxed), one for each type
 * of operation. It only grows: a window of time is the difference of two
 * readings. Buckets are hist_index() of nanoseconds. Memory of zeroes is an
 * empty one; little of it is ever touched.
 */
struct stage_level {
	uint64_t count;                 /* requests whose total lies in this bucket */
	uint64_t spent_ns[STAGE_COUNT]; /* and what they spent in each stage: their sum is that of the totals */
	uint64_t unused;                /* a cache line each */
};

struct stage_times {
	uint64_t level_octaves;
	uint64_t octaves[STAGE_COUNT];
	struct stage_level level[HIST_BUCKETS] __attribute__((aligned(64)));
	uint64_t bucket[STAGE_COUNT][HIST_BUCKETS]; /* requests by time spent in a stage; [0] is left out, see below */
};

/*
 * A reading: of one operation type or several, of one queue or a disk's. Of
 * each stage the requests that spent nothing there are in bucket 0, too.
 * Minimum and maximum of the histograms are the middles of the outermost
 * buckets.
 */
struct stage_reading {
	struct hist total;
	struct hist stage[STAGE_COUNT];
	uint64_t spent_ns[HIST_BUCKETS][STAGE_COUNT]; /* by the requests of each bucket of the total */
	uint64_t total_octaves;                       /* all others are empty */
	uint64_t octaves[STAGE_COUNT];
};

void stage_reading_init(struct stage_reading *reading);

/* Any thread. Add what has been counted so far. */
void stage_read(const struct stage_times *times, struct stage_reading *into);

/*
 * Of a reading whose buckets, sums, spent_ns and octaves were put together by
 * other means: count, minimum, maximum and the requests that spent nothing.
 */
void stage_reading_complete(struct stage_reading *reading);

void stage_reading_merge(struct stage_reading *into, const struct stage_reading *from);

/* Take an earlier reading of the same away again; what is left is what came since. */
void stage_reading_subtract(struct stage_reading *from, const struct stage_reading *earlier);

/*
 * What the requests around a quantile of the total spent where, on average:
 * those in its bucket and, where these are too few to tell, in the next ones
 * on either side, some percent away. Their sum is *total_ns. All 0 where there
 * are no requests.
 */
void stage_reading_budget(const struct stage_reading *reading, double quantile, double spent_ns[STAGE_COUNT],
			  double *total_ns);

/* The writer's. */

static inline void stage_grow(uint64_t *counter, uint64_t by)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}

static inline void stage_mark_octave(uint64_t *octaves, unsigned bucket)
{
	const uint64_t seen = __atomic_load_n(octaves, __ATOMIC_RELAXED), bit = 1ull << (bucket >> HIST_STEP_BITS);

	if (__builtin_expect(!(seen & bit), 0))
		__atomic_store_n(octaves, seen | bit, __ATOMIC_RELAXED);
}

/* So many requests each spent these nanoseconds in each of the stages. Returns their sum. */
static inline uint64_t stage_count(struct stage_times *times, const uint64_t spent_ns[STAGE_COUNT], uint32_t requests)
{
	struct stage_level *level;
	uint64_t total_ns = 0;
	unsigned bucket;

	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		total_ns += spent_ns[stage];
	bucket = hist_index(total_ns);
	level = &times->level[bucket];
	stage_mark_octave(&times->level_octaves, bucket);
	stage_grow(&level->count, requests);
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		if (!spent_ns[stage])
			continue;
		stage_grow(&level->spent_ns[stage], spent_ns[stage] * requests);
		bucket = hist_index(spent_ns[stage]);
		stage_mark_octave(&times->octaves[stage], bucket);
		stage_grow(&times->bucket[stage][bucket], requests);
	}
	return total_ns;
}

#endif
