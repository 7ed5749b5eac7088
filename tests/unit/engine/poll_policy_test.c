/* SPDX-License-Identifier: Apache-2.0 */
/* How long to look for work: what is learnt from which idle times. Pure arithmetic, no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/poll_policy.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint32_t limits[] = {0, 1, 1000, 50000, 1000000, 1000000000};

/* One idle time that ends after ns. The window it was given. */
static uint32_t idle(struct poll_policy *policy, bool in_flight, uint64_t ns)
{
	uint32_t window = poll_policy_window(policy, in_flight);

	poll_policy_learn(policy, in_flight, ns, window);
	return window;
}

static void begins_with_the_longest_look(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(limits); i++) {
		struct poll_policy policy;

		poll_policy_init(&policy, limits[i]);
		assert_int_equal(poll_policy_window(&policy, false), limits[i]);
		assert_int_equal(poll_policy_window(&policy, true), limits[i]);
	}
}

/* Whatever has happened before. */
static void never_looks_longer_than_it_may(void **state)
{
	static const uint64_t times[] = {0, 1, 900, 1100, 49999, 50001, 1000000, 999999999, 1000000001, UINT64_MAX / 2};

	(void)state;
	for (unsigned i = 0; i < COUNT(limits); i++) {
		struct poll_policy policy;
		uint64_t seed = 1;

		poll_policy_init(&policy, limits[i]);
		for (unsigned k = 0; k < 20000; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			assert_true(idle(&policy, k % 3 == 0, times[(seed >> 33) % COUNT(times)]) <= limits[i]);
			assert_true(policy.wait[0].usual_ns <= limits[i]);
			assert_true(policy.wait[1].usual_ns <= limits[i]);
		}
	}
}

static void zero_never_looks(void **state)
{
	struct poll_policy policy;

	(void)state;
	poll_policy_init(&policy, 0);
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(idle(&policy, i % 2, i % 5 ? i : 0), 0);
}

/* Work that always comes after the same time is met awake, and the window comes down to a few times that. */
static void converges_to_what_is_usual(void **state)
{
	static const uint32_t usual[] = {0, 100, 1000, 5000, 10000};

	(void)state;
	for (unsigned i = 0; i < COUNT(usual); i++) {
		struct poll_policy policy;
		uint32_t window = 0, before = UINT32_MAX;

		poll_policy_init(&policy, 1000000);
		for (unsigned k = 0; k < 200; k++) {
			window = idle(&policy, true, usual[i]);
			assert_true(window >= usual[i]);
			assert_true(window <= before);
			before = window;
		}
		assert_true(window <= usual[i] * 8 + 8000);
		/* A little late is still met. */
		assert_true(window >= usual[i] * 2);
	}
}

/* When what is usual grows beyond the window, the window follows. */
static void follows_when_work_comes_later(void **state)
{
	struct poll_policy policy;
	unsigned met = 0;

	(void)state;
	poll_policy_init(&policy, 1000000);
	for (unsigned k = 0; k < 200; k++)
		idle(&policy, false, 100);
	assert_true(poll_policy_window(&policy, false) < 100000);
	for (unsigned k = 0; k < 4000 && met < 100; k++)
		met = idle(&policy, false, 200000) >= 200000 ? met + 1 : 0;
	assert_int_equal(met, 100);
}

/* Looks in vain are left out: once, then three times, up to 511 times in a row. */
static void gives_up_where_looking_is_in_vain(void **state)
{
	struct poll_policy policy;
	const uint64_t long_time = 1000000000;

	(void)state;
	poll_policy_init(&policy, 50000);
	for (unsigned miss = 1; miss <= 12; miss++) {
		const unsigned expected = (1u << (miss < 9 ? miss : 9)) - 1;

		assert_true(idle(&policy, false, long_time) > 0);
		for (unsigned i = 0; i < expected; i++)
			assert_int_equal(idle(&policy, false, long_time), 0);
	}
	/* One that finds something makes all good. */
	assert_true(idle(&policy, false, 10) > 0);
	assert_true(idle(&policy, false, 10) > 0);
	assert_true(idle(&policy, false, long_time) > 0);
	assert_int_equal(idle(&policy, false, long_time), 0);
	assert_true(idle(&policy, false, long_time) > 0);
}

/* The end of a sleep teaches nothing. */
static void learns_from_looking_alone(void **state)
{
	struct poll_policy policy, before;

	(void)state;
	poll_policy_init(&policy, 50000);
	idle(&policy, true, 20000);
	before = policy;
	poll_policy_learn(&policy, true, 5, 0);
	poll_policy_learn(&policy, true, UINT64_MAX, 0);
	assert_memory_equal(&policy, &before, sizeof(policy));
}

static void learns_apart(void **state)
{
	struct poll_policy policy;
	uint32_t untouched;

	(void)state;
	poll_policy_init(&policy, 50000);
	untouched = poll_policy_window(&policy, true);
	for (unsigned k = 0; k < 100; k++)
		idle(&policy, false, 100);
	assert_int_equal(poll_policy_window(&policy, true), untouched);
	assert_true(poll_policy_window(&policy, false) < untouched);
	for (unsigned k = 0; k < 100; k++)
		idle(&policy, false, 1000000000);
	assert_int_equal(poll_policy_window(&policy, true), untouched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_with_the_longest_look),
		cmocka_unit_test(never_looks_longer_than_it_may),
		cmocka_unit_test(zero_never_looks),
		cmocka_unit_test(converges_to_what_is_usual),
		cmocka_unit_test(follows_when_work_comes_later),
		cmocka_unit_test(gives_up_where_looking_is_in_vain),
		cmocka_unit_test(learns_from_looking_alone),
		cmocka_unit_test(learns_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
