/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

#include <string.h>

void hist_reset(struct hist *hist)
{
	memset(hist, 0, sizeof(*hist));
	hist->min = UINT64_MAX;
}

void hist_merge(struct hist *into, const struct hist *from)
{
	into->count += from->count;
	into->sum += from->sum;
	if (from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
}

/* The middle of a bucket; its index is that of hist_index(). */
static uint64_t bucket_value(unsigned index)
{
	unsigned shift;
	uint64_t low;

	if (index < 2 * HIST_STEPS)
		return index;
	shift = (index >> HIST_STEP_BITS) - 1;
	low = (uint64_t)(HIST_STEPS + (index & (HIST_STEPS - 1))) << shift;
	return low + ((uint64_t)1 << shift) / 2;
}

uint64_t hist_quantile(const struct hist *hist, double q)
{
	uint64_t rank, seen = 0, value;

	if (!hist->count)
		return 0;
	rank = (uint64_t)(q * (double)hist->count);
	if (rank >= hist->count)
		rank = hist->count - 1;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->bucket[i];
		if (seen > rank) {
			value = bucket_value(i);
			if (value > hist->max)
				return hist->max;
			return value < hist->min ? hist->min : value;
		}
	}
	return hist->max;
}
