/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stage.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A times and its readings are too large for a stack. */
static struct stage_times *new_times(void)
{
	struct stage_times *times = aligned_alloc(64, sizeof(*times));

	assert_non_null(times);
	memset(times, 0, sizeof(*times));
	return times;
}

static struct stage_reading *new_reading(void)
{
	struct stage_reading *reading = malloc(sizeof(*reading));

	assert_non_null(reading);
	stage_reading_init(reading);
	return reading;
}

static struct stage_reading *read_of(const struct stage_times *times)
{
	struct stage_reading *reading = new_reading();

	stage_read(times, reading);
	return reading;
}

static uint64_t seed = 88172645463325252ull;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Over all magnitudes, and 0 in half of the stages. */
static void some_stages(uint64_t spent[STAGE_COUNT])
{
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		spent[stage] = next_random() % 2 ? next_random() >> (26 + next_random() % 38) : 0;
}

static void assert_close(double is, double should)
{
	if (fabs(is - should) * 128 > should)
		fail_msg("%g instead of %g", is, should);
}

static void nothing_counted(void **state)
{
	struct stage_times *times = new_times();
	struct stage_reading *reading = read_of(times);
	double spent[STAGE_COUNT], total = 1;

	(void)state;
	assert_int_equal(reading->total.count, 0);
	assert_int_equal(reading->stage[STAGE_RING].count, 0);
	assert_int_equal(hist_quantile(&reading->total, 0.5), 0);
	stage_reading_budget(reading, 0.99, spent, &total);
	assert_true(total == 0 && spent[STAGE_BACKEND] == 0);
	free(reading);
	free(times);
}

/* Sums are exact, values within 1/128, and who spent nothing in a stage is in its bucket 0. */
static void what_was_counted_is_read(void **state)
{
	const uint64_t spent[STAGE_COUNT] = {
		[STAGE_RING] = 1500, [STAGE_SUBMIT] = 70, [STAGE_BACKEND] = 88123, [STAGE_PUBLISH] = 999};
	const uint64_t at_once[STAGE_COUNT] = {[STAGE_BACKEND] = 5};
	struct stage_times *times = new_times();
	struct stage_reading *reading;

	(void)state;
	stage_count(times, spent, 3);
	stage_count(times, at_once, 1);
	reading = read_of(times);
	assert_int_equal(reading->total.count, 4);
	assert_int_equal(reading->total.sum, 3 * (1500 + 70 + 88123 + 999) + 5);
	assert_close((double)hist_quantile(&reading->total, 0.5), 90692);
	assert_close((double)reading->total.max, 90692);
	assert_int_equal(reading->total.min, 5);
	assert_int_equal(reading->stage[STAGE_RING].sum, 4500);
	assert_int_equal(reading->stage[STAGE_RING].bucket[0], 1);
	assert_int_equal(reading->stage[STAGE_BACKEND].bucket[0], 0);
	assert_int_equal(reading->stage[STAGE_BACKEND].min, 5);
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		assert_int_equal(reading->stage[stage].count, 4);
	assert_int_equal(reading->stage[STAGE_HELD].bucket[0], 4);
	assert_int_equal(reading->stage[STAGE_HELD].max, 0);
	assert_close((double)hist_quantile(&reading->stage[STAGE_BACKEND], 0.9), 88123);
	free(reading);
	free(times);
}

/* Each value is found again within 1/128, whatever its magnitude. */
static void the_relative_error_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		uint64_t spent[STAGE_COUNT] = {0};
		struct stage_times *times = new_times();
		struct stage_reading *reading;

		spent[i % STAGE_COUNT] = 1 + (next_random() >> (25 + i % 39));
		stage_count(times, spent, 1);
		reading = read_of(times);
		assert_close((double)hist_quantile(&reading->total, 0.5), (double)spent[i % STAGE_COUNT]);
		assert_close((double)hist_quantile(&reading->stage[i % STAGE_COUNT], 0.5),
			     (double)spent[i % STAGE_COUNT]);
		free(reading);
		free(times);
	}
}

static void assert_same(const struct stage_reading *a, const struct stage_reading *b)
{
	assert_memory_equal(&a->total, &b->total, sizeof(a->total));
	assert_memory_equal(a->stage, b->stage, sizeof(a->stage));
	assert_memory_equal(a->spent_ns, b->spent_ns, sizeof(a->spent_ns));
}

