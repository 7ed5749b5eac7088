/* SPDX-License-Identifier: Apache-2.0 */
#include "control/metrics_histogram.h"

#include <stdbool.h>

const char *const metrics_ends[METRICS_ENDS] = {
	"2.5e-07", "1e-06",  "2.5e-06", "5e-06", "1e-05", "2.5e-05", "5e-05", "0.0001", "0.00025", "0.0005",
	"0.001",   "0.0025", "0.005",   "0.01",  "0.025", "0.1",     "0.25",  "1",      "10",
};

static const uint64_t ends_ns[METRICS_ENDS] = {
	250,     1000,    2500,    5000,     10000,    25000,     50000,     100000,     250000,      500000,
	1000000, 2500000, 5000000, 10000000, 25000000, 100000000, 250000000, 1000000000, 10000000000,
};

/* The largest value of a bucket of hist_index(). */
static uint64_t last_value(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2 * HIST_STEPS)
		return bucket;
	shift = (bucket >> HIST_STEP_BITS) - 1;
	return ((uint64_t)(HIST_STEPS + (bucket & (HIST_STEPS - 1)) + 1) << shift) - 1;
}

/* One thread. */
static const uint8_t *place_of_bucket(void)
{
	static uint8_t place[HIST_BUCKETS];
	static bool known;
	unsigned end = 0;

	for (unsigned i = 0; i < HIST_BUCKETS && !known; i++) {
		while (end < METRICS_ENDS && last_value(i) > ends_ns[end])
			end++;
		place[i] = (uint8_t)end;
	}
	known = true;
	return place;
}

static unsigned next_octave(uint64_t *octaves)
{
	const unsigned octave = (unsigned)__builtin_ctzll(*octaves);

	*octaves &= *octaves - 1;
	return octave << HIST_STEP_BITS;
}

static void add_stage(const struct stage_times *times, unsigned stage, const uint8_t *place,
		      struct metrics_histogram *histogram)
{
	uint64_t octaves = __atomic_load_n(&times->octaves[stage], __ATOMIC_RELAXED);

	while (octaves) {
		const unsigned from = next_octave(&octaves);

		for (unsigned i = from; i < from + HIST_STEPS; i++)
			histogram->count[place[i]] += __atomic_load_n(&times->bucket[stage][i], __ATOMIC_RELAXED);
	}
}

void metrics_histogram_add(const struct stage_times *times, struct metrics_histogram *total,
			   struct metrics_histogram stage[STAGE_COUNT])
{
	const uint8_t *place = place_of_bucket();
	uint64_t octaves;

	for (unsigned i = 0; i < STAGE_COUNT; i++)
		add_stage(times, i, place, &stage[i]);
	octaves = __atomic_load_n(&times->level_octaves, __ATOMIC_RELAXED);
	while (octaves) {
		const unsigned from = next_octave(&octaves);

		for (unsigned i = from; i < from + HIST_STEPS; i++) {
			const struct stage_level *level = &times->level[i];
			const uint64_t count = __atomic_load_n(&level->count, __ATOMIC_RELAXED);

			if (!count)
				continue;
			total->count[place[i]] += count;
			for (unsigned j = 0; j < STAGE_COUNT; j++) {
				const uint64_t spent = __atomic_load_n(&level->spent_ns[j], __ATOMIC_RELAXED);

				stage[j].sum_ns += spent;
				total->sum_ns += spent;
			}
		}
	}
}

uint64_t metrics_histogram_requests(const struct metrics_histogram *histogram)
{
	uint64_t requests = 0;

	for (unsigned i = 0; i <= METRICS_ENDS; i++)
		requests += histogram->count[i];
	return requests;
}

void metrics_histogram_finish(struct metrics_histogram *histogram, uint64_t requests, struct metrics_last *last,
			      uint64_t cumulative[METRICS_ENDS + 1])
{
	const uint64_t counted = metrics_histogram_requests(histogram);
	uint64_t sum = requests > counted ? requests - counted : 0;

	for (unsigned i = 0; i <= METRICS_ENDS; i++) {
		sum += histogram->count[i];
		cumulative[i] = sum > last->cumulative[i] ? sum : last->cumulative[i];
		last->cumulative[i] = cumulative[i];
	}
}
