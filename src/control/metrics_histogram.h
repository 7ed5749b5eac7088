/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_METRICS_HISTOGRAM_H
#define STRAIT_CONTROL_METRICS_HISTOGRAM_H

#include <stdint.h>

#include "engine/stage.h"

/*
 * What the stage clock has counted in the few buckets that Prometheus gets: 19
 * upper ends from 250 ns to 10 s. A bucket of the clock goes where all of it
 * fits, so that what is slower than an end by less than 1/64 is in the bucket
 * above, and nothing that is slower in the one below. Pure, but that clocks may be
 * written meanwhile.
 */
#define METRICS_ENDS 19

extern const char *const metrics_ends[METRICS_ENDS]; /* seconds */

struct metrics_histogram {
	uint64_t count[METRICS_ENDS + 1]; /* by the first end that is not lower; not cumulative */
	uint64_t sum_ns;
};

/* The last reading, so that what is read never becomes less; zeroed before the first. */
struct metrics_last {
	uint64_t cumulative[METRICS_ENDS + 1];
};

/* Add requests by their total, and what they spent in each stage to the sums of stages. */
void metrics_histogram_add(const struct stage_times *times, struct metrics_histogram *total,
			   struct metrics_histogram stage[STAGE_COUNT]);

/*
 * Make counts cumulative. Of a stage, requests is how many there are: those
 * that spent no time in it were not counted. Clocks are read while they are
 * written, so of a request that is just being counted some parts may be seen and
 * others not. What would then be less than last time is as it was: a number that
 * went back would be taken for a restart.
 */
void metrics_histogram_finish(struct metrics_histogram *histogram, uint64_t requests, struct metrics_last *last,
			      uint64_t cumulative[METRICS_ENDS + 1]);

/* How many were counted. */
uint64_t metrics_histogram_requests(const struct metrics_histogram *histogram);

#endif
