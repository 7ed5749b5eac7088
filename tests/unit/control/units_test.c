/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/units.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void whole_numbers(void **state)
{
	static const char *const wrong[] = {"",   " 1", "1 ",  "+1",  "-1",  "0x1",
					    "01", "00", "1.0", "1e3", "one", "1_000"};
	uint64_t value;

	(void)state;
	assert_int_equal(units_parse_uint("0", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(units_parse_uint("18446744073709551615", &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(units_parse_uint("18446744073709551616", &value), -ERANGE);
	assert_int_equal(units_parse_uint("99999999999999999999999999", &value), -ERANGE);
	assert_int_equal(units_parse_uint("99999999999999999999999999x", &value), -EINVAL);
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(units_parse_uint(wrong[i], &value), -EINVAL);
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t bytes;
	} table[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"4096B", 0, 4096},
		{"1KiB", 0, 1024},
		{"1 KiB", 0, 1024},
		{"1MiB", 0, 1ull << 20},
		{"1GiB", 0, 1ull << 30},
		{"1TiB", 0, 1ull << 40},
		{"1PiB", 0, 1ull << 50},
		{"15EiB", 0, 15ull << 60},
		{"16EiB", -ERANGE, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"18014398509481984KiB", -ERANGE, 0},
		{"1  KiB", -EINVAL, 0},
		{"1KiB ", -EINVAL, 0},
		{"1kib", -EINVAL, 0},
		{"1K", -EINVAL, 0},
		{"1KB", -EINVAL, 0},
		{"1.5KiB", -EINVAL, 0},
		{"KiB", -EINVAL, 0},
		{"-1KiB", -EINVAL, 0},
		{"01KiB", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		uint64_t bytes = 0;

		assert_int_equal(units_parse_size(table[i].text, &bytes), table[i].result);
		if (table[i].result == 0)
			assert_true(bytes == table[i].bytes);
	}
}

static void decimals(void **state)
{
	static const char *const wrong[] = {"",    ".5", "5.", "1.2.3", "nan", "inf",
					    "1e3", "-1", "+1", "0x1p3", "1,5", "00.5"};
	double value;

	(void)state;
	assert_int_equal(units_parse_decimal("0.1", &value), 0);
	assert_true(value == 0.1);
	assert_int_equal(units_parse_decimal("250", &value), 0);
	assert_true(value == 250.0);
	assert_int_equal(units_parse_decimal("12.0625", &value), 0);
	assert_true(value == 12.0625);
	assert_int_equal(units_parse_decimal("0.00000000000001", &value), 0);
	assert_true(value == 0.00000000000001);
	assert_int_equal(units_parse_decimal("1234567890.1234567", &value), -ERANGE);
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(units_parse_decimal(wrong[i], &value), -EINVAL);
}

static void sizes_for_people(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} table[] = {
		{0, "0 B"},
		{511, "511 B"},
		{1024, "1 KiB"},
		{1536, "1.5 KiB"},
		{(10ull << 30) - 1, "9.9 GiB"},
		{10ull << 30, "10 GiB"},
		{INT64_MAX, "7.9 EiB"},
		{UINT64_MAX, "15.9 EiB"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		units_format_size(table[i].bytes, text, sizeof(text));
		assert_string_equal(text, table[i].text);
	}
}

static void sizes_to_be_read_again(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} table[] = {
		{0, "0"},
		{512, "512"},
		{1024, "1KiB"},
		{1536, "1536"},
		{3ull << 29, "1536MiB"},
		{10ull << 30, "10GiB"},
		{15ull << 60, "15EiB"},
		{UINT64_MAX, "18446744073709551615"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		uint64_t bytes = 1;

		units_write_size(table[i].bytes, text, sizeof(text));
		assert_string_equal(text, table[i].text);
		assert_int_equal(units_parse_size(text, &bytes), 0);
		assert_true(bytes == table[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(decimals),
		cmocka_unit_test(sizes_for_people),
		cmocka_unit_test(sizes_to_be_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