/* A window is a difference, a disk the sum of its queues: both as if counted alone, or together. */
static void merged_and_subtracted(void **state)
{
	struct stage_times *first = new_times(), *second = new_times(), *both = new_times();
	struct stage_reading *before = NULL, *after, *window, *merged, *together;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t spent[STAGE_COUNT];
		const uint32_t requests = 1 + next_random() % 16;

		some_stages(spent);
		stage_count(i < 1000 ? first : second, spent, requests);
		stage_count(both, spent, requests);
		if (i == 999)
			before = read_of(both);
	}
	after = read_of(both);
	together = read_of(both);
	stage_reading_subtract(after, before);
	window = read_of(second);
	assert_same(after, window);
	merged = read_of(first);
	assert_same(merged, before);
	stage_reading_merge(merged, window);
	assert_same(merged, together);
	/* Reading into what has something already is merging. */
	stage_read(second, before);
	assert_same(before, together);
	/* A window in which nothing came. */
	stage_reading_subtract(before, together);
	assert_int_equal(before->total.count, 0);
	assert_int_equal(before->stage[STAGE_RING].count, 0);
	free(before);
	free(after);
	free(window);
	free(merged);
	free(together);
	free(first);
	free(second);
	free(both);
}

/* The stages of a budget add up, and tell the slow requests from the others. */
static void the_budget_of_a_quantile(void **state)
{
	const uint64_t usual[STAGE_COUNT] = {[STAGE_RING] = 2000, [STAGE_BACKEND] = 50000};
	const uint64_t slow[STAGE_COUNT] = {[STAGE_RING] = 2000, [STAGE_HELD] = 900000, [STAGE_BACKEND] = 60000};
	struct stage_times *times = new_times();
	struct stage_reading *reading;
	double spent[STAGE_COUNT], total;

	(void)state;
	stage_count(times, usual, 980);
	stage_count(times, slow, 20);
	reading = read_of(times);
	stage_reading_budget(reading, 0.5, spent, &total);
	assert_true(spent[STAGE_RING] == 2000 && spent[STAGE_BACKEND] == 50000 && spent[STAGE_HELD] == 0);
	assert_true(total == 52000);
	stage_reading_budget(reading, 0.99, spent, &total);
	assert_true(spent[STAGE_HELD] == 900000 && spent[STAGE_BACKEND] == 60000);
	assert_true(total == 962000);
	stage_reading_budget(reading, 1.0, spent, &total);
	assert_true(total == 962000);
	free(reading);
	free(times);
}

/* A single request is the whole truth about its quantile where no other is near, else its neighbours help. */
static void neighbours_of_a_lone_request(void **state)
{
	struct stage_times *times = new_times();
	struct stage_reading *reading;
	double spent[STAGE_COUNT], total;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		const uint64_t a[STAGE_COUNT] = {[STAGE_BACKEND] = 100000 + i * 1000};

		stage_count(times, a, 1);
	}
	stage_count(times, (const uint64_t[STAGE_COUNT]){[STAGE_HELD] = 5000000}, 1);
	reading = read_of(times);
	stage_reading_budget(reading, 0.5, spent, &total);
	assert_true(total > 100000 && total < 120000 && spent[STAGE_HELD] == 0);
	stage_reading_budget(reading, 0.999, spent, &total);
	assert_true(total == 5000000 && spent[STAGE_HELD] == 5000000);
	free(reading);
	free(times);
}

struct writing {
	struct stage_times *times;
	bool end;
};

static void *write_on(void *argument)
{
	struct writing *writing = argument;
	const uint64_t spent[STAGE_COUNT] = {[STAGE_RING] = 300, [STAGE_BACKEND] = 7000};

	while (!__atomic_load_n(&writing->end, __ATOMIC_RELAXED))
		stage_count(writing->times, spent, 2);
	return NULL;
}

/* Whoever reads meanwhile sees counters that only grow, and what is missing comes with the next reading. */
static void read_while_written(void **state)
{
	struct writing writing = {.times = new_times()};
	struct stage_reading *reading, *last = new_reading();
	pthread_t writer;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_on, &writing), 0);
	while (last->total.count < 100000) {
		reading = read_of(writing.times);
		assert_true(reading->total.count >= last->total.count && reading->total.sum >= last->total.sum);
		free(last);
		last = reading;
	}
	__atomic_store_n(&writing.end, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	reading = read_of(writing.times);
	assert_int_equal(reading->total.sum, reading->total.count * 7300);
	assert_int_equal(reading->stage[STAGE_BACKEND].sum, reading->total.count * 7000);
	assert_int_equal(reading->stage[STAGE_HELD].bucket[0], reading->total.count);
	free(reading);
	free(last);
	free(writing.times);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_counted),
		cmocka_unit_test(what_was_counted_is_read),
		cmocka_unit_test(the_relative_error_is_bounded),
		cmocka_unit_test(merged_and_subtracted),
		cmocka_unit_test(the_budget_of_a_quantile),
		cmocka_unit_test(neighbours_of_a_lone_request),
		cmocka_unit_test(read_while_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
