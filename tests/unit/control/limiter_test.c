/* SPDX-License-Identifier: Apache-2.0 */
#include "control/limiter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND 1000000000ull

/* How many of the events, one each gap_ns from start_ns on, may happen. */
static unsigned count(struct limiter *limiter, uint64_t start_ns, unsigned events, uint64_t gap_ns)
{
	unsigned passed = 0;

	for (unsigned i = 0; i < events; i++)
		passed += limiter_take(limiter, start_ns + i * gap_ns) == 0;
	return passed;
}

static void a_burst_and_then_the_rate(void **state)
{
	const uint32_t rates[] = {1, 2, 3, 7, 50, 999};

	(void)state;
	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct limiter limiter = {.rate = rates[i]};

		assert_int_equal(count(&limiter, 5 * SECOND, 5000, 0), rates[i]);
		/* Ten seconds of far too many: as many as there are in ten seconds, give or take one for rounding. */
		assert_in_range(count(&limiter, 5 * SECOND, 100000, SECOND / 10000), rates[i] * 10 - 1,
				rates[i] * 10 + 1);
		/* After a pause a burst again, and no more than that, however long it was. */
		assert_int_equal(count(&limiter, 1000 * SECOND, 5000, 0), rates[i]);
	}
}

static void it_says_when_the_next_may_happen(void **state)
{
	struct limiter limiter = {.rate = 4};
	uint64_t wait;

	(void)state;
	assert_int_equal(count(&limiter, SECOND, 4, 0), 4);
	wait = limiter_take(&limiter, SECOND);
	assert_int_equal(wait, SECOND / 4);
	assert_int_equal(limiter_take(&limiter, SECOND + wait - 1), 1);
	assert_int_equal(limiter_take(&limiter, SECOND + wait), 0);
}

static void no_limit(void **state)
{
	struct limiter limiter = {.rate = 0};

	(void)state;
	assert_int_equal(count(&limiter, 0, 100000, 0), 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_and_then_the_rate),
		cmocka_unit_test(it_says_when_the_next_may_happen),
		cmocka_unit_test(no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
