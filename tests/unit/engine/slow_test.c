/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/slow.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

/* As a worker does it: one comparison for those that have no place. Ticks are nanoseconds here. */
static void over(struct slow_recorder *recorder, uint64_t total_ns, uint64_t now)
{
	struct slow_request request = {
		.offset = total_ns * 3, .length = total_ns * 5, .total_ns = total_ns, .spent_ns = {total_ns}};

	slow_look(recorder, now);
	if (total_ns > recorder->floor_ns)
		slow_record(recorder, &request);
}

static struct slow_recorder *new_recorder(void)
{
	struct slow_recorder *recorder = calloc(1, sizeof(*recorder));

	assert_non_null(recorder);
	return recorder;
}

static const uint64_t second = 1000000000;

static void the_slowest_are_kept(void **state)
{
	struct slow_recorder *recorder = new_recorder();
	struct slow_request read[SLOW_MOST];

	(void)state;
	assert_int_equal(slow_read(recorder, read, SLOW_MOST), 0);
	/* 1 to 1000, in an order that is none. */
	for (uint64_t i = 1; i <= 1000; i++)
		over(recorder, i * 379 % 1009, second);
	assert_int_equal(slow_read(recorder, read, SLOW_MOST), SLOW_KEPT);
	for (unsigned i = 1; i < SLOW_KEPT; i++)
		assert_true(read[i].total_ns < read[i - 1].total_ns);
	assert_int_equal(read[0].offset, read[0].total_ns * 3);
	assert_true(read[0].at_ms > 0);
	/* None that is not there is slower than one that is. */
	assert_true(read[0].total_ns <= 1008 && read[SLOW_KEPT - 1].total_ns >= 1008 - SLOW_KEPT - 8);
	assert_int_equal(recorder->floor_ns, read[SLOW_KEPT - 1].total_ns);
	assert_int_equal(slow_read(recorder, read, 3), 3);
	free(recorder);
}

/* The slow ones of a minute are seen though slower ones came long before; those that are the slowest ever stay. */
static void minute_after_minute(void **state)
{
	struct slow_recorder *recorder = new_recorder();
	struct slow_request read[SLOW_MOST];

	(void)state;
	for (uint64_t minute = 0; minute < 5; minute++)
		for (uint64_t i = 1; i <= 100; i++)
			over(recorder, (minute == 0 ? 1000000 : 1000 * minute) + i, (1 + minute * 61) * second);
	assert_int_equal(slow_read(recorder, read, SLOW_MOST), SLOW_MOST);
	assert_int_equal(read[0].total_ns, 1000100);
	assert_int_equal(read[SLOW_KEPT].total_ns, 4100);
	assert_int_equal(read[2 * SLOW_KEPT].total_ns, 3100);
	/* After hours without anything the last two minutes of work are still there. */
	over(recorder, 1, 100000 * second);
	over(recorder, 1, 200000 * second);
	assert_int_equal(slow_read(recorder, read, SLOW_MOST), SLOW_KEPT + 2);
	free(recorder);
}

static void a_threshold(void **state)
{
	struct slow_recorder *recorder = new_recorder();
	struct slow_request read[SLOW_MOST];

	(void)state;
	slow_set_threshold(recorder, 500);
	for (uint64_t i = 490; i <= 510; i++)
		over(recorder, i, second);
	assert_int_equal(slow_read(recorder, read, SLOW_MOST), 11);
	assert_int_equal(read[10].total_ns, 500);
	slow_set_threshold(recorder, 0);
	over(recorder, 7, second);
	assert_int_equal(slow_read(recorder, read, SLOW_MOST), 12);
	free(recorder);
}

/* A reset is seen at once, also where the worker has nothing to do, and makes room for faster ones. */
static void forgotten(void **state)
{
	struct slow_recorder *recorder = new_recorder();
	struct slow_request read[SLOW_MOST];

	(void)state;
	for (uint64_t i = 1; i <= 100; i++)
		over(recorder, 1000 + i, second);
	slow_reset(recorder);
	assert_int_equal(slow_read(recorder, read, SLOW_MOST), 0);
	over(recorder, 5, second);
	assert_int_equal(slow_read(recorder, read, SLOW_MOST), 1);
	assert_int_equal(read[0].total_ns, 5);
	free(recorder);
}

struct writing {
	struct slow_recorder *recorder;
	bool end;
};

static void *write_on(void *argument)
{
	struct writing *writing = argument;
	uint64_t now = 0;

	for (uint64_t i = 1; !__atomic_load_n(&writing->end, __ATOMIC_RELAXED); i++)
		over(writing->recorder, i, now += second / 8);
	return NULL;
}

/* Whoever reads meanwhile never sees half of one, while the control thread resets, too. */
static void read_while_written(void **state)
{
	struct writing writing = {.recorder = new_recorder()};
	struct slow_request read[SLOW_MOST];
	uint64_t seen = 0;
	pthread_t writer;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_on, &writing), 0);
	for (unsigned round = 0; seen < 100000 || round < 1000; round++) {
		const unsigned count = slow_read(writing.recorder, read, SLOW_MOST);

		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(read[i].offset, read[i].total_ns * 3);
			assert_int_equal(read[i].length, read[i].total_ns * 5);
			assert_int_equal(read[i].spent_ns[0], read[i].total_ns);
		}
		seen = count ? read[0].total_ns : seen;
		if (round % 100 == 99)
			slow_reset(writing.recorder);
	}
	__atomic_store_n(&writing.end, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	free(writing.recorder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_slowest_are_kept), cmocka_unit_test(minute_after_minute),
		cmocka_unit_test(a_threshold),          cmocka_unit_test(forgotten),
		cmocka_unit_test(read_while_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
