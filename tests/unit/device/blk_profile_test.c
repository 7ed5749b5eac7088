/* SPDX-License-Identifier: Apache-2.0 */
#include "device/blk/blk_profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#define US  1000ull
#define MS  1000000ull
#define S   1000000000ull
#define GIB (1ull << 30)

/* Without clock_init() a tick is a nanosecond. */
struct fixture {
	struct blk_profile *profile;
	uint64_t now_ns, random;
	uint64_t word[BLK_PROFILE_WORDS];
	uint8_t region[BLK_PROFILE_REGISTERS];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->profile = blk_profile_create(1);
	fixture->now_ns = 100 * S;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	blk_profile_destroy(fixture->profile, 1);
	free(fixture);
	return 0;
}

static uint64_t draw(struct fixture *fixture, uint64_t below)
{
	fixture->random = fixture->random * 6364136223846793005u + 1442695040888963407u;
	return (fixture->random >> 20) % below;
}

static void request(struct fixture *fixture, enum storage_op op, uint64_t offset, uint64_t length, uint32_t depth)
{
	const struct storage_io io = {.op = op, .offset = offset, .length = length};

	blk_profile_request(fixture->profile, fixture->now_ns, &io, depth);
}

static const uint64_t *read_words(struct fixture *fixture)
{
	memset(fixture->word, 0, sizeof(fixture->word));
	memset(fixture->region, 0, sizeof(fixture->region));
	blk_profile_read(fixture->profile, fixture->word, fixture->region);
	return fixture->word;
}

static uint64_t sum(const uint64_t *word, unsigned count)
{
	uint64_t sum = 0;

	while (count--)
		sum += word[count];
	return sum;
}

static uint64_t size_of(const uint64_t *word, enum storage_op op, unsigned place)
{
	return word[BLK_PROFILE_SIZE + op * BLK_PROFILE_SIZES + place];
}

/* Where requests come slowly, each is looked at. */
static void slow_requests_are_all_seen(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t *word;

	for (unsigned i = 0; i < 1000; i++) {
		request(fixture, STORAGE_READ, draw(fixture, 1 << 20) * 4096, 4096, 1);
		request(fixture, STORAGE_WRITE, (1000 + i) * 65536ull, 65536, 2);
		fixture->now_ns += 200 * US;
	}
	word = read_words(fixture);
	assert_int_equal(size_of(word, STORAGE_READ, 3), 1000);
	assert_int_equal(size_of(word, STORAGE_WRITE, 7), 1000);
	assert_int_equal(sum(&word[BLK_PROFILE_SIZE], STORAGE_OP_COUNT * BLK_PROFILE_SIZES), 2000);
	assert_int_equal(word[BLK_PROFILE_SEQUENTIAL + STORAGE_WRITE], 999);
	assert_true(word[BLK_PROFILE_SEQUENTIAL + STORAGE_READ] < 5);
	assert_int_equal(word[BLK_PROFILE_DEPTH + 0], 1000);
	assert_int_equal(word[BLK_PROFILE_DEPTH + 1], 1000);
	assert_int_equal(word[BLK_PROFILE_DEPTH_SUM], 3000);
}

/* Where they come fast, those that are looked at stand for the others. */
static void fast_requests_are_estimated(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t *word;
	uint64_t seen;

	for (unsigned i = 0; i < 2000000; i++) {
		request(fixture, i % 4 ? STORAGE_READ : STORAGE_WRITE, i * 4096ull, 4096, 1 + i % 32);
		fixture->now_ns += 100; /* ten million a second */
	}
	word = read_words(fixture);
	seen = sum(&word[BLK_PROFILE_SIZE], STORAGE_OP_COUNT * BLK_PROFILE_SIZES);
	assert_in_range(seen, 1900000, 2100000);
	assert_in_range(size_of(word, STORAGE_READ, 3) * 100 / seen, 73, 77);
	assert_in_range(word[BLK_PROFILE_DEPTH_SUM] * 10 / seen, 160, 170);
}

/* Batches of 64 that come at once, now and then: their last requests are looked at as their first. */
static void batches(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t *word;
	uint64_t seen;

	for (unsigned i = 0; i < 10000; i++) {
		for (uint32_t depth = 1; depth <= 64; depth++)
			request(fixture, STORAGE_READ, draw(fixture, 1 << 20) * 4096, 4096, depth);
		fixture->now_ns += 3 * MS;
	}
	word = read_words(fixture);
	seen = sum(&word[BLK_PROFILE_DEPTH], BLK_PROFILE_DEPTHS);
	assert_in_range(seen, 620000, 640000);
	assert_in_range(word[BLK_PROFILE_DEPTH_SUM] * 10 / seen, 315, 335);
	assert_true(word[BLK_PROFILE_DEPTH + blk_profile_depth(64)] > 0);
}

