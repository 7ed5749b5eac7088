/* SPDX-License-Identifier: Apache-2.0 */
#include "host/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

		assert_int_equal(patience_ask(PATIENCE_MS, fill, &length, &text), length);
		assert_int_equal(strspn(length ? text : "", "x") >= length, 1);
		free(text);
	}
}

static void too_much_is_refused(void **state)
{
	size_t length = (64u << 20) + 1;
	char *text = NULL;

	(void)state;
	assert_int_equal(patience_ask(PATIENCE_MS, fill, &length, &text), -E2BIG);
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
	assert_int_equal(patience_ask(PATIENCE_MS, refuse, NULL, &text), -EACCES);
	assert_int_equal(patience_ask(PATIENCE_MS, die, NULL, &text), -EPROTO);
	assert_int_equal(patience_ask(100, hang, NULL, &text), -ETIMEDOUT);
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
	assert_int_equal(patience_ask(PATIENCE_MS, look_around, NULL, &text), 3);
	assert_memory_equal(text, "3 1", 3);
	free(text);
	close(fd);
}

static void refuse_close_range(int error)
{
	const scmp_filter_ctx rules = seccomp_init(SCMP_ACT_ALLOW);
	int ret = seccomp_rule_add(rules, SCMP_ACT_ERRNO((unsigned)error), SCMP_SYS(close_range), 0);

	if (ret == 0)
		ret = seccomp_load(rules);
	seccomp_release(rules);
	if (ret < 0 || close_range(60, 60, 0) == 0 || errno != error)
		_exit(2);
}

/* Kernels before 5.9 do not have it, and filters of containers may not know it. */
static void it_needs_no_close_range(void **state)
{
	static const int errors[] = {ENOSYS, EPERM};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		const pid_t child = fork();
		int status;

		if (child == 0) {
			char *text = NULL;

			refuse_close_range(errors[i]);
			_exit(patience_ask(PATIENCE_MS, look_around, NULL, &text) == 3 && memcmp(text, "3 1", 3) == 0
				      ? 0
				      : 1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
}

/* Which of the first ten descriptors it has, and the beginning of its file. */
static ssize_t look_at_file(void *context, char **text)
{
	char *seen = calloc(1, 32);

	(void)context;
	for (int fd = 0; seen && fd < 10; fd++)
		seen[fd] = fcntl(fd, F_GETFD) < 0 ? '-' : 'x';
	if (!seen || pread(PATIENCE_FILE, seen + 10, 4, 0) != 4)
		return -EIO;
	*text = seen;
	return (ssize_t)strlen(seen);
}

/* Whichever number it has here: among them those where the child has its answer and the file. */
static void a_file_is_all_that_is_open(void **state)
{
	FILE *file = tmpfile();
	char *text = NULL;

	(void)state;
	assert_non_null(file);
	fputs("word", file);
	fflush(file);
	for (int fd = 3; fd < 9; fd++) {
		const int before = fcntl(fd, F_DUPFD_CLOEXEC, 20);

		if (fd != fileno(file))
			assert_int_equal(dup2(fileno(file), fd), fd);
		assert_int_equal(patience_ask_of_file(fd, PATIENCE_MS, look_at_file, NULL, &text), 14);
		assert_memory_equal(text, "xxxxx-----word", 14);
		free(text);
		if (before >= 0)
			assert_int_equal(dup2(before, fd), fd);
		else if (fd != fileno(file))
			close(fd);
		if (before >= 0)
			close(before);
	}
	assert_int_equal(patience_ask_of_file(fileno(file), PATIENCE_MS, die, NULL, &text), -EPROTO);
	assert_int_equal(patience_ask_of_file(fileno(file), 100, hang, NULL, &text), -ETIMEDOUT);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_what_it_was), cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(no_answer_is_an_error),    cmocka_unit_test(a_child_has_nothing_of_ours),
		cmocka_unit_test(it_needs_no_close_range),  cmocka_unit_test(a_file_is_all_that_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
