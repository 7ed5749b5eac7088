/* SPDX-License-Identifier: Apache-2.0 */
#include "control/metrics_histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct stage_times *new_times(void)
{
	struct stage_times *times = aligned_alloc(64, sizeof(*times));

	assert_non_null(times);
	memset(times, 0, sizeof(*times));
	return times;
}

static uint64_t nanoseconds(const char *end)
{
	return (uint64_t)(strtod(end, NULL) * 1e9 + 0.5);
}

static void each_time_is_below_its_end(void **state)
{
	uint64_t before = 0;

	(void)state;
	for (unsigned i = 0; i < METRICS_ENDS; i++) {
		const uint64_t end = nanoseconds(metrics_ends[i]);
		/* Surely below, and surely above: a bucket of the clock is 1/64 wide. */
		const uint64_t spent[] = {before + before / 32 + 1, end - end / 32, end + end / 32 + 1};

		assert_true(end > before);
		for (unsigned j = 0; j < 3; j++) {
			struct stage_times *times = new_times();
			struct metrics_histogram total = {0}, stage[STAGE_COUNT] = {0};
			const uint64_t spent_ns[STAGE_COUNT] = {[STAGE_BACKEND] = spent[j]};

			stage_count(times, spent_ns, 3);
			metrics_histogram_add(times, &total, stage);
			assert_int_equal(total.count[i + (j == 2)], 3);
			assert_int_equal(stage[STAGE_BACKEND].count[i + (j == 2)], 3);
			assert_int_equal(total.sum_ns, 3 * spent[j]);
			assert_int_equal(stage[STAGE_BACKEND].sum_ns, 3 * spent[j]);
			assert_int_equal(metrics_histogram_requests(&total), 3);
			assert_int_equal(metrics_histogram_requests(&stage[STAGE_RING]), 0);
			free(times);
		}
		before = end;
	}
}

static void requests_that_spent_nothing_are_in_the_first(void **state)
{
	struct stage_times *times = new_times();
	struct metrics_histogram total = {0}, stage[STAGE_COUNT] = {0};
	struct metrics_last last = {0};
	uint64_t cumulative[METRICS_ENDS + 1];
	const uint64_t a[STAGE_COUNT] = {[STAGE_RING] = 3000, [STAGE_BACKEND] = 70000};
	const uint64_t b[STAGE_COUNT] = {[STAGE_BACKEND] = 20000000000};

	(void)state;
	stage_count(times, a, 5);
	stage_count(times, b, 2);
	metrics_histogram_add(times, &total, stage);
	metrics_histogram_finish(&stage[STAGE_RING], 7, &last, cumulative);
	assert_int_equal(cumulative[0], 2);
	assert_int_equal(cumulative[2], 2); /* 2.5 us */
	assert_int_equal(cumulative[3], 7); /* 5 us */
	assert_int_equal(cumulative[METRICS_ENDS], 7);
	last = (struct metrics_last){0};
	metrics_histogram_finish(&stage[STAGE_BACKEND], 7, &last, cumulative);
	assert_int_equal(cumulative[METRICS_ENDS - 1], 5);
	assert_int_equal(cumulative[METRICS_ENDS], 7);
	last = (struct metrics_last){0};
	metrics_histogram_finish(&stage[STAGE_HELD], 7, &last, cumulative);
	assert_int_equal(cumulative[0], 7);
	free(times);
}

static void numbers_never_go_back(void **state)
{
	struct metrics_histogram histogram = {.count = {[3] = 10}};
	struct metrics_last last = {0};
	uint64_t first[METRICS_ENDS + 1], second[METRICS_ENDS + 1];

	(void)state;
	/* Two requests are in the totals, and not yet in this stage: they seem to have spent no time there. */
	metrics_histogram_finish(&histogram, 12, &last, first);
	assert_int_equal(first[0], 2);
	histogram.count[5] = 2;
	metrics_histogram_finish(&histogram, 12, &last, second);
	for (unsigned i = 0; i <= METRICS_ENDS; i++) {
		assert_true(second[i] >= first[i]);
		assert_true(i == 0 || second[i] >= second[i - 1]);
	}
	assert_int_equal(second[METRICS_ENDS], 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_time_is_below_its_end),
		cmocka_unit_test(requests_that_spent_nothing_are_in_the_first),
		cmocka_unit_test(numbers_never_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
