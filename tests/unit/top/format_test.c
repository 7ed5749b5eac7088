/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "top/format.h"

static void check(char *(*format)(double, char *, size_t), double value, const char *expected)
{
	char text[TOP_NUMBER];

	assert_string_equal(format(value, text, sizeof(text)), expected);
}

static void test_counts(void **state)
{
	(void)state;
	check(top_format_count, 0, "0");
	check(top_format_count, 7, "7");
	check(top_format_count, 0.333, "0.33");
	check(top_format_count, 12.34, "12.3");
	check(top_format_count, 9999, "9999");
	check(top_format_count, 9999.6, "10.0k");
	check(top_format_count, 123456, "123k");
	check(top_format_count, 999600, "1.00M");
	check(top_format_count, 2.5e9, "2.50G");
	check(top_format_count, NAN, "-");
	check(top_format_count_plain, 123456.4, "123456");
	check(top_format_count_plain, 0.25, "0.25");
	check(top_format_count_plain, NAN, "-");
}

static void test_times(void **state)
{
	(void)state;
	check(top_format_ns, 850, "850ns");
	check(top_format_ns, 999.6, "1.00us");
	check(top_format_ns, 42100, "42.1us");
	check(top_format_ns, 1234567, "1.23ms");
	check(top_format_ns, 2e10, "20.0s");
	check(top_format_ns, NAN, "-");
	check(top_format_ns_plain, 1234567, "1234.6");
}

static void test_others(void **state)
{
	(void)state;
	check(top_format_megabytes, 4096, "0");
	check(top_format_megabytes, 40960, "0.04");
	check(top_format_megabytes, 1.5e9, "1500");
	check(top_format_share, 0.634, "63%");
	check(top_format_share, 1, "100%");
	check(top_format_share, NAN, "-");
}

/* A column of six holds whatever comes. */
static void test_widths(void **state)
{
	char text[TOP_NUMBER];

	(void)state;
	for (double value = 0.0011; value < 9e11; value *= 1.003) {
		assert_true(strlen(top_format_count(value, text, sizeof(text))) <= 5);
		assert_true(strlen(top_format_ns(value, text, sizeof(text))) <= 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_widths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
