/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stage.h"

#include <string.h>

/* What is enough to say where the requests around a quantile were, and how far from it they may be taken. */
#define ENOUGH_REQUESTS 16
#define NEIGHBOURS      4

const char *const stage_names[STAGE_COUNT] = {"ring", "held", "submit", "backend", "publish", "notify"};

void stage_reading_init(struct stage_reading *reading)
{
	memset(reading, 0, sizeof(*reading));
	reading->total.min = UINT64_MAX;
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		reading->stage[stage].min = UINT64_MAX;
}

/* The first bucket of the next octave in the set, which it leaves. */
static unsigned next_octave(uint64_t *octaves)
{
	const unsigned octave = (unsigned)__builtin_ctzll(*octaves);

	*octaves &= *octaves - 1;
	return octave << HIST_STEP_BITS;
}

/* Count, minimum and maximum from the buckets; the sum is known otherwise. */
static void summarise(struct hist *hist, uint64_t octaves)
{
	unsigned first = HIST_BUCKETS, last = 0;

	hist->count = 0;
	while (octaves) {
		const unsigned from = next_octave(&octaves);

		for (unsigned i = from; i < from + HIST_STEPS; i++) {
			if (!hist->bucket[i])
				continue;
			hist->count += hist->bucket[i];
			first = i < first ? i : first;
			last = i;
		}
	}
	hist->min = hist->count ? hist_middle(first) : UINT64_MAX;
	hist->max = hist->count ? hist_middle(last) : 0;
}

/*
 * A stage's requests are known by those that spent time in it; the others
 * spent none. While a worker counts, the totals may lag behind.
 */
void stage_reading_complete(struct stage_reading *reading)
{
	summarise(&reading->total, reading->total_octaves);
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		struct hist *hist = &reading->stage[stage];

		hist->bucket[0] = 0;
		summarise(hist, reading->octaves[stage]);
		if (hist->count >= reading->total.count)
			continue;
		hist->bucket[0] = reading->total.count - hist->count;
		reading->octaves[stage] |= 1;
		hist->min = 0;
		hist->count = reading->total.count;
	}
}

static void read_level(struct stage_reading *into, unsigned bucket, const struct stage_level *level)
{
	const uint64_t count = __atomic_load_n(&level->count, __ATOMIC_RELAXED);

	if (!count)
		return;
	into->total.bucket[bucket] += count;
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		const uint64_t spent = __atomic_load_n(&level->spent_ns[stage], __ATOMIC_RELAXED);

		into->spent_ns[bucket][stage] += spent;
		into->stage[stage].sum += spent;
		into->total.sum += spent;
	}
}

static void read_stage(struct stage_reading *into, unsigned stage, const struct stage_times *times)
{
	uint64_t octaves = __atomic_load_n(&times->octaves[stage], __ATOMIC_RELAXED);

	into->octaves[stage] |= octaves;
	while (octaves) {
		const unsigned from = next_octave(&octaves);

		for (unsigned i = from; i < from + HIST_STEPS; i++)
			into->stage[stage].bucket[i] += __atomic_load_n(&times->bucket[stage][i], __ATOMIC_RELAXED);
	}
}

void stage_read(const struct stage_times *times, struct stage_reading *into)
{
	uint64_t octaves;

	/* The levels last: then there are seldom more requests in a stage than there are. */
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		read_stage(into, stage, times);
	octaves = __atomic_load_n(&times->level_octaves, __ATOMIC_RELAXED);
	into->total_octaves |= octaves;
	while (octaves) {
		const unsigned from = next_octave(&octaves);

		for (unsigned i = from; i < from + HIST_STEPS; i++)
			read_level(into, i, &times->level[i]);
	}
	stage_reading_complete(into);
}

static void combine_hist(struct hist *into, const struct hist *from, uint64_t octaves, uint64_t sign)
{
	into->sum += sign * from->sum;
	while (octaves) {
		const unsigned first = next_octave(&octaves);

		for (unsigned i = first; i < first + HIST_STEPS; i++)
			into->bucket[i] += sign * from->bucket[i];
	}
}

/* sign: 1, or -1 as an unsigned number. */
static void combine(struct stage_reading *into, const struct stage_reading *from, uint64_t sign)
{
	uint64_t octaves = from->total_octaves;

	combine_hist(&into->total, &from->total, from->total_octaves, sign);
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		combine_hist(&into->stage[stage], &from->stage[stage], from->octaves[stage], sign);
	while (octaves) {
		const unsigned first = next_octave(&octaves);

		for (unsigned i = first; i < first + HIST_STEPS; i++)
			for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
				into->spent_ns[i][stage] += sign * from->spent_ns[i][stage];
	}
	into->total_octaves |= from->total_octaves;
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		into->octaves[stage] |= from->octaves[stage];
	stage_reading_complete(into);
}

void stage_reading_merge(struct stage_reading *into, const struct stage_reading *from)
{
	combine(into, from, 1);
}

void stage_reading_subtract(struct stage_reading *from, const struct stage_reading *earlier)
{
	combine(from, earlier, -1ull);
}

/* Add a bucket's requests to what is looked at. */
static uint64_t gather(const struct stage_reading *reading, unsigned bucket, double spent_ns[STAGE_COUNT])
{
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		spent_ns[stage] += (double)reading->spent_ns[bucket][stage];
	return reading->total.bucket[bucket];
}

void stage_reading_budget(const struct stage_reading *reading, double quantile, double spent_ns[STAGE_COUNT],
			  double *total_ns)
{
	unsigned middle;
	uint64_t requests;

	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		spent_ns[stage] = 0;
	*total_ns = 0;
	if (!reading->total.count)
		return;
	middle = hist_index(hist_quantile(&reading->total, quantile));
	requests = gather(reading, middle, spent_ns);
	for (unsigned by = 1; by <= NEIGHBOURS && requests < ENOUGH_REQUESTS; by++) {
		if (middle >= by)
			requests += gather(reading, middle - by, spent_ns);
		if (middle + by < HIST_BUCKETS)
			requests += gather(reading, middle + by, spent_ns);
	}
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		spent_ns[stage] /= (double)requests;
		*total_ns += spent_ns[stage];
	}
}
