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

uint64_t hist_lower(unsigned index)
{
	if (index < 2 * HIST_STEPS)
		return index;
	return (uint64_t)(HIST_STEPS + (index & (HIST_STEPS - 1))) << ((index >> HIST_STEP_BITS) - 1);
}

uint64_t hist_middle(unsigned index)
{
	if (index < 2 * HIST_STEPS)
		return index;
	return hist_lower(index) + ((uint64_t)1 << ((index >> HIST_STEP_BITS) - 1)) / 2;
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
			value = hist_middle(i);
			if (value > hist->max)
				return hist->max;
			return value < hist->min ? hist->min : value;
		}
	}
	return hist->max;
}
