/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "top/options.h"

static int parse(struct top_options *options, struct error *err, char *line)
{
	char *argv[16] = {(char *)"top"};
	int argc = 1;

	for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return top_options_parse(options, argc, argv, err);
}

#define PARSE(line) parse(&options, &err, (char[]){line})

static void test_good(void **state)
{
	struct top_options options;
	struct error err;

	(void)state;
	assert_int_equal(PARSE(""), 0);
	assert_true(options.view.sort == TOP_COLUMN_IOPS && options.view.delay == 1 && !options.count &&
		    !options.socket);
	assert_int_equal(PARSE("-b -n 3 -d 0.5 --sort=p99.9 --reverse --filter=vm --socket=/s"), 0);
	assert_true(options.batch && options.count == 3 && options.view.delay == 0.5 && options.view.reverse);
	assert_true(options.view.sort == TOP_COLUMN_P999 && options.view.plain);
	assert_string_equal(options.view.filter, "vm");
	assert_string_equal(options.socket, "/s");
	assert_int_equal(PARSE("--units=human --batch"), 0);
	assert_false(options.view.plain);
	assert_int_equal(PARSE("--json --columns=p99,name"), 0);
	assert_int_equal(options.view.wanted.count, 2);
	assert_int_equal(options.view.wanted.column[0], TOP_COLUMN_P99);
}

static void test_bad(void **state)
{
	static const char *const cases[][2] = {
		{"--delay=0", "from 0.1 to 3600"},
		{"-d x", "from 0.1"},
		{"-d 1e3", "from 0.1"},
		{"-d nan", "from 0.1"},
		{"-d 1s", "from 0.1"},
		{"-n 0", "1 or more"},
		{"-n -1", "1 or more"},
		{"-n 99999999999999999999999", "1 or more"},
		{"--sort=speed", "no such column"},
		{"--columns=name,,p99", "no such column"},
		{"--columns=name,name", "there twice"},
		{"--units=metric", "human or plain"},
		{"--filter=\x1b[2J", "ASCII"},
		{"vm0", "options only"},
		{"--json -b", "one of them"},
		{"--sorted", "no such option"},
		{"-d", "argument is missing"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct top_options options;
		struct error err = {0};
		char line[64];

		strcpy(line, cases[i][0]);
		assert_int_equal(parse(&options, &err, line), -EINVAL);
		if (!strstr(err.text, cases[i][1]))
			fail_msg("%s: %s", cases[i][0], err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
