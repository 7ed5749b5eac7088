/* SPDX-License-Identifier: Apache-2.0 */
#include "control/http_routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/dashboard.h"

static struct http_answer ask(const char *path, const char *host, bool local, bool host_needed)
{
	const struct http_request request = {.path = path, .host = host, .local = local, .host_needed = host_needed};
	struct http_answer answer = {.status = 0};

	http_route(NULL, NULL, &request, &answer);
	assert_non_null(answer.body);
	assert_non_null(answer.type);
	return answer;
}

static unsigned status(const char *path, const char *host, bool local, bool host_needed)
{
	struct http_answer answer = ask(path, host, local, host_needed);

	http_body_drop(answer.body);
	return answer.status;
}

static void hosts_that_mean_this_machine(void **state)
{
	static const char *const good[] = {"localhost",    "localhost:9471", "LOCALHOST:1", "127.0.0.1",
					   "127.0.0.1:80", "[::1]",          "[::1]:9471"};
	static const char *const bad[] = {"",
					  ":80",
					  "localhost:",
					  "localhost:x",
					  "localhost:80x",
					  "localhost.evil.org",
					  "evil.org",
					  "127.0.0.1.evil.org",
					  "127.0.0.1:80:80",
					  "127.0.0.1@evil.org",
					  "[::1].evil.org",
					  "::1",
					  "0.0.0.0",
					  "localhos"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(http_host_allowed(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(http_host_allowed(bad[i]));
}

static void a_name_that_was_made_to_mean_us_gets_nothing(void **state)
{
	(void)state;
	assert_int_equal(status("/", "evil.org", false, true), 421);
	assert_int_equal(status("/", NULL, false, true), 421);
	assert_int_equal(status("/", NULL, false, false), 200);
	assert_int_equal(status("/", "evil.org", false, false), 421);
	/* No browser gets to a unix socket. */
	assert_int_equal(status("/", "anything", true, true), 200);
	assert_int_equal(status("/", NULL, true, true), 200);
}

static void the_files_of_the_dashboard(void **state)
{
	(void)state;
	assert_non_null(dashboard_files[0].name);
	for (const struct dashboard_file *file = dashboard_files; file->name; file++) {
		char path[80] = "/";
		struct http_answer answer = ask(strcat(path, file->name), "localhost", false, true);

		assert_int_equal(answer.status, 200);
		assert_string_equal(answer.type, file->type);
		assert_int_equal(answer.body->length, file->length);
		assert_ptr_equal(answer.body->data, file->data);
		assert_true(answer.kept);
		http_body_drop(answer.body);
	}
}

static void paths_that_are_none(void **state)
{
	static const char *const bad[] = {"",
					  "*",
					  "//",
					  "/../etc/passwd",
					  "/index.html/",
					  "/INDEX.HTML",
					  "index.html",
					  "http://localhost/",
					  "/%2e%2e/x",
					  "/metrics/",
					  "/api",
					  "/\xff\xfe"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(status(bad[i], "localhost", false, true), 404);
}

static unsigned released;

static void release(struct http_body *body)
{
	(void)body;
	released++;
}

static void a_body_goes_with_its_last_user(void **state)
{
	struct http_body *body = http_body_new("x", 1, release);

	(void)state;
	http_body_keep(body);
	http_body_drop(body);
	assert_int_equal(released, 0);
	http_body_drop(body);
	assert_int_equal(released, 1);
	http_body_drop(NULL);
	assert_null(http_body_new(NULL, 0, release));
	assert_int_equal(released, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_that_mean_this_machine),
		cmocka_unit_test(a_name_that_was_made_to_mean_us_gets_nothing),
		cmocka_unit_test(the_files_of_the_dashboard),
		cmocka_unit_test(paths_that_are_none),
		cmocka_unit_test(a_body_goes_with_its_last_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
