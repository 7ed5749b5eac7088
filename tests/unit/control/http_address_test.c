/* SPDX-License-Identifier: Apache-2.0 */
#include "control/http_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct listener_access anybody = {.mode = -1};

static void loopback_and_sockets_are_taken(void **state)
{
	static const struct {
		const char *text;
		int family;
		unsigned port;
	} good[] = {{"127.0.0.1:9471", AF_INET, 9471}, {"127.1.2.3:1", AF_INET, 1}, {"[::1]:65535", AF_INET6, 65535}};
	struct sockaddr_storage address;
	const char *expected;
	socklen_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(http_address_parse(good[i].text, &address, &length, &expected), 0);
		assert_int_equal(address.ss_family, good[i].family);
		/* In the same place in both. */
		assert_int_equal(ntohs(((struct sockaddr_in *)&address)->sin_port), good[i].port);
		assert_null(http_address_path(good[i].text));
	}
	assert_int_equal(http_address_parse("unix:/run/x.sock", &address, &length, &expected), 0);
	assert_int_equal(address.ss_family, AF_UNIX);
	assert_string_equal(http_address_path("unix:/run/x.sock"), "/run/x.sock");
}

static void what_others_could_reach_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"9471",
		":9471",
		"0.0.0.0:9471",
		"192.168.1.1:9471",
		"10.0.0.1:80",
		"[::]:9471",
		"[fe80::1]:9471",
		"::1:9471",
		"localhost:9471",
		"example.org:80",
		"127.0.0.1",
		"127.1:9471",
		"128.0.0.1:9471",
		"2130706433:1",
		"http://[::1]:1",
		"unix",
		"[::ffff:127.0.0.1]:1",
	};
	struct sockaddr_storage address;
	const char *expected;
	socklen_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expected = NULL;
		assert_int_equal(http_address_parse(bad[i], &address, &length, &expected), -EINVAL);
		assert_non_null(strstr(expected, "127.0.0.1:PORT"));
	}
	for (const char *const *text = (const char *const[]){"127.0.0.1:0", "127.0.0.1:65536", "[::1]:", "127.0.0.1:-1",
							     "127.0.0.1:80x", "[::1]:0x50", NULL};
	     *text; text++) {
		assert_int_equal(http_address_parse(*text, &address, &length, &expected), -EINVAL);
		assert_non_null(strstr(expected, "port from 1 to 65535"));
	}
	assert_int_equal(http_address_parse("unix:", &address, &length, &expected), -EINVAL);
}

/* "127.0.0.1:PORT" of a socket that the system chose the port of. */
static int open_any_port(char *text, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 1) == 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	snprintf(text, size, "127.0.0.1:%u", ntohs(address.sin_port));
	return fd;
}

static void a_port_in_use_is_named(void **state)
{
	struct error err = {0};
	char text[40];
	int other = open_any_port(text, sizeof(text)), fd;

	(void)state;
	assert_int_equal(http_address_open(text, &anybody, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, text));
	assert_non_null(strstr(err.text, "nobody listens"));
	assert_true(http_address_is(text, other));
	assert_false(http_address_is("127.0.0.1:1", other));
	assert_false(http_address_is("[::1]:1", other));
	assert_false(http_address_is("unix:/x", other));
	close(other);
	fd = http_address_open(text, &anybody, &err);
	assert_true(fd >= 0);
	http_address_close(text, fd);
}

static void the_file_of_a_socket_goes_with_it(void **state)
{
	char directory[] = "/tmp/strait-http-XXXXXX", text[80];
	const struct listener_access owner_only = {.mode = 0600};
	struct error err = {0};
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(text, sizeof(text), "unix:%s/http", directory);
	fd = http_address_open(text, &owner_only, &err);
	assert_true(fd >= 0);
	assert_true(http_address_is(text, fd));
	assert_int_equal(access(http_address_path(text), F_OK), 0);
	http_address_close(text, fd);
	assert_int_equal(access(http_address_path(text), F_OK), -1);
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_and_sockets_are_taken),
		cmocka_unit_test(what_others_could_reach_is_refused),
		cmocka_unit_test(a_port_in_use_is_named),
		cmocka_unit_test(the_file_of_a_socket_goes_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
