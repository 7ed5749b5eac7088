/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/call_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { COUNT = 8, TIME = 100 };

/* One whose requests come back every so often. */
static struct call_policy used_to(uint64_t gap)
{
	struct call_policy policy;

	call_policy_init(&policy, COUNT, TIME);
	for (uint64_t now = 1; now <= 100; now++)
		(void)call_policy_due(&policy, now * gap, 1, 0);
	return policy;
}

static void a_lone_request_is_never_held(void **state)
{
	struct call_policy policy = used_to(1);

	(void)state;
	assert_true(call_policy_due(&policy, 101, 1, 0));
	assert_true(call_policy_due(&policy, 102, 1, 0));
	assert_int_equal(policy.held, 0);
}

/* Of ten in flight five are held; the call for them comes when as many are to come as have come. */
static void half_of_what_is_in_flight(void **state)
{
	struct call_policy policy = used_to(1);

	(void)state;
	for (uint32_t back = 1; back < 5; back++)
		assert_false(call_policy_due(&policy, 100 + back, 1, 10 - back));
	assert_true(call_policy_due(&policy, 105, 1, 5));
	assert_int_equal(policy.held, 0);
}

static void no_more_than_the_count(void **state)
{
	struct call_policy policy = used_to(1);

	(void)state;
	assert_false(call_policy_due(&policy, 101, COUNT - 1, 1000));
	assert_true(call_policy_due(&policy, 102, 1, 1000));
}

/* From the first that is held on, also where nothing more comes. */
static void no_longer_than_the_time(void **state)
{
	struct call_policy policy = used_to(1);

	(void)state;
	assert_false(call_policy_due(&policy, 200, 1, 1000));
	assert_false(call_policy_due(&policy, 250, 1, 1000));
	assert_false(call_policy_due(&policy, 299, 0, 1000));
	assert_true(call_policy_due(&policy, 300, 0, 1000));
}

/* Waiting for what comes later than a call may be late is waiting in vain. */
static void nothing_is_held_where_requests_come_slowly(void **state)
{
	struct call_policy policy = used_to(TIME + 1);
	uint64_t now = 101 * (TIME + 1);

	(void)state;
	assert_true(call_policy_due(&policy, now, 1, 1000));
	/* They become frequent, and calls are held again; one pause does not change that. */
	for (unsigned i = 0; i < 100; i++)
		(void)call_policy_due(&policy, ++now, 1, 1000);
	(void)call_policy_due(&policy, ++now, 1, 0);
	assert_false(call_policy_due(&policy, ++now, 1, 1000));
	(void)call_policy_due(&policy, ++now, 1, 0);
	assert_false(call_policy_due(&policy, now + 1000000, 1, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lone_request_is_never_held),
		cmocka_unit_test(half_of_what_is_in_flight),
		cmocka_unit_test(no_more_than_the_count),
		cmocka_unit_test(no_longer_than_the_time),
		cmocka_unit_test(nothing_is_held_where_requests_come_slowly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
