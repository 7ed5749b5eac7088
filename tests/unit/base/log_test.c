/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

/* Standard error goes to a pipe while something is logged. */
static int saved_stderr = -1;
static int reading = -1;

static void capture_start(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	/* Room for all that the tests write: nobody reads meanwhile. */
	fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reading = ends[0];
}

static size_t capture_end(char *text, size_t capacity)
{
	size_t used = 0;
	ssize_t got;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	while ((got = read(reading, text + used, capacity - 1 - used)) > 0)
		used += (size_t)got;
	close(reading);
	text[used] = '\0';
	return used;
}

static void words_for_people(void **state)
{
	char text[512];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	capture_start();
	log_error("disk %s: %d", "a", 5);
	log_warning("careful");
	log_info("ready");
	log_debug("not shown by default");
	capture_end(text, sizeof(text));
	assert_string_equal(text, "straitd: error: disk a: 5\nstraitd: warning: careful\nstraitd: ready\n");
}

static void levels_for_the_journal(void **state)
{
	char text[512];

	(void)state;
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_set_level(LOG_LEVEL_DEBUG);
	capture_start();
	log_error("a");
	log_warning("b");
	log_info("c");
	log_debug("d");
	capture_end(text, sizeof(text));
	log_set_level(LOG_LEVEL_INFO);
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(text, "<3>a\n<4>b\n<6>c\n<7>d\n");
}

static void levels(void **state)
{
	static const enum log_level order[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG};
	char text[512];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		unsigned lines = 0;

		log_set_level(order[i]);
		capture_start();
		for (unsigned j = 0; j < 4; j++)
			log_write(order[j], "line");
		capture_end(text, sizeof(text));
		for (const char *at = text; *at; at++)
			lines += *at == '\n';
		assert_int_equal(lines, i + 1);
	}
	log_set_level(LOG_LEVEL_INFO);
}

/* A line is cut to what one write(2) takes and still ends in one newline. */
static void long_lines(void **state)
{
	char text[8192], long_text[4096];
	size_t length;

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	capture_start();
	log_info("%s", long_text);
	log_info("short");
	length = capture_end(text, sizeof(text));
	assert_true(length < 1024 + 32);
	assert_string_equal(strchr(text, '\n') + 1, "straitd: short\n");
}

#define WRITERS 4
#define LINES   200

static void *writer(void *argument)
{
	for (unsigned i = 0; i < LINES; i++)
		log_info("%c%c%c%c%c%c%c%c", *(char *)argument, *(char *)argument, *(char *)argument, *(char *)argument,
			 *(char *)argument, *(char *)argument, *(char *)argument, *(char *)argument);
	return NULL;
}

/* Lines of several threads do not mix. */
static void threads(void **state)
{
	static char text[64 * WRITERS * LINES];
	char letters[] = "abcd", *line, *rest = text;
	pthread_t thread[WRITERS];
	unsigned lines = 0;

	(void)state;
	capture_start();
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, writer, &letters[i]), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	capture_end(text, sizeof(text));
	while ((line = strsep(&rest, "\n")) && *line) {
		assert_int_equal(strlen(line), strlen("straitd: ") + 8);
		for (unsigned i = 1; i < 8; i++)
			assert_int_equal(line[9 + i], line[9]);
		lines++;
	}
	assert_int_equal(lines, WRITERS * LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_for_people), cmocka_unit_test(levels_for_the_journal),
		cmocka_unit_test(levels),           cmocka_unit_test(long_lines),
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
