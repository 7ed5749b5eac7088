/* SPDX-License-Identifier: Apache-2.0 */
#include "control/metrics_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(struct metrics_text *text, const char *expected)
{
	assert_false(text->failed);
	assert_int_equal(text->length, strlen(expected));
	assert_memory_equal(text->at, expected, text->length);
	free(text->at);
}

static void samples(void **state)
{
	const struct metrics_labels two = {.name = {"disk", "op"}, .value = {"a", "read"}};
	struct metrics_text text = {0};

	(void)state;
	metrics_text_family(&text, "x_total", "counter", "Counts x.");
	metrics_text_uint(&text, "x_total", NULL, 0);
	metrics_text_uint(&text, "x_total", &two, UINT64_MAX);
	metrics_text_double(&text, "y", NULL, 0.5);
	metrics_text_double(&text, "y", NULL, 1763740800.25);
	expect(&text, "# HELP x_total Counts x.\n# TYPE x_total counter\nx_total 0\n"
		      "x_total{disk=\"a\",op=\"read\"} 18446744073709551615\ny 0.5\ny 1763740800.25\n");
}

static void seconds(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {{0, "s 0\n"},
		     {1, "s 0.000000001\n"},
		     {10, "s 0.00000001\n"},
		     {999999999, "s 0.999999999\n"},
		     {1000000000, "s 1\n"},
		     {1500000000, "s 1.5\n"},
		     {123456789012345678, "s 123456789.012345678\n"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct metrics_text text = {0};

		metrics_text_seconds(&text, "s", NULL, cases[i].ns);
		expect(&text, cases[i].text);
	}
}

static void histogram(void **state)
{
	static const char *const ends[] = {"0.1", "1"};
	const uint64_t cumulative[] = {1, 3, 4};
	const struct metrics_labels labels = {.name = {"a"}, .value = {"b"}};
	struct metrics_text text = {0};

	(void)state;
	metrics_text_histogram(&text, "h", &labels, ends, cumulative, 2, 2500000000);
	metrics_text_histogram(&text, "h", NULL, ends, cumulative, 2, 0);
	expect(&text, "h_bucket{a=\"b\",le=\"0.1\"} 1\nh_bucket{a=\"b\",le=\"1\"} 3\nh_bucket{a=\"b\",le=\"+Inf\"} 4\n"
		      "h_sum{a=\"b\"} 2.5\nh_count{a=\"b\"} 4\n"
		      "h_bucket{le=\"0.1\"} 1\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 0\nh_count 4\n");
}

static void it_grows(void **state)
{
	struct metrics_text text = {0};
	char line[40];
	size_t length = 0;

	(void)state;
	for (uint64_t i = 0; i < 100000; i++) {
		metrics_text_uint(&text, "name", NULL, i);
		length += (size_t)snprintf(line, sizeof(line), "name %llu\n", (unsigned long long)i);
		assert_int_equal(text.length, length);
		assert_memory_equal(text.at + length - strlen(line), line, strlen(line));
	}
	free(text.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples),
		cmocka_unit_test(seconds),
		cmocka_unit_test(histogram),
		cmocka_unit_test(it_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
