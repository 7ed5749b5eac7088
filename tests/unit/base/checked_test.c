/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/checked.h"

static void ranges(void **state)
{
	static const struct {
		uint64_t start, length, limit;
		bool within;
	} table[] = {
		{0, 0, 0, true},
		{0, 1, 0, false},
		{0, 10, 10, true},
		{1, 10, 10, false},
		{10, 0, 10, true},
		{11, 0, 10, false},
		{UINT64_MAX, 0, 10, false},
		{UINT64_MAX, 1, 10, false},
		{UINT64_MAX, UINT64_MAX, 10, false},
		{1, UINT64_MAX, UINT64_MAX, false},
		{0, UINT64_MAX, UINT64_MAX, true},
		{UINT64_MAX, 0, UINT64_MAX, true},
		{UINT64_MAX - 1, 1, UINT64_MAX, true},
		{1ull << 63, 1ull << 63, UINT64_MAX, false}, /* the sum wraps to 0 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(range_within(table[i].start, table[i].length, table[i].limit), table[i].within);
}

/* Against the definition, in arithmetic that cannot wrap. */
static void ranges_exhaustively(void **state)
{
	(void)state;
	for (uint64_t start = 0; start < 20; start++) {
		for (uint64_t length = 0; length < 20; length++) {
			for (uint64_t limit = 0; limit < 20; limit++)
				assert_int_equal(range_within(start, length, limit), start + length <= limit);
		}
	}
}

static void powers_of_two(void **state)
{
	(void)state;
	assert_false(is_power_of_two(0));
	for (unsigned bit = 0; bit < 64; bit++) {
		assert_true(is_power_of_two(1ull << bit));
		if (bit > 1)
			assert_false(is_power_of_two((1ull << bit) - 1));
		if (bit > 0)
			assert_false(is_power_of_two((1ull << bit) + 1));
	}
}

static void alignment(void **state)
{
	(void)state;
	assert_true(is_aligned(0, 4096));
	assert_true(is_aligned(8192, 4096));
	assert_false(is_aligned(4095, 4096));
	assert_false(is_aligned(4097, 4096));
	assert_true(is_aligned(UINT64_MAX, 1));
	assert_false(is_aligned(UINT64_MAX, 2));
	assert_true(is_aligned(1ull << 63, 1ull << 63));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(ranges_exhaustively),
		cmocka_unit_test(powers_of_two),
		cmocka_unit_test(alignment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
