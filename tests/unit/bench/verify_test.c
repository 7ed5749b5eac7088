/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "bench/verify.h"

#define UNIT  4096u
#define UNITS 64u
#define SEED  42u

/* A disk in memory, so that each thing a real one can do wrong can be done by hand. */
struct fixture {
	struct bench_verify verify;
	char disk[UNITS * UNIT];
	char buffer[UNITS * UNIT];
};

static struct fixture fixture;

static int set_up(void **state)
{
	const struct bench_workload workload = {.blocks = {.unit = UNIT}, .region_units = UNITS};

	(void)state;
	memset(&fixture, 0, sizeof(fixture));
	return bench_verify_init(&fixture.verify, &workload, SEED, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	bench_verify_free(&fixture.verify);
	return 0;
}

static void write_blocks(unsigned unit, unsigned count)
{
	const struct bench_io io = {BENCH_WRITE, (uint64_t)unit * UNIT, count * UNIT};
	uint32_t generation;

	assert_true(bench_verify_claim(&fixture.verify, &io));
	generation = bench_verify_prepare(&fixture.verify, &io, fixture.buffer);
	memcpy(fixture.disk + io.offset, fixture.buffer, io.length);
	bench_verify_done(&fixture.verify, &io, generation, fixture.buffer, true);
}

static void read_blocks(unsigned unit, unsigned count)
{
	const struct bench_io io = {BENCH_READ, (uint64_t)unit * UNIT, count * UNIT};
	uint32_t generation;

	assert_true(bench_verify_claim(&fixture.verify, &io));
	generation = bench_verify_prepare(&fixture.verify, &io, fixture.buffer);
	memcpy(fixture.buffer, fixture.disk + io.offset, io.length);
	bench_verify_done(&fixture.verify, &io, generation, fixture.buffer, true);
}

/* Read unit 8 to 15 and expect exactly count bad sectors of one kind, the first at offset. */
static void expect_bad(enum bench_stamp_verdict verdict, uint64_t count, uint64_t offset)
{
	read_blocks(8, 8);
	assert_int_equal(bench_verify_errors(&fixture.verify), count);
	assert_int_equal(fixture.verify.bad[verdict], count);
	assert_int_equal(fixture.verify.bad_requests, 1);
	assert_int_equal(fixture.verify.sample[0].verdict, verdict);
	assert_int_equal(fixture.verify.sample[0].offset, offset);
}

static void test_good(void **state)
{
	(void)state;
	write_blocks(0, UNITS);
	write_blocks(3, 4);
	read_blocks(0, UNITS);
	read_blocks(5, 1);
	assert_int_equal(bench_verify_errors(&fixture.verify), 0);
	assert_int_equal(fixture.verify.checked, (UNITS + 1) * UNIT);
	assert_int_equal(fixture.verify.written, (UNITS + 4) * UNIT);
}

static void test_unwritten_is_unknown(void **state)
{
	(void)state;
	write_blocks(9, 1);
	read_blocks(8, 8);
	assert_int_equal(bench_verify_errors(&fixture.verify), 0);
	assert_int_equal(fixture.verify.checked, UNIT);
	assert_int_equal(fixture.verify.unknown, 7 * UNIT);
}

static void test_stale(void **state)
{
	char old[2 * UNIT];

	(void)state;
	write_blocks(8, 8);
	memcpy(old, fixture.disk + 10 * UNIT, sizeof(old));
	write_blocks(10, 2);
	memcpy(fixture.disk + 10 * UNIT, old, sizeof(old));
	expect_bad(BENCH_STAMP_STALE, sizeof(old) / 512, 10 * UNIT);
	assert_int_equal(fixture.verify.sample[0].found.generation, 2);
	assert_int_equal(fixture.verify.sample[0].expected_generation, 3);
}

static void test_torn(void **state)
{
	char old[UNIT];

	(void)state;
	write_blocks(8, 8);
	memcpy(old, fixture.disk + 11 * UNIT, sizeof(old));
	write_blocks(10, 2);
	/* The second half of the second write never arrived. */
	memcpy(fixture.disk + 11 * UNIT, old, sizeof(old));
	expect_bad(BENCH_STAMP_TORN, UNIT / 512, 11 * UNIT);
}

static void test_misplaced(void **state)
{
	(void)state;
	write_blocks(0, UNITS);
	memcpy(fixture.disk + 12 * UNIT, fixture.disk + 40 * UNIT, UNIT);
	expect_bad(BENCH_STAMP_MISPLACED, UNIT / 512, 12 * UNIT);
	assert_int_equal(fixture.verify.sample[0].found.offset, 40 * UNIT);
}

static void test_foreign(void **state)
{
	(void)state;
	write_blocks(8, 8);
	bench_stamp_write(fixture.disk + 9 * UNIT, 9 * UNIT, 2, SEED + 1);
	expect_bad(BENCH_STAMP_FOREIGN, 1, 9 * UNIT);
}

static void test_zeroed(void **state)
{
	(void)state;
	write_blocks(8, 8);
	memset(fixture.disk + 9 * UNIT + 512, 0, 1024);
	expect_bad(BENCH_STAMP_ZEROED, 2, 9 * UNIT + 512);
}

/* Any single bit of a sector. */
static void test_corrupt(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 512 * 8; bit += 7) {
		tear_down(NULL);
		set_up(NULL);
		write_blocks(8, 8);
		fixture.disk[13 * UNIT + 1024 + bit / 8] ^= (char)(1 << bit % 8);
		expect_bad(BENCH_STAMP_CORRUPT, 1, 13 * UNIT + 1024);
	}
}

