/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_HIST_H
#define STRAIT_BASE_HIST_H

#include <stdint.h>

/*
 * A log-linear histogram of 64-bit values (by convention nanoseconds): exact
 * below 128, above that each power of two is cut into 64 steps, so that the
 * middle of a step is within 1/128 of every value in it. Fixed size, one
 * writer, mergeable. Values of 2^HIST_MAX_BITS and above count as the largest.
 */
#define HIST_STEP_BITS 6
#define HIST_MAX_BITS  40
#define HIST_STEPS     (1u << HIST_STEP_BITS)
#define HIST_BUCKETS   ((HIST_MAX_BITS - HIST_STEP_BITS + 1) * HIST_STEPS)

struct hist {
	uint64_t count;
	uint64_t sum;
	uint64_t min; /* UINT64_MAX while empty */
	uint64_t max;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_reset(struct hist *hist);
void hist_merge(struct hist *into, const struct hist *from);

/* The value below which the share q (0 to 1) of all values lies; 0 if empty. */
uint64_t hist_quantile(const struct hist *hist, double q);

/* The smallest value of a bucket, and the one in its middle. index < HIST_BUCKETS. */
uint64_t hist_lower(unsigned index);
uint64_t hist_middle(unsigned index);

static inline unsigned hist_index(uint64_t value)
{
	unsigned msb;

	if (value < 2 * HIST_STEPS)
		return (unsigned)value;
	if (value >> HIST_MAX_BITS)
		return HIST_BUCKETS - 1;
	msb = 63u - (unsigned)__builtin_clzll(value);
	return ((msb - HIST_STEP_BITS) << HIST_STEP_BITS) + (unsigned)(value >> (msb - HIST_STEP_BITS));
}

static inline void hist_add(struct hist *hist, uint64_t value)
{
	hist->count++;
	hist->sum += value;
	if (value < hist->min)
		hist->min = value;
	if (value > hist->max)
		hist->max = value;
	hist->bucket[hist_index(value)]++;
}

#endif
