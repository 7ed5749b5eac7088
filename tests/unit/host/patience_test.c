/* SPDX-License-Identifier: Apache-2.0 */
#include "host/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static ssize_t fill(void *context, char **text)
{
	const size_t length = *(const size_t *)context;

	*text = malloc(length + 1);
	if (!*text)
		return -ENOMEM;
	memset(*text, 'x', length);
	return (ssize_t)length;
}

static void an_answer_is_what_it_was(void **state)
{
	static const size_t lengths[] = {0, 1, 100, 1 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t length = lengths[i];
		char *text = NULL;

		assert_int_equal(patience_ask(fill, &length, &text), length);
		assert_int_equal(strspn(length ? text : "", "x") >= length, 1);
		free(text);
	}
}

static void too_much_is_refused(void **state)
{
	size_t length = (64u << 20) + 1;
	char *text = NULL;

	(void)state;
	assert_int_equal(patience_ask(fill, &length, &text), -E2BIG);
	assert_null(text);
}

static ssize_t refuse(void *context, char **text)
{
	(void)context;
	(void)text;
	return -EACCES;
}

static ssize_t die(void *context, char **text)
{
	(void)context;
	(void)text;
	_exit(0);
}

static ssize_t hang(void *context, char **text)
{
	(void)context;
	(void)text;
	while (pause() < 0)
		;
	return 0;
}

static void no_answer_is_an_error(void **state)
{
	char *text = NULL;

	(void)state;
	assert_int_equal(patience_ask(refuse, NULL, &text), -EACCES);
	assert_int_equal(patience_ask(die, NULL, &text), -EPROTO);
	assert_int_equal(patience_ask(hang, NULL, &text), -ETIMEDOUT);
	assert_null(text);
}

/* Whether descriptors are /dev/null, and how many others there are. */
static ssize_t look_around(void *context, char **text)
{
	struct stat null, status;
	unsigned nulls = 0, others = 0;

	(void)context;
	stat("/dev/null", &null);
	for (int fd = 0; fd < 64; fd++) {
		if (fstat(fd, &status) == 0)
			*(status.st_rdev == null.st_rdev ? &nulls : &others) += 1;
	}
	return asprintf(text, "%u %u", nulls, others);
}

/* A child that hangs must not keep a pipe open that somebody reads from us. */
static void a_child_has_nothing_of_ours(void **state)
{
	const int fd = open("/", O_RDONLY | O_DIRECTORY);
	char *text = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(patience_ask(look_around, NULL, &text), 3);
	assert_memory_equal(text, "3 1", 3);
	free(text);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_what_it_was),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(no_answer_is_an_error),
		cmocka_unit_test(a_child_has_nothing_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
