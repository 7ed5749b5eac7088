/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "bench/blocks.h"
#include "bench/random.h"
#include "bench/units.h"

static void test_sizes(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(bench_parse_size("0", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(bench_parse_size("512", &value), 0);
	assert_int_equal(value, 512);
	assert_int_equal(bench_parse_size("4k", &value), 0);
	assert_int_equal(value, 4096);
	assert_int_equal(bench_parse_size("3M", &value), 0);
	assert_int_equal(value, 3 << 20);
	assert_int_equal(bench_parse_size("2GiB", &value), 0);
	assert_int_equal(value, (uint64_t)2 << 30);
	assert_int_equal(bench_parse_size("16777215t", &value), 0);
	assert_int_equal(bench_parse_size("16777216t", &value), -ERANGE);
	assert_int_equal(bench_parse_size("99999999999999999999", &value), -ERANGE);
	for (const char *const *bad =
		     (const char *const[]){"", "k", "-1", " 1", "1 k", "1x", "1kB", "1.5k", "0x10", NULL};
	     *bad; bad++)
		assert_int_equal(bench_parse_size(*bad, &value), -EINVAL);
}

static void test_durations(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(bench_parse_duration("10", &value), 0);
	assert_int_equal(value, 10000000000u);
	assert_int_equal(bench_parse_duration("1.5s", &value), 0);
	assert_int_equal(value, 1500000000u);
	assert_int_equal(bench_parse_duration("250ms", &value), 0);
	assert_int_equal(value, 250000000u);
	assert_int_equal(bench_parse_duration("7us", &value), 0);
	assert_int_equal(value, 7000);
	assert_int_equal(bench_parse_duration("2m", &value), 0);
	assert_int_equal(value, 120000000000u);
	assert_int_equal(bench_parse_duration("999999999h", &value), -ERANGE);
	for (const char *const *bad =
		     (const char *const[]){"", "s", "-1", "1e5", "0x1", "1.2.3", "nan", "inf", "1d", NULL};
	     *bad; bad++)
		assert_int_equal(bench_parse_duration(*bad, &value), -EINVAL);
}

static void test_rates(void **state)
{
	double value;

	(void)state;
	assert_int_equal(bench_parse_rate("20k", &value), 0);
	assert_true(value == 20000);
	assert_int_equal(bench_parse_rate("0.5", &value), 0);
	assert_true(value == 0.5);
	assert_int_equal(bench_parse_rate("1.5M", &value), 0);
	assert_true(value == 1.5e6);
	assert_int_equal(bench_parse_rate("fast", &value), -EINVAL);
}

static void test_formats(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(bench_format_ns(0, text, sizeof(text)), "0 ns");
	assert_string_equal(bench_format_ns(999, text, sizeof(text)), "999 ns");
	assert_string_equal(bench_format_ns(1234, text, sizeof(text)), "1.23 us");
	assert_string_equal(bench_format_ns(99960, text, sizeof(text)), "100 us");
	assert_string_equal(bench_format_ns(999700, text, sizeof(text)), "1.00 ms");
	assert_string_equal(bench_format_ns(2.5e9, text, sizeof(text)), "2.50 s");
	assert_string_equal(bench_format_count(1950000, text, sizeof(text)), "1.95 M");
	assert_string_equal(bench_format_count(42, text, sizeof(text)), "42");
	assert_string_equal(bench_format_bytes(7.62 * (1 << 30), text, sizeof(text)), "7.62 GiB");
	assert_string_equal(bench_format_size(4096, text, sizeof(text)), "4k");
	assert_string_equal(bench_format_size(1 << 30, text, sizeof(text)), "1g");
	assert_string_equal(bench_format_size(513, text, sizeof(text)), "513");
	assert_string_equal(bench_format_size(0, text, sizeof(text)), "0");
}

static void test_block_sizes(void **state)
{
	struct bench_block_sizes blocks;
	const char *why;

	(void)state;
	assert_int_equal(bench_blocks_parse(&blocks, "4k", &why), 0);
	assert_int_equal(blocks.unit, 4096);
	assert_int_equal(blocks.max, 4096);
	assert_int_equal(bench_blocks_parse(&blocks, "12k,8k,64k", &why), 0);
	assert_int_equal(blocks.unit, 4096);
	assert_int_equal(blocks.max, 65536);
	assert_false(blocks.is_range);
	assert_int_equal(bench_blocks_parse(&blocks, "8k-1m", &why), 0);
	assert_int_equal(blocks.unit, 8192);
	assert_int_equal(blocks.max, 1 << 20);
	/* The high end must be reachable. */
	assert_int_equal(bench_blocks_parse(&blocks, "12k-64k", &why), 0);
	assert_int_equal(blocks.max, 60 << 10);
	for (const char *const *bad = (const char *const[]){"", "0", "100", "4k,", ",4k", "4k-", "8k-4k", "4k-8k-16k",
							    "4k,8k-16k", "128m", "4x", "4k 8k", NULL};
	     *bad; bad++) {
		why = NULL;
		assert_int_equal(bench_blocks_parse(&blocks, *bad, &why), -EINVAL);
		assert_non_null(why);
	}
}

/* A range reaches both ends, only multiples, and each doubling about equally often. */
static void test_block_picks(void **state)
{
	struct bench_block_sizes blocks;
	uint64_t random = 1, low = UINT64_MAX, high = 0;
	unsigned doubling[9] = {0};
	const char *why;

	(void)state;
	assert_int_equal(bench_blocks_parse(&blocks, "8k-1m", &why), 0);
	for (unsigned i = 0; i < 80000; i++) {
		const uint64_t size = bench_blocks_pick(&blocks, bench_random_next(&random));

		assert_int_equal(size % blocks.unit, 0);
		low = size < low ? size : low;
		high = size > high ? size : high;
		doubling[63 - __builtin_clzll(size / blocks.unit)]++;
	}
	assert_int_equal(low, 8192);
	assert_int_equal(high, 1 << 20);
	for (unsigned i = 0; i < 8; i++)
		assert_in_range(doubling[i], 9000, 11000);
	assert_int_equal(bench_blocks_parse(&blocks, "4k,64k", &why), 0);
	low = 0;
	for (unsigned i = 0; i < 10000; i++)
		low += bench_blocks_pick(&blocks, bench_random_next(&random)) == 4096;
	assert_in_range(low, 4500, 5500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),   cmocka_unit_test(test_durations),   cmocka_unit_test(test_rates),
		cmocka_unit_test(test_formats), cmocka_unit_test(test_block_sizes), cmocka_unit_test(test_block_picks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
