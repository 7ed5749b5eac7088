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
 * What a queue's worker writes and anyone reads (relaxed), one for each type
 * of operation. It only grows: a window of time is the difference of two
 * readings. Buckets are hist_index() of nanoseconds.
 */
struct stage_level {
	uint64_t count;                 /* requests whose total lies in this bucket */
	uint64_t spent_ns[STAGE_COUNT]; /* and what they spent in each stage: their sum is that of the totals */
	uint64_t unused;                /* a cache line each */
};

struct stage_times {
	struct stage_level level[HIST_BUCKETS];
	uint64_t bucket[STAGE_COUNT][HIST_BUCKETS]; /* requests by time spent in a stage; [0] is left out, see below */
};

/*
 * A reading: of one operation type or several, of one queue or a disk's. Of
 * each stage the requests that spent nothing there are in bucket 0, too.
 */
struct stage_reading {
	struct hist total;
	struct hist stage[STAGE_COUNT]; /* count, sum, bucket; min and max are those of the buckets */
	uint64_t spent_ns[HIST_BUCKETS][STAGE_COUNT];
};

void stage_reading_init(struct stage_reading *reading);

/* Any thread. Add what has been counted so far. */
void stage_read(const struct stage_times *times, struct stage_reading *into);
void stage_reading_merge(struct stage_reading *into, const struct stage_reading *from);

/* Take an earlier reading of the same away again; what is left is what came since. */
void stage_reading_subtract(struct stage_reading *from, const struct stage_reading *earlier);

/*
 * What the requests around a quantile of the total spent where, on average:
 * those in its bucket and its neighbours until there are enough to tell
 * (requests, not fewer than 1 where there are any). Their sum is *total_ns.
 */
void stage_reading_budget(const struct stage_reading *reading, double quantile, double spent_ns[STAGE_COUNT],
			  double *total_ns);

#endif
