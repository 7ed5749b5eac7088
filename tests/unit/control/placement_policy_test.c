/* SPDX-License-Identifier: Apache-2.0 */
#include "control/placement_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Two workers, and a disk with two equally busy queues that are on these. */
static const struct {
	const char *text;
	struct placement_worker workers[2];
	unsigned at[2];
	int queue, to; /* -1: all stay */
} cases[] = {
	{"a full worker, an idle CPU", {{1, 0, 0, 2}, {0, 0, 1, 0}}, {0, 0}, 0, 1},
	{"a full worker, the other CPU is used by others", {{1, 0, 0, 2}, {0, 0, 0.2, 0}}, {0, 0}, -1, -1},
	{"little to do", {{0.4, 0, 0.6, 2}, {0, 0, 1, 0}}, {0, 0}, -1, -1},
	{"spread, both CPUs their own", {{0.9, 0, 0, 1}, {0.9, 0, 0, 1}}, {0, 1}, -1, -1},
	{"the second has to share its CPU", {{0.6, 0, 0.3, 1}, {0.9, 0.5, 0, 1}}, {0, 1}, 1, 0},
	{"the first has to share its CPU", {{0.9, 0.5, 0, 1}, {0.9, 0.01, 0, 1}}, {0, 1}, 0, 1},
	{"together already, on a crowded CPU, an idle one", {{0.9, 0.5, 0, 2}, {0, 0, 0.9, 0}}, {0, 0}, 0, 1},
	{"together already, all CPUs crowded", {{0.9, 0.5, 0, 2}, {0, 0, 0.1, 0}}, {0, 0}, -1, -1},
	{"both wait, one can do it all", {{0.7, 0.3, 0, 1}, {0.7, 0.3, 0, 1}}, {0, 1}, 1, 0},
	{"both wait, one cannot do it all", {{1, 0.3, 0, 1}, {1, 0.3, 0, 1}}, {0, 1}, -1, -1},
};

static void two_queues(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const unsigned *at = cases[i].at;
		const double share = at[0] == at[1] ? 0.5 : 1;
		const struct placement_queue queues[] = {{at[0], share}, {at[1], share}};
		unsigned queue = 9, to = 9;
		bool moves = placement_advise(cases[i].workers, 2, queues, 2, &queue, &to);

		if (moves != (cases[i].queue >= 0) ||
		    (moves && ((int)queue != cases[i].queue || (int)to != cases[i].to)))
			fail_msg("%s: %s queue %u to worker %u", cases[i].text, moves ? "moves" : "stays, not", queue,
				 to);
	}
}

/* The queue that makes both workers equally busy is the one to move, and one that has all the work stays. */
static void the_queue_that_evens_it_out(void **state)
{
	const struct placement_worker workers[] = {{1, 0, 0, 4}, {0, 0, 1, 0}};
	const struct placement_queue mixed[] = {{0, 0.3}, {0, 0.01}, {0, 0.45}, {0, 0.24}};
	const struct placement_queue lone[] = {{0, 0.97}, {0, 0.01}, {0, 0.01}, {0, 0.01}};
	unsigned queue, to;

	(void)state;
	assert_true(placement_advise(workers, 2, mixed, 4, &queue, &to));
	assert_int_equal(queue, 2);
	assert_int_equal(to, 1);
	assert_false(placement_advise(workers, 2, lone, 4, &queue, &to));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_queues),
		cmocka_unit_test(the_queue_that_evens_it_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
