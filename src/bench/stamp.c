/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stamp.h"

#include <stdbool.h>
#include <string.h>

#include "bench/random.h"

#define WORDS  (BENCH_STAMP_SECTOR / sizeof(uint64_t))
#define MAGIC  0x706d617473746961u
#define POISON 0x5ca1ab1edeadbeefu

/* Where things are in a sector; the rest is filler that depends on all of them. */
enum {
	WORD_CHECKSUM,
	WORD_MAGIC,
	WORD_OFFSET,
	WORD_SEED,
	WORD_GENERATION,
	WORD_FILLER,
};

const char *const bench_stamp_names[BENCH_STAMP_VERDICTS] = {
	[BENCH_STAMP_GOOD] = "good",           [BENCH_STAMP_STALE] = "stale",         [BENCH_STAMP_TORN] = "torn",
	[BENCH_STAMP_MISPLACED] = "misplaced", [BENCH_STAMP_FOREIGN] = "foreign",     [BENCH_STAMP_ZEROED] = "zeroed",
	[BENCH_STAMP_CORRUPT] = "corrupt",     [BENCH_STAMP_UNTOUCHED] = "untouched",
};

/*
 * Each step is a bijection of the state for a given word and of the word for a
 * given state, so that any change of a single word changes the sum. Four lanes,
 * because one would wait for its own multiplications.
 */
static uint64_t checksum(const uint64_t *words)
{
	uint64_t lane[4] = {1, 2, 3, 4};

	for (unsigned i = WORD_MAGIC; i < WORDS; i++) {
		uint64_t *at = &lane[i % 4];

		*at = (*at ^ words[i]) * 0x9fb21c651e98df25u;
		*at ^= *at >> 29;
	}
	return bench_random_mix(lane[0] ^
				bench_random_mix(lane[1] ^ bench_random_mix(lane[2] ^ bench_random_mix(lane[3]))));
}

void bench_stamp_write(void *sector, uint64_t offset, uint32_t generation, uint64_t seed)
{
	uint64_t words[WORDS], filler = seed ^ bench_random_mix(offset) ^ generation;

	words[WORD_MAGIC] = MAGIC;
	words[WORD_OFFSET] = offset;
	words[WORD_SEED] = seed;
	words[WORD_GENERATION] = generation;
	for (unsigned i = WORD_FILLER; i < WORDS; i++)
		words[i] = filler += 0x9e3779b97f4a7c15u;
	words[WORD_CHECKSUM] = checksum(words);
	memcpy(sector, words, sizeof(words));
}

static bool is_zero(const uint64_t *words)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < WORDS; i++)
		all |= words[i];
	return !all;
}

/* What is in a sector that is not as it should be. */
static enum bench_stamp_verdict classify(const uint64_t *words, uint64_t offset, uint64_t seed,
					 struct bench_stamp_found *found)
{
	if (words[WORD_CHECKSUM] == POISON && words[WORD_MAGIC] == POISON)
		return BENCH_STAMP_UNTOUCHED;
	if (is_zero(words))
		return BENCH_STAMP_ZEROED;
	if (words[WORD_MAGIC] != MAGIC || words[WORD_CHECKSUM] != checksum(words))
		return BENCH_STAMP_CORRUPT;
	if (words[WORD_SEED] != seed)
		return BENCH_STAMP_FOREIGN;
	found->offset = words[WORD_OFFSET];
	found->generation = (uint32_t)words[WORD_GENERATION];
	return found->offset == offset ? BENCH_STAMP_STALE : BENCH_STAMP_MISPLACED;
}

enum bench_stamp_verdict bench_stamp_check(const void *sector, uint64_t offset, uint32_t generation, uint64_t seed,
					   struct bench_stamp_found *found)
{
	uint64_t words[WORDS];

	memcpy(words, sector, sizeof(words));
	if (words[WORD_MAGIC] == MAGIC && words[WORD_OFFSET] == offset && words[WORD_SEED] == seed &&
	    words[WORD_GENERATION] == generation && words[WORD_CHECKSUM] == checksum(words))
		return BENCH_STAMP_GOOD;
	return classify(words, offset, seed, found);
}

enum bench_stamp_verdict bench_stamp_check_zero(const void *sector, uint64_t offset, uint64_t seed,
						struct bench_stamp_found *found)
{
	uint64_t words[WORDS];
	enum bench_stamp_verdict verdict;

	memcpy(words, sector, sizeof(words));
	verdict = classify(words, offset, seed, found);
	return verdict == BENCH_STAMP_ZEROED ? BENCH_STAMP_GOOD : verdict;
}

void bench_stamp_poison(void *buffer, uint32_t length)
{
	const uint64_t poison[2] = {POISON, POISON};

	for (uint32_t at = 0; at < length; at += BENCH_STAMP_SECTOR)
		memcpy((char *)buffer + at, poison, sizeof(poison));
}
