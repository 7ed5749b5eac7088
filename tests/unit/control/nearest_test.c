/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/nearest.h"

static const char *const names[] = {"name", "socket", "file", "queues", "queue-size-max", "read-only"};

static const char *nearest(const char *word)
{
	const char *best = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		best = nearest_of(word, best, names[i]);
	return best;
}

static void slips(void **state)
{
	(void)state;
	assert_string_equal(nearest("sokcet"), "socket");
	assert_string_equal(nearest("fil"), "file");
	assert_string_equal(nearest("queue"), "queues");
	assert_string_equal(nearest("queue_size_max"), "queue-size-max");
	assert_string_equal(nearest("readonly"), "read-only");
}

static void something_else(void **state)
{
	(void)state;
	assert_null(nearest("bandwidth"));
	assert_null(nearest(""));
	assert_null(nearest("x"));
	assert_null(nearest("a-word-that-is-longer-than-anything-that-is-ever-called-so"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slips),
		cmocka_unit_test(something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
