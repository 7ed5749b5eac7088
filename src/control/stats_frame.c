/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_frame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * A frame is a list of sections: what it is of, then entries, of which each
 * begins with the distance from the one before; a distance of 0 ends it. All
 * numbers are LEB128.
 */
enum section {
	SECTION_END, /* not written: none has this number */
	SECTION_WORDS,
	SECTION_LEVELS,                                     /* + op */
	SECTION_STAGES = SECTION_LEVELS + STORAGE_OP_COUNT, /* + op * STAGE_COUNT + stage */
};

struct stats_seen *stats_seen_new(void)
{
	void *at = mmap(NULL, sizeof(struct stats_seen), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void stats_seen_free(struct stats_seen *seen)
{
	if (seen)
		munmap(seen, sizeof(*seen));
}

void stats_bytes_free(struct stats_bytes *bytes)
{
	free(bytes->at);
	*bytes = (struct stats_bytes){0};
}

static void put(struct stats_bytes *bytes, uint64_t value)
{
	if (bytes->size + 10 > bytes->room) {
		const size_t room = bytes->room ? bytes->room * 2 : 1024;
		uint8_t *at = realloc(bytes->at, room);

		if (!at) {
			bytes->failed = true;
			return;
		}
		bytes->at = at;
		bytes->room = room;
	}
	for (; value >= 128; value >>= 7)
		bytes->at[bytes->size++] = (uint8_t)(value | 128);
	bytes->at[bytes->size++] = (uint8_t)value;
}

static uint64_t take(const uint8_t **at)
{
	uint64_t value = 0;

	for (unsigned shift = 0;; shift += 7) {
		const uint8_t byte = *(*at)++;

		value |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return value;
	}
}

/* A section under way: it is begun by its first entry, so that an empty one takes nothing. */
struct section_writer {
	struct stats_bytes *bytes;
	unsigned section;
	int last; /* index of the last entry, -1: none yet */
};

static void put_index(struct section_writer *writer, unsigned index)
{
	if (writer->last < 0)
		put(writer->bytes, writer->section);
	put(writer->bytes, (uint64_t)((int)index - writer->last));
	writer->last = (int)index;
}

static void end_section(struct section_writer *writer)
{
	if (writer->last >= 0)
		put(writer->bytes, 0);
}

static uint64_t load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

/* Of a set of octaves the next one's first bucket, and the set without it. */
static unsigned next_octave(uint64_t *octaves)
{
	const unsigned octave = (unsigned)__builtin_ctzll(*octaves);

	*octaves &= *octaves - 1;
	return octave * HIST_STEPS;
}

static void put_level(struct section_writer *writer, const struct stage_times *const *clocks, unsigned clock_count,
		      unsigned i, struct stats_counts *seen, bool advance)
{
	uint64_t spent[STAGE_COUNT] = {0}, count = 0;

	for (unsigned clock = 0; clock < clock_count; clock++)
		count += load(&clocks[clock]->level[i].count);
	if (count == (seen ? seen->count[i] : 0))
		return;
	for (unsigned clock = 0; clock < clock_count; clock++) {
		for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
			spent[stage] += load(&clocks[clock]->level[i].spent_ns[stage]);
	}
	put_index(writer, i);
	put(writer->bytes, count - (seen ? seen->count[i] : 0));
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		put(writer->bytes, spent[stage] - (seen ? seen->spent_ns[i][stage] : 0));
	if (seen && advance) {
		seen->count[i] = count;
		memcpy(seen->spent_ns[i], spent, sizeof(spent));
	}
}

static void put_levels(struct stats_bytes *bytes, enum storage_op op, const struct stage_times *const *clocks,
		       unsigned clock_count, struct stats_counts *seen, bool advance)
{
	struct section_writer writer = {bytes, SECTION_LEVELS + op, -1};
	uint64_t octaves = 0;

	for (unsigned clock = 0; clock < clock_count; clock++)
		octaves |= load(&clocks[clock]->level_octaves);
	while (octaves) {
		const unsigned from = next_octave(&octaves);

		for (unsigned i = from; i < from + HIST_STEPS; i++)
			put_level(&writer, clocks, clock_count, i, seen, advance);
	}
	end_section(&writer);
}

static void put_bucket(struct section_writer *writer, const struct stage_times *const *clocks, unsigned clock_count,
		       enum stage stage, unsigned i, uint64_t *seen, bool advance)
{
	uint64_t count = 0;

	for (unsigned clock = 0; clock < clock_count; clock++)
		count += load(&clocks[clock]->bucket[stage][i]);
	if (count == (seen ? seen[i] : 0))
		return;
	put_index(writer, i);
	put(writer->bytes, count - (seen ? seen[i] : 0));
	if (seen && advance)
		seen[i] = count;
}

static void put_stage(struct stats_bytes *bytes, enum storage_op op, enum stage stage,
		      const struct stage_times *const *clocks, unsigned clock_count, uint64_t *seen, bool advance)
{
	struct section_writer writer = {bytes, SECTION_STAGES + op * STAGE_COUNT + stage, -1};
	uint64_t octaves = 0;

	for (unsigned clock = 0; clock < clock_count; clock++)
		octaves |= load(&clocks[clock]->octaves[stage]);
	while (octaves) {
		const unsigned from = next_octave(&octaves);

		for (unsigned i = from; i < from + HIST_STEPS; i++)
			put_bucket(&writer, clocks, clock_count, stage, i, seen, advance);
	}
	end_section(&writer);
}

void stats_put_totals(struct stats_bytes *bytes, enum storage_op op, const struct stage_times *const *clocks,
		      unsigned clock_count, struct stats_seen *seen)
{
	put_levels(bytes, op, clocks, clock_count, seen ? &seen->op[op] : NULL, false);
}

void stats_put_clocks(struct stats_bytes *bytes, enum storage_op op, const struct stage_times *const *clocks,
		      unsigned clock_count, struct stats_seen *seen, bool advance)
{
	put_levels(bytes, op, clocks, clock_count, seen ? &seen->op[op] : NULL, advance);
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		put_stage(bytes, op, stage, clocks, clock_count, seen ? seen->op[op].stage[stage] : NULL, advance);
}

void stats_put_words(struct stats_bytes *bytes, const uint64_t word[STATS_WORDS], struct stats_seen *seen, bool advance)
{
	struct section_writer writer = {bytes, SECTION_WORDS, -1};

	for (unsigned i = 0; i < STATS_WORDS; i++) {
		const uint64_t before = seen ? seen->word[i] : 0;

		if (word[i] == before)
			continue;
		put_index(&writer, i);
		put(bytes, word[i] - before);
		if (seen && advance)
			seen->word[i] = word[i];
	}
	end_section(&writer);
}

void stats_sum_init(struct stats_sum *sum)
{
	memset(sum->word, 0, sizeof(sum->word));
	stage_reading_init(&sum->reading);
}

/* The next entry of a section; false at its end. */
static bool next_index(const uint8_t **at, unsigned *index)
{
	const unsigned distance = (unsigned)take(at);

	*index += distance;
	return distance != 0;
}

/* into NULL: the section is passed over. sign is 1, or all ones where it is to be taken away. */
static void add_words(const uint8_t **at, uint64_t *into, uint64_t sign)
{
	unsigned index = UINT32_MAX;

	while (next_index(at, &index))
		into[index] += sign * take(at);
}

static void add_stage(const uint8_t **at, struct stage_reading *into, unsigned stage, uint64_t sign)
{
	unsigned index = UINT32_MAX;

	while (next_index(at, &index)) {
		const uint64_t count = take(at);

		if (!into)
			continue;
		into->stage[stage].bucket[index] += sign * count;
		into->octaves[stage] |= 1ull << (index >> HIST_STEP_BITS);
	}
}

static void add_levels(const uint8_t **at, struct stage_reading *into, uint64_t sign)
{
	unsigned index = UINT32_MAX;

	while (next_index(at, &index)) {
		const uint64_t count = take(at);

		if (into) {
			into->total.bucket[index] += sign * count;
			into->total_octaves |= 1ull << (index >> HIST_STEP_BITS);
		}
		for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
			const uint64_t spent = sign * take(at);

			if (!into)
				continue;
			into->spent_ns[index][stage] += spent;
			into->stage[stage].sum += spent;
			into->total.sum += spent;
		}
	}
}

void stats_sum_add(struct stats_sum *sum, const uint8_t *bytes, size_t size, unsigned ops, bool stages, bool subtract)
{
	const uint8_t *const end = bytes + size;
	const uint64_t sign = subtract ? UINT64_MAX : 1;

	while (bytes < end) {
		const unsigned section = (unsigned)take(&bytes);

		if (section == SECTION_WORDS) {
			add_words(&bytes, sum->word, sign);
		} else if (section < SECTION_STAGES) {
			const unsigned op = section - SECTION_LEVELS;

			add_levels(&bytes, ops >> op & 1 ? &sum->reading : NULL, sign);
		} else {
			const unsigned op = (section - SECTION_STAGES) / STAGE_COUNT;
			const unsigned stage = (section - SECTION_STAGES) % STAGE_COUNT;

			add_stage(&bytes, stages && ops >> op & 1 ? &sum->reading : NULL, stage, sign);
		}
	}
}

void stats_sum_finish(struct stats_sum *sum)
{
	stage_reading_complete(&sum->reading);
}
