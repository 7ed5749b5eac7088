/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/sweeper.h"

#define ROUNDS 200

static char directory[] = "/tmp/strait-sweeper-XXXXXX";

static void make_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

/* Whoever hears that a socket has gone may make one of that name, and that one stays. */
static void what_was_removed_has_gone(void **state)
{
	char first[64], second[64], unknown[64];
	const char *const paths[] = {first, NULL, second};
	struct error err;

	(void)state;
	snprintf(first, sizeof(first), "%s/first", directory);
	snprintf(second, sizeof(second), "%s/second", directory);
	snprintf(unknown, sizeof(unknown), "%s/unknown", directory);
	assert_int_equal(sweeper_start(paths, 3, &err), 0);
	make_socket(unknown);
	for (unsigned i = 0; i < ROUNDS; i++) {
		make_socket(first);
		make_socket(second);
		sweeper_remove(i % 2 ? first : second);
		assert_int_equal(access(first, F_OK), i % 2 ? -1 : 0);
		assert_int_equal(access(second, F_OK), i % 2 ? 0 : -1);
		sweeper_remove(i % 2 ? second : first);
		assert_int_equal(access(i % 2 ? second : first, F_OK), -1);
	}
	sweeper_remove(unknown);
	sweeper_stop();
	assert_int_equal(access(unknown, F_OK), 0);
	/* Without a sweeper by itself. */
	sweeper_remove(unknown);
	assert_int_equal(access(unknown, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_removed_has_gone),
	};
	int failed;

	if (!mkdtemp(directory))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(directory);
	return failed;
}