/* Four streams at once, each in order, none where the other ends. */
static void streams_are_told_apart(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t *word;

	for (unsigned i = 0; i < 4000; i++) {
		request(fixture, STORAGE_READ, (i % 4) * GIB + (uint64_t)(i / 4) * 16384, 16384, 4);
		fixture->now_ns += 100 * US;
	}
	word = read_words(fixture);
	assert_int_equal(word[BLK_PROFILE_SEQUENTIAL + STORAGE_READ], 3996);
}

/* As a database writes its log, and as one who writes much before a flush. */
static void sync_writes(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 500; i++) {
		request(fixture, STORAGE_WRITE, i * 4096ull, 4096, 1);
		fixture->now_ns += 100 * US;
		request(fixture, STORAGE_FLUSH, 0, 0, 1);
		fixture->now_ns += 100 * US;
	}
	assert_int_equal(read_words(fixture)[BLK_PROFILE_SYNC], 500);
	for (unsigned i = 0; i < 500; i++) {
		for (uint32_t depth = 1; depth <= 8; depth++)
			request(fixture, STORAGE_WRITE, i * 4096ull, 4096, depth);
		fixture->now_ns += 1 * MS;
		request(fixture, STORAGE_FLUSH, 0, 0, 1);
		fixture->now_ns += 1 * MS;
	}
	assert_int_equal(read_words(fixture)[BLK_PROFILE_SYNC], 500);
}

static double burstiness(const uint64_t *word)
{
	const double n = (double)word[BLK_PROFILE_SPAN_REQUESTS];

	return ((double)word[BLK_PROFILE_SPAN_SQUARES] - n) * (double)word[BLK_PROFILE_SPANS] / (n * n);
}

static void steady_arrivals(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 100000; i++) {
		request(fixture, STORAGE_READ, 0, 4096, 1);
		fixture->now_ns += 100 * US;
	}
	assert_in_range(burstiness(read_words(fixture)) * 100, 95, 103);
}

/* A tenth of the time they come, in between nothing. */
static void bursts(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned burst = 0; burst < 20; burst++) {
		for (unsigned i = 0; i < 5000; i++) {
			request(fixture, STORAGE_READ, 0, 4096, 1);
			fixture->now_ns += 20 * US;
		}
		fixture->now_ns += 900 * MS;
	}
	assert_in_range(burstiness(read_words(fixture)) * 10, 85, 110);
}

/* Regions touched, up to a million of them. */
static void regions_are_counted(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t regions = 10; regions <= 1000000; regions *= 10) {
		double found;

		tear_down(state);
		set_up(state);
		fixture = *state;
		for (uint64_t i = 0; i < regions; i++) {
			request(fixture, i % 2 ? STORAGE_READ : STORAGE_WRITE, i << BLK_PROFILE_REGION_BITS, 4096, 1);
			fixture->now_ns += 64 * US;
		}
		read_words(fixture);
		found = blk_profile_regions(fixture->region);
		if (found < 0.88 * (double)regions || found > 1.12 * (double)regions)
			fail_msg("%llu regions: %.0f", (unsigned long long)regions, found);
	}
}

/* What was used once, long ago, is not what is used now. */
static void regions_are_forgotten(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t i = 0; i < 10000; i++) {
		request(fixture, STORAGE_READ, i << BLK_PROFILE_REGION_BITS, 4096, 1);
		fixture->now_ns += 70 * US;
	}
	fixture->now_ns += 150 * S;
	for (uint64_t i = 0; i < 100; i++)
		request(fixture, STORAGE_READ, i << BLK_PROFILE_REGION_BITS, 4096, 1);
	read_words(fixture);
	assert_in_range(blk_profile_regions(fixture->region), 28, 36); /* of a millisecond, 32 are looked at */
}

static void places_of_depths(void **state)
{
	(void)state;
	for (uint32_t depth = 1; depth <= 2048; depth++) {
		const unsigned place = blk_profile_depth(depth);

		assert_true(depth <= blk_profile_depth_limit(place));
		assert_true(place == 0 || depth > blk_profile_depth_limit(place - 1));
	}
	assert_int_equal(blk_profile_depth(UINT32_MAX), BLK_PROFILE_DEPTHS - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(slow_requests_are_all_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fast_requests_are_estimated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(batches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(streams_are_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_writes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(steady_arrivals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bursts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(regions_are_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(regions_are_forgotten, set_up, tear_down),
		cmocka_unit_test(places_of_depths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