static void test_swapped_words_are_corrupt(void **state)
{
	char word[8];
	char *sector = fixture.disk + 8 * UNIT;

	(void)state;
	write_blocks(8, 8);
	memcpy(word, sector + 64, 8);
	memcpy(sector + 64, sector + 96, 8);
	memcpy(sector + 96, word, 8);
	expect_bad(BENCH_STAMP_CORRUPT, 1, 8 * UNIT);
}

static void test_untouched(void **state)
{
	const struct bench_io io = {BENCH_READ, 8 * UNIT, 8 * UNIT};
	uint32_t generation;

	(void)state;
	write_blocks(8, 8);
	assert_true(bench_verify_claim(&fixture.verify, &io));
	/* The buffer still holds what was written, and so would pass for a good read. */
	generation = bench_verify_prepare(&fixture.verify, &io, fixture.buffer);
	bench_verify_done(&fixture.verify, &io, generation, fixture.buffer, true);
	assert_int_equal(fixture.verify.bad[BENCH_STAMP_UNTOUCHED], 8 * UNIT / 512);
}

static void test_zeroes(void **state)
{
	const struct bench_io io = {BENCH_WRITE_ZEROES, 9 * UNIT, 2 * UNIT};
	uint32_t generation;

	(void)state;
	write_blocks(8, 8);
	assert_true(bench_verify_claim(&fixture.verify, &io));
	generation = bench_verify_prepare(&fixture.verify, &io, fixture.buffer);
	bench_verify_done(&fixture.verify, &io, generation, fixture.buffer, true);
	memset(fixture.disk + 9 * UNIT, 0, UNIT);
	/* One of the two was not zeroed. */
	expect_bad(BENCH_STAMP_TORN, UNIT / 512, 10 * UNIT);
	memset(fixture.disk + 10 * UNIT, 0, UNIT);
	read_blocks(8, 8);
	assert_int_equal(fixture.verify.bad_requests, 1);
	fixture.disk[9 * UNIT + 100] = 1;
	read_blocks(8, 8);
	assert_int_equal(fixture.verify.bad[BENCH_STAMP_CORRUPT], 1);
}

static void test_failed_write_is_unknown(void **state)
{
	const struct bench_io io = {BENCH_WRITE, 9 * UNIT, UNIT};
	uint32_t generation;

	(void)state;
	write_blocks(8, 8);
	assert_true(bench_verify_claim(&fixture.verify, &io));
	generation = bench_verify_prepare(&fixture.verify, &io, fixture.buffer);
	bench_verify_done(&fixture.verify, &io, generation, fixture.buffer, false);
	memset(fixture.disk + 9 * UNIT, 0x77, UNIT);
	read_blocks(8, 8);
	assert_int_equal(bench_verify_errors(&fixture.verify), 0);
	assert_int_equal(fixture.verify.unknown, UNIT);
}

static void test_claims(void **state)
{
	const struct bench_io wide = {BENCH_WRITE, 10 * UNIT, 50 * UNIT};
	const struct bench_io inside = {BENCH_READ, 59 * UNIT, UNIT}, beside = {BENCH_READ, 60 * UNIT, 4 * UNIT};
	const struct bench_io before = {BENCH_READ, 0, 11 * UNIT};

	(void)state;
	assert_true(bench_verify_claim(&fixture.verify, &wide));
	assert_false(bench_verify_claim(&fixture.verify, &inside));
	assert_false(bench_verify_claim(&fixture.verify, &before));
	assert_true(bench_verify_claim(&fixture.verify, &beside));
	bench_verify_done(&fixture.verify, &wide, 5, fixture.buffer, false);
	assert_true(bench_verify_claim(&fixture.verify, &inside));
	assert_true(bench_verify_claim(&fixture.verify, &before));
	assert_false(bench_verify_claim(&fixture.verify, &beside));
}

static void test_samples_are_bounded(void **state)
{
	(void)state;
	write_blocks(0, UNITS);
	memset(fixture.disk, 0x11, sizeof(fixture.disk));
	for (unsigned i = 0; i < UNITS; i++)
		read_blocks(i, 1);
	assert_int_equal(fixture.verify.sample_count, BENCH_VERIFY_SAMPLES);
	assert_int_equal(fixture.verify.bad_requests, UNITS);
	assert_int_equal(fixture.verify.bad[BENCH_STAMP_CORRUPT], UNITS * UNIT / 512);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_good),
		TEST(test_unwritten_is_unknown),
		TEST(test_stale),
		TEST(test_torn),
		TEST(test_misplaced),
		TEST(test_foreign),
		TEST(test_zeroed),
		TEST(test_corrupt),
		TEST(test_swapped_words_are_corrupt),
		TEST(test_untouched),
		TEST(test_zeroes),
		TEST(test_failed_write_is_unknown),
		TEST(test_claims),
		TEST(test_samples_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
