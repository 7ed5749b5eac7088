/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hist.h"

static uint64_t seed = 88172645463325252ull;

/* xorshift64: the same numbers in every run. */
static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* What the histogram gives back for one value, without the help of its minimum and maximum. */
static uint64_t stored_as(uint64_t value)
{
	static struct hist hist;

	hist_reset(&hist);
	hist_add(&hist, value);
	hist.min = 0;
	hist.max = UINT64_MAX;
	return hist_quantile(&hist, 0.5);
}

static void assert_close(uint64_t stored, uint64_t value)
{
	const uint64_t off = stored > value ? stored - value : value - stored;

	/* off / value <= 1 / 128 without rounding: values end at 2^40. */
	if (off * 128 > value)
		fail_msg("%llu is stored as %llu", (unsigned long long)value, (unsigned long long)stored);
}

static void empty(void **state)
{
	static struct hist hist;

	(void)state;
	hist_reset(&hist);
	assert_int_equal(hist.count, 0);
	assert_true(hist.min == UINT64_MAX);
	assert_int_equal(hist.max, 0);
	assert_int_equal(hist_quantile(&hist, 0.0), 0);
	assert_int_equal(hist_quantile(&hist, 0.99), 0);
	assert_int_equal(hist_quantile(&hist, 1.0), 0);
}

static void exact_below_128(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < 128; value++)
		assert_true(stored_as(value) == value);
}

/* Within 1/128 of each value: all small ones, both sides of every bucket's edge, and a random million. */
static void error_bound(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < 1 << 14; value++)
		assert_close(stored_as(value), value);
	for (unsigned bit = 7; bit < HIST_MAX_BITS; bit++) {
		const uint64_t step = (1ull << bit) / HIST_STEPS;

		for (uint64_t edge = 1ull << bit; edge < 2ull << bit; edge += step) {
			assert_close(stored_as(edge), edge);
			assert_close(stored_as(edge + step - 1), edge + step - 1);
			assert_close(stored_as(edge + step / 2), edge + step / 2);
		}
	}
}

static void indexes_grow_without_gaps(void **state)
{
	unsigned last = 0;

	(void)state;
	for (uint64_t value = 0; value < 1 << 18; value++) {
		const unsigned index = hist_index(value);

		assert_true(index == last || index == last + 1);
		last = index;
	}
	for (unsigned i = 0; i < 1000000; i++) {
		const uint64_t value = next_random() >> (next_random() % 64);

		assert_true(hist_index(value) < HIST_BUCKETS);
	}
	assert_int_equal(hist_index((1ull << HIST_MAX_BITS) - 1), HIST_BUCKETS - 1);
	assert_int_equal(hist_index(1ull << HIST_MAX_BITS), HIST_BUCKETS - 1);
	assert_int_equal(hist_index(UINT64_MAX), HIST_BUCKETS - 1);
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Latencies look like this: a narrow body and a long tail. */
static uint64_t latency_like(void)
{
	return (20000 + next_random() % 5000) << (next_random() % 100 == 0 ? next_random() % 12 : 0);
}

static void quantiles_against_a_sorted_array(void **state)
{
	static const double quantiles[] = {0.0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0};
	static const size_t counts[] = {1, 2, 3, 10, 999, 100000};
	static struct hist hist;
	static uint64_t values[100000];

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		hist_reset(&hist);
		for (size_t j = 0; j < counts[i]; j++) {
			values[j] = latency_like();
			hist_add(&hist, values[j]);
		}
		qsort(values, counts[i], sizeof(values[0]), compare);
		for (size_t j = 0; j < sizeof(quantiles) / sizeof(quantiles[0]); j++) {
			size_t rank = (size_t)(quantiles[j] * (double)counts[i]);

			rank = rank >= counts[i] ? counts[i] - 1 : rank;
			assert_close(hist_quantile(&hist, quantiles[j]), values[rank]);
		}
	}
}

/* A quantile never lies outside of what was seen, although buckets are wider. */
static void within_what_was_seen(void **state)
{
	static struct hist hist;

	(void)state;
	hist_reset(&hist);
	hist_add(&hist, 1000001);
	hist_add(&hist, 1000002);
	assert_true(hist_quantile(&hist, 0.0) >= 1000001);
	assert_true(hist_quantile(&hist, 1.0) <= 1000002);
	assert_true(hist.min == 1000001 && hist.max == 1000002 && hist.sum == 2000003);
}

static void beyond_the_range(void **state)
{
	static struct hist hist;

	(void)state;
	hist_reset(&hist);
	hist_add(&hist, UINT64_MAX);
	assert_int_equal(hist.count, 1);
	assert_true(hist.max == UINT64_MAX);
	assert_int_equal(hist.bucket[HIST_BUCKETS - 1], 1);
}

static void merge(void **state)
{
	static struct hist parts[3], whole, merged;

	(void)state;
	hist_reset(&whole);
	hist_reset(&merged);
	for (unsigned i = 0; i < 3; i++)
		hist_reset(&parts[i]);
	for (unsigned i = 0; i < 10000; i++) {
		const uint64_t value = latency_like();

		/* The third stays empty: merging nothing changes nothing. */
		hist_add(&parts[i % 2], value);
		hist_add(&whole, value);
	}
	for (unsigned i = 0; i < 3; i++)
		hist_merge(&merged, &parts[i]);
	assert_memory_equal(&merged, &whole, sizeof(whole));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(exact_below_128),
		cmocka_unit_test(error_bound),
		cmocka_unit_test(indexes_grow_without_gaps),
		cmocka_unit_test(quantiles_against_a_sorted_array),
		cmocka_unit_test(within_what_was_seen),
		cmocka_unit_test(beyond_the_range),
		cmocka_unit_test(merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
