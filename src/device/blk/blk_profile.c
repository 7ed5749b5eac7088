/* SPDX-License-Identifier: Apache-2.0 */
#include "device/blk/blk_profile.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#include "base/clock.h"

#define LOOK_AT             32    /* requests of a millisecond */
#define SPAN_MILLISECONDS   10    /* see BLK_PROFILE_SPANS */
#define SPANS_MAX           1000  /* of a pause that count: one of hours says nothing about bursts */
#define PAUSE_MILLISECONDS  10    /* after which the millisecond before says nothing */
#define MINUTE_MILLISECONDS 60000 /* for which regions are gathered */
#define REGISTER_BITS       10
#define REGIONS_OF_REQUEST  16 /* of one request that are looked at: 1 MiB */

_Static_assert(1u << REGISTER_BITS == BLK_PROFILE_REGISTERS, "registers are chosen by these bits");

struct blk_profile *blk_profile_create(unsigned count)
{
	struct blk_profile *profiles = mmap(NULL, count * sizeof(*profiles), PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (profiles == MAP_FAILED)
		return NULL;
	for (unsigned i = 0; i < count; i++) {
		profiles[i].millisecond = clock_ns_to_ticks(1000000);
		/* Nothing is looked at before the clock runs; in a build without one never. */
		profiles[i].look_from = UINT32_MAX;
		profiles[i].ends = 1;
	}
	return profiles;
}

void blk_profile_destroy(struct blk_profile *profiles, unsigned count)
{
	if (profiles)
		munmap(profiles, count * sizeof(*profiles));
}

static void grow(uint64_t *word, uint64_t by)
{
	__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}

unsigned blk_profile_depth(uint32_t depth)
{
	unsigned log, place;

	if (depth <= 8)
		return depth ? depth - 1 : 0;
	/* 9 and 10 are the first place behind 8, then 11 and 12, ...: four steps from one power of two to the next. */
	log = 31u - (unsigned)__builtin_clz(depth - 1);
	place = 8 + (log - 3) * 4 + ((depth - 1) >> (log - 2) & 3);
	return place < BLK_PROFILE_DEPTHS ? place : BLK_PROFILE_DEPTHS - 1;
}

uint32_t blk_profile_depth_limit(unsigned place)
{
	if (place < 8)
		return place + 1;
	return (5 + (place - 8) % 4) << ((place - 8) / 4 + 1);
}

static unsigned size_place(uint64_t length)
{
	unsigned log;

	if (length <= 512)
		return 0;
	log = 63u - (unsigned)__builtin_clzll(length - 1) - 8;
	return log < BLK_PROFILE_SIZES ? log : BLK_PROFILE_SIZES - 1;
}

/* Of splitmix64: neighbours become as different as any two. */
static uint64_t mix(uint64_t value)
{
	value = (value + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

static void remember_regions(struct blk_profile *profile, uint64_t offset, uint64_t length)
{
	const uint64_t first = offset >> BLK_PROFILE_REGION_BITS;
	uint64_t last = (offset + length - (length != 0)) >> BLK_PROFILE_REGION_BITS;

	if (last - first >= REGIONS_OF_REQUEST)
		last = first + REGIONS_OF_REQUEST - 1;
	for (uint64_t region = first; region <= last; region++) {
		const uint64_t hash = mix(region);
		const uint64_t rest = hash << REGISTER_BITS;
		const uint8_t rank = (uint8_t)(rest ? __builtin_clzll(rest) + 1 : 64 - REGISTER_BITS + 1);
		uint8_t *at = &profile->region[profile->current][hash >> (64 - REGISTER_BITS)];

		if (rank > __atomic_load_n(at, __ATOMIC_RELAXED))
			__atomic_store_n(at, rank, __ATOMIC_RELAXED);
	}
}

/* True where it goes on where an earlier one ended. */
static bool is_sequential(struct blk_profile_streams *streams, uint64_t offset, uint64_t length)
{
	const unsigned count = sizeof(streams->end) / sizeof(streams->end[0]);

	for (unsigned i = 0; i < count; i++) {
		/* Nothing has ended at 0: a first request there goes on from nowhere. */
		if (offset && streams->end[i] == offset) {
			streams->end[i] = offset + length;
			return true;
		}
	}
	streams->end[streams->next++ % count] = offset + length;
	return false;
}

/* What came in the millisecond that is over belongs to its span of time; spans before it are complete. */
static void close_spans(struct blk_profile *profile)
{
	const uint64_t span = profile->began / (profile->millisecond * SPAN_MILLISECONDS);
	const uint64_t passed = span - profile->span;

	if (passed) {
		grow(&profile->word[BLK_PROFILE_SPANS], passed < SPANS_MAX ? passed : SPANS_MAX);
		grow(&profile->word[BLK_PROFILE_SPAN_REQUESTS], profile->span_requests);
		grow(&profile->word[BLK_PROFILE_SPAN_SQUARES], profile->span_requests * profile->span_requests);
		profile->span = span;
		profile->span_requests = 0;
	}
	profile->span_requests += profile->came - 1;
}

/* By bytes: somebody may be reading. */
static void forget_regions(uint8_t region[BLK_PROFILE_REGISTERS])
{
	for (unsigned i = 0; i < BLK_PROFILE_REGISTERS; i++)
		__atomic_store_n(&region[i], 0, __ATOMIC_RELAXED);
}

static void next_minute(struct blk_profile *profile, uint64_t minute)
{
	const bool follows = minute == profile->minute + 1;

	profile->minute = minute;
	profile->current ^= 1;
	forget_regions(profile->region[profile->current]);
	if (!follows)
		forget_regions(profile->region[profile->current ^ 1]);
}

static uint32_t draw(struct blk_profile *profile)
{
	profile->random = profile->random * 1664525u + 1013904223u;
	return profile->random >> 8;
}

static void next_millisecond(struct blk_profile *profile, uint64_t now)
{
	const uint64_t minute = now / (profile->millisecond * MINUTE_MILLISECONDS);
	const uint32_t came = profile->came - 1;
	/* After a pause nobody knows how many there will be. */
	const bool follows = now - profile->began < PAUSE_MILLISECONDS * profile->millisecond;

	if (profile->began)
		close_spans(profile);
	else
		profile->span = now / (profile->millisecond * SPAN_MILLISECONDS);
	profile->weight = came > LOOK_AT && follows ? (came + LOOK_AT / 2) / LOOK_AT : 1;
	profile->came = 1;
	profile->left = LOOK_AT;
	profile->look_from = came > LOOK_AT && follows ? draw(profile) % (came - LOOK_AT + 1) : 0;
	profile->ends = now + profile->millisecond;
	profile->began = now;
	if (minute != profile->minute)
		next_minute(profile, minute);
}

void blk_profile_look(struct blk_profile *profile, uint64_t now, const struct storage_io *io, uint32_t depth)
{
	const bool moves_data = io->op == STORAGE_READ || io->op == STORAGE_WRITE;

	/* A clock of another worker may be a little behind. */
	if ((int64_t)(now - profile->began) >= (int64_t)profile->millisecond)
		next_millisecond(profile, now);
	if (profile->came <= profile->look_from)
		return;
	if (!--profile->left)
		profile->look_from = UINT32_MAX;
	grow(&profile->word[BLK_PROFILE_DEPTH + blk_profile_depth(depth)], profile->weight);
	grow(&profile->word[BLK_PROFILE_DEPTH_SUM], (uint64_t)depth * profile->weight);
	if (io->op == STORAGE_FLUSH) {
		if (profile->last_alone && depth == 1)
			grow(&profile->word[BLK_PROFILE_SYNC], profile->weight);
		profile->last_alone = false;
		return;
	}
	profile->last_alone = io->op == STORAGE_WRITE && depth == 1;
	grow(&profile->word[BLK_PROFILE_SIZE + io->op * BLK_PROFILE_SIZES + size_place(io->length)], profile->weight);
	if (moves_data && is_sequential(&profile->stream[io->op], io->offset, io->length))
		grow(&profile->word[BLK_PROFILE_SEQUENTIAL + io->op], profile->weight);
	if (moves_data)
		remember_regions(profile, io->offset, io->length);
}

void blk_profile_read(const struct blk_profile *profile, uint64_t word[BLK_PROFILE_WORDS],
		      uint8_t region[BLK_PROFILE_REGISTERS])
{
	for (unsigned i = 0; i < BLK_PROFILE_WORDS; i++)
		word[i] += __atomic_load_n(&profile->word[i], __ATOMIC_RELAXED);
	for (unsigned i = 0; region && i < BLK_PROFILE_REGISTERS; i++) {
		for (unsigned minute = 0; minute < 2; minute++) {
			const uint8_t rank = __atomic_load_n(&profile->region[minute][i], __ATOMIC_RELAXED);

			if (rank > region[i])
				region[i] = rank;
		}
	}
}

/* Flajolet et al., "HyperLogLog", 2007, figure 3; hashes have 64 bits, so that large numbers need no correction. */
double blk_profile_regions(const uint8_t region[BLK_PROFILE_REGISTERS])
{
	const double m = BLK_PROFILE_REGISTERS, alpha = 0.7213 / (1 + 1.079 / m);
	double sum = 0, estimate;
	unsigned empty = 0;

	for (unsigned i = 0; i < BLK_PROFILE_REGISTERS; i++) {
		sum += ldexp(1, -region[i]);
		empty += !region[i];
	}
	estimate = alpha * m * m / sum;
	return estimate <= 2.5 * m && empty ? m * log(m / empty) : estimate;
}
