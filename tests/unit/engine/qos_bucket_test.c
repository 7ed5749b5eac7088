/* SPDX-License-Identifier: Apache-2.0 */
/* What passes a bucket, over simulated time: as much as its rate says, never more than that and its depth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "engine/qos_bucket.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Take as soon as it says so, for so long. What has passed. */
static uint64_t drain(struct qos_bucket *bucket, uint64_t cost, qos_time from, qos_time length)
{
	qos_time now = from, when;
	uint64_t passed = 0;

	while (now - from < length) {
		if (qos_bucket_take(bucket, cost, now, &when)) {
			passed += cost;
			continue;
		}
		assert_true(qos_time_between(now, when) > 0);
		now = when;
	}
	return passed;
}

static void is_exact(void **state)
{
	static const struct {
		uint64_t rate, cost;
	} cases[] = {
		{1, 1},
		{2, 1},
		{7, 1},
		{1000, 1},
		{33333, 1},
		{1000000, 1},
		{1024, 512},
		{4096, 65536},
		{1048576, 4096},
		{100000000, 4096},
		{20000000000, 512},
		{20000000000, 1048576},
		{QOS_MAX_RATE, 65536},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		const uint64_t rate = cases[i].rate, cost = cases[i].cost, depth = rate / 10 + 1;
		/* Some 100,000 requests' time, starting just before the clock wraps around. */
		const double seconds = 100000.0 * (double)cost / (double)rate;
		const double limited = seconds < 8000000 ? seconds : 8000000;
		const qos_time length = (qos_time)(limited * (double)QOS_SECOND), start = (qos_time)-100;
		struct qos_bucket bucket;
		uint64_t passed;

		qos_bucket_init(&bucket, rate, depth, start);
		passed = drain(&bucket, cost, start, length);
		assert_true((double)passed <= ((double)rate * limited + (double)(depth + cost)) * 1.0003);
		assert_true((double)passed >= (double)rate * limited * 0.9997 - (double)cost);
	}
}

/* A second of nothing gives back the burst, and no more than that. */
static void holds_no_more_than_its_depth(void **state)
{
	struct qos_bucket bucket;
	qos_time when, now = QOS_SECOND;

	(void)state;
	qos_bucket_init(&bucket, 100, 10, now);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 10; i++)
			assert_true(qos_bucket_take(&bucket, 1, now, &when));
		assert_false(qos_bucket_take(&bucket, 1, now, &when));
		assert_int_equal(when, now + QOS_SECOND / 100);
		assert_false(qos_bucket_take(&bucket, 5, now, &when));
		assert_int_equal(when, now + QOS_SECOND / 20);
		now += QOS_SECOND;
	}
}

static void lets_what_is_dearer_than_its_depth_pass_when_it_is_full(void **state)
{
	struct qos_bucket bucket;
	qos_time when, now = QOS_SECOND;

	(void)state;
	qos_bucket_init(&bucket, 100, 10, now);
	assert_true(qos_bucket_take(&bucket, 200, now, &when));
	assert_false(qos_bucket_take(&bucket, 1, now, &when));
	assert_int_equal(when, now + 2 * QOS_SECOND - QOS_SECOND / 10 + QOS_SECOND / 100);
	assert_true(qos_bucket_take(&bucket, 1, when, &when));
	assert_false(qos_bucket_take(&bucket, 200, now, &when));
	assert_int_equal(when, now + 2 * QOS_SECOND + QOS_SECOND / 100);
	assert_true(qos_bucket_take(&bucket, 200, when, &when));
}

static void takes_back(void **state)
{
	struct qos_bucket bucket;
	qos_time when, now = QOS_SECOND;

	(void)state;
	qos_bucket_init(&bucket, 100, 10, now);
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(qos_bucket_take(&bucket, 10, now, &when));
		assert_false(qos_bucket_take(&bucket, 1, now, &when));
		qos_bucket_refund(&bucket, 10);
	}
	qos_bucket_charge(&bucket, 110, now);
	assert_false(qos_bucket_take(&bucket, 10, now, &when));
	assert_int_equal(when, now + QOS_SECOND + QOS_SECOND / 10);
}

