/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "base/error.h"

static void says_what_and_returns_the_code(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(error_set(&err, -ENOENT, "%s: %d", "image", 7), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.text, "image: 7");
	assert_int_equal(error_set(&err, -EIO, "later"), -EIO);
	assert_string_equal(err.text, "later");
}

static void nobody_asked(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, -EIO, "%s", "unheard"), -EIO);
}

static void prefix(void **state)
{
	struct error err;

	(void)state;
	error_set(&err, -EBUSY, "locked");
	assert_int_equal(error_prefix(&err, "disk %s", "a"), -EBUSY);
	assert_string_equal(err.text, "disk a: locked");
	error_prefix(&err, "straitd");
	assert_string_equal(err.text, "straitd: disk a: locked");
	assert_int_equal(err.code, -EBUSY);
}

/* Too long a text is cut, terminated, and nothing behind it is touched. */
static void long_texts(void **state)
{
	struct {
		struct error err;
		char guard[16];
	} box;
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(&box, 0x5a, sizeof(box));
	error_set(&box.err, -EINVAL, "%s", text);
	assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
	error_prefix(&box.err, "%s", "before");
	assert_int_equal(strncmp(box.err.text, "before: xxx", 11), 0);
	assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
	error_prefix(&box.err, "%s", text);
	assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
	/* All but one character: no room for the separator. */
	text[sizeof(box.err.text) - 2] = '\0';
	error_set(&box.err, -EINVAL, "%s", "cause");
	error_prefix(&box.err, "%s", text);
	assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
	assert_int_equal(box.err.code, -EINVAL);
	for (size_t i = 0; i < sizeof(box.guard); i++)
		assert_int_equal(box.guard[i], 0x5a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_and_returns_the_code),
		cmocka_unit_test(nobody_asked),
		cmocka_unit_test(prefix),
		cmocka_unit_test(long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
