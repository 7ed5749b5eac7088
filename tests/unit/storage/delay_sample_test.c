/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <math.h>

#include "storage/delay_sample.h"

/* Mean and spread of the distributions, over so many samples of a fixed stream that chance has no say. */

enum { COUNT = 1000000 };

struct summary {
	double mean, deviation, min, max;
};

static struct summary summarize(const struct storage_delay_options *options)
{
	struct storage_thread thread = {.random = 42};
	struct summary summary = {.min = INFINITY, .max = -INFINITY};
	double sum = 0, squares = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		uint64_t random1 = storage_random(&thread), random2 = storage_random(&thread);
		double value = delay_sample(options, random1, random2);

		sum += value;
		squares += value * value;
		summary.min = fmin(summary.min, value);
		summary.max = fmax(summary.max, value);
	}
	summary.mean = sum / COUNT;
	summary.deviation = sqrt(squares / COUNT - summary.mean * summary.mean);
	return summary;
}

static void assert_near(double value, double expected, double share)
{
	if (fabs(value - expected) > expected * share)
		fail_msg("%g is not within %g of %g", value, share, expected);
}

static void fixed(void **state)
{
	struct storage_delay_options options = {.kind = STORAGE_DELAY_FIXED, .mean_us = 150, .spread_us = 99};
	struct summary summary = summarize(&options);

	(void)state;
	assert_true(summary.min == 150 && summary.max == 150);
}

static void uniform(void **state)
{
	struct storage_delay_options options = {.kind = STORAGE_DELAY_UNIFORM, .mean_us = 200, .spread_us = 200};
	struct summary summary = summarize(&options);

	(void)state;
	assert_near(summary.mean, 200, 0.005);
	assert_near(summary.deviation, 400 / sqrt(12), 0.005);
	assert_true(summary.min >= 0 && summary.min < 1);
	assert_true(summary.max <= 400 && summary.max > 399);
}

static void normal(void **state)
{
	struct storage_delay_options options = {.kind = STORAGE_DELAY_NORMAL, .mean_us = 500, .spread_us = 50};
	struct summary summary = summarize(&options);

	(void)state;
	assert_near(summary.mean, 500, 0.002);
	assert_near(summary.deviation, 50, 0.005);
	/* Four to six deviations away in a million. */
	assert_in_range((unsigned)summary.max, 700, 800);
	assert_in_range((unsigned)summary.min, 200, 300);
}

static void normal_is_never_negative(void **state)
{
	struct storage_delay_options options = {.kind = STORAGE_DELAY_NORMAL, .mean_us = 10, .spread_us = 100};

	(void)state;
	assert_true(summarize(&options).min == 0);
}

static void exponential(void **state)
{
	struct storage_delay_options options = {.kind = STORAGE_DELAY_EXPONENTIAL, .mean_us = 80};
	struct summary summary = summarize(&options);

	(void)state;
	assert_near(summary.mean, 80, 0.005);
	assert_near(summary.deviation, 80, 0.01);
	assert_true(summary.min >= 0);
}

static void pareto(void **state)
{
	struct storage_delay_options options = {.kind = STORAGE_DELAY_PARETO, .mean_us = 100};
	struct storage_thread thread = {.random = 7};
	struct summary summary = summarize(&options);
	unsigned above = 0;

	(void)state;
	/* A tail as heavy as this lets the mean of a million samples wander by a few hundredths. */
	assert_near(summary.mean, 100, 0.05);
	assert_true(summary.min >= 33.74 && summary.min < 33.76);
	assert_true(summary.max <= 100000);
	for (unsigned i = 0; i < COUNT; i++)
		above += delay_sample(&options, storage_random(&thread), 0) > 1000;
	/* P(X > 10 means) = (0.33747 / 10)^1.5 */
	assert_near((double)above / COUNT, 0.0061994, 0.05);
}

static void extreme_random_numbers_are_finite(void **state)
{
	static const uint64_t extremes[] = {0, 1, UINT64_MAX, UINT64_MAX / 2};

	(void)state;
	for (int kind = STORAGE_DELAY_FIXED; kind <= STORAGE_DELAY_PARETO; kind++) {
		struct storage_delay_options options = {
			.kind = (enum storage_delay_kind)kind, .mean_us = 100, .spread_us = 100};

		for (unsigned i = 0; i < 16; i++) {
			double value = delay_sample(&options, extremes[i / 4], extremes[i % 4]);

			assert_true(isfinite(value) && value >= 0 && value <= 100000);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed),
		cmocka_unit_test(uniform),
		cmocka_unit_test(normal),
		cmocka_unit_test(normal_is_never_negative),
		cmocka_unit_test(exponential),
		cmocka_unit_test(pareto),
		cmocka_unit_test(extreme_random_numbers_are_finite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