/* Who has used up a burst has not got it back by a change, nor lost what is left. */
static void keeps_what_was_used_when_it_changes(void **state)
{
	struct qos_bucket bucket;
	qos_time when, now = QOS_SECOND;

	(void)state;
	qos_bucket_init(&bucket, 100, 10, now);
	assert_true(qos_bucket_take(&bucket, 6, now, &when));
	qos_bucket_change(&bucket, 1000, 10, now);
	assert_true(qos_bucket_take(&bucket, 4, now, &when));
	assert_false(qos_bucket_take(&bucket, 1, now, &when));
	assert_in_range(when - now, QOS_SECOND / 1000 - 1, QOS_SECOND / 1000 + 1);
	qos_bucket_change(&bucket, 1, 10, now);
	assert_false(qos_bucket_take(&bucket, 1, now, &when));
	assert_in_range(when - now, QOS_SECOND - 64, QOS_SECOND + 64);
	qos_bucket_change(&bucket, 0, 1, now);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(qos_bucket_take(&bucket, 1u << 31, now, &when));
	qos_bucket_change(&bucket, 5, 1, now);
	assert_true(qos_bucket_take(&bucket, 1, now, &when));
	assert_false(qos_bucket_take(&bucket, 1, now, &when));
}

static void does_not_overflow(void **state)
{
	struct qos_bucket bucket;
	qos_time when, now = UINT64_MAX - 5;

	(void)state;
	qos_bucket_init(&bucket, 1, UINT64_MAX, now);
	assert_int_equal(bucket.depth, QOS_LONGEST);
	assert_true(qos_bucket_take(&bucket, UINT64_MAX, now, &when));
	for (unsigned i = 0; i < 100; i++)
		qos_bucket_charge(&bucket, UINT64_MAX, now);
	assert_false(qos_bucket_take(&bucket, UINT64_MAX, now, &when));
	assert_true(qos_time_between(now, when) > 0);
	qos_bucket_change(&bucket, QOS_MAX_RATE, 1, now);
	qos_bucket_change(&bucket, 1, 1, now);
	assert_false(qos_bucket_take(&bucket, 1, now, &when));
	assert_true(qos_time_between(now, when) > 0);
}

/* Threads of which each has a clock of its own, together a little apart. */
struct taker {
	pthread_t thread;
	struct qos_bucket *bucket;
	qos_time start, skew;
	uint64_t passed;
};

#define STEPS 200000

static void *take_all_the_time(void *argument)
{
	struct taker *taker = argument;
	qos_time when;

	for (unsigned i = 0; i < STEPS; i++) {
		const qos_time now = taker->start + taker->skew + i * (QOS_SECOND / STEPS);

		if (qos_bucket_take(taker->bucket, 3, now, &when)) {
			taker->passed += 3;
			if (i % 5 == 0) {
				qos_bucket_refund(taker->bucket, 3);
				taker->passed -= 3;
			}
		}
	}
	return NULL;
}

static void threads_together_do_not_exceed_it(void **state)
{
	const uint64_t rate = 30000, depth = 300;
	struct taker takers[4];
	struct qos_bucket bucket;
	uint64_t passed = 0;

	(void)state;
	qos_bucket_init(&bucket, rate, depth, 0);
	for (unsigned i = 0; i < COUNT(takers); i++) {
		takers[i] = (struct taker){.bucket = &bucket, .skew = QOS_NS(100) * i};
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take_all_the_time, &takers[i]), 0);
	}
	for (unsigned i = 0; i < COUNT(takers); i++) {
		pthread_join(takers[i].thread, NULL);
		passed += takers[i].passed;
	}
	assert_true(passed <= rate + depth);
	assert_true(passed > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_exact),
		cmocka_unit_test(holds_no_more_than_its_depth),
		cmocka_unit_test(lets_what_is_dearer_than_its_depth_pass_when_it_is_full),
		cmocka_unit_test(takes_back),
		cmocka_unit_test(keeps_what_was_used_when_it_changes),
		cmocka_unit_test(does_not_overflow),
		cmocka_unit_test(threads_together_do_not_exceed_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
