/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sanitized.h"
#include "host/confine.h"
#include "host/patience.h"

#define MEMORY (UINT64_C(1) << 28)
#define LONG   INT64_C(600000)

/* A letter for each thing that it can still do. */
static ssize_t try_all(void *context, char **text)
{
	char *can = calloc(1, 16), byte;
	int ret = can ? confine(10, MEMORY) : -ENOMEM;

	(void)context;
	if (ret < 0)
		return ret;
	if (read(PATIENCE_FILE, &byte, 1) == 1 && malloc(1 << 20))
		strcat(can, "r");
	if (open("/proc/self/status", O_RDONLY) >= 0)
		strcat(can, "o");
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
		strcat(can, "s");
	if (kill(getppid(), 0) == 0)
		strcat(can, "k");
	if (setuid(0) == 0)
		strcat(can, "u");
	if (fork() >= 0)
		strcat(can, "f");
	if (malloc(2 * MEMORY))
		strcat(can, "m");
	*text = can;
	return (ssize_t)strlen(can);
}

static void what_is_open_can_be_read_and_nothing_else(void **state)
{
	const int file = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char *text = NULL;

	(void)state;
	if (STRAIT_SANITIZED)
		skip();
	assert_int_equal(patience_ask_of_file(file, LONG, try_all, NULL, &text), 1);
	assert_int_equal(text[0], 'r');
	free(text);
	close(file);
}

static ssize_t work_for_ever(void *context, char **text)
{
	volatile int *turns = context;

	(void)text;
	if (confine(1, MEMORY) == 0) {
		for (;;)
			++*turns;
	}
	return 0;
}

static void work_has_an_end(void **state)
{
	int turns = 0;
	char *text = NULL;

	(void)state;
	assert_int_equal(patience_ask_of_file(0, LONG, work_for_ever, &turns, &text), -EPROTO);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_open_can_be_read_and_nothing_else),
		cmocka_unit_test(work_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
