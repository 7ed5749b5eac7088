/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are no configuration: each is refused in a moment, with the file's name, and nothing leaks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "config_file.h"

#define MEGABYTE ((size_t)1 << 20)

static void refused(const char *path, int code, const char *words)
{
	struct config *config = NULL;
	struct error err = {0};

	assert_int_equal(config_load(path, &config, &err), code);
	assert_null(config);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, words));
	assert_non_null(strstr(err.text, "expected"));
}

static void not_a_file(void **state)
{
	(void)state;
	refused("/nonexistent/strait.yaml", -ENOENT, "/nonexistent/strait.yaml: cannot be read (No such file");
	refused("/tmp", -EISDIR, "/tmp: is a directory");
	refused("/etc/passwd/x", -ENOTDIR, "cannot be read (Not a directory)");
	refused("", -ENOENT, "cannot be read");
	refused("/dev/null", -EINVAL, "/dev/null:1: is empty");
}

static void unreadable(void **state)
{
	char path[] = "/tmp/strait-config-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(chmod(path, 0), 0);
	/* Root reads it all the same. */
	if (access(path, R_OK) == 0)
		refused(path, -EINVAL, "is empty");
	else
		refused(path, -EACCES, "Permission denied");
	unlink(path);
}

static void endless(void **state)
{
	struct config *config = NULL;
	struct error err;

	(void)state;
	assert_int_equal(config_load("/dev/zero", &config, &err), -EFBIG);
	assert_non_null(strstr(err.text, "at most 1048576 bytes"));
}

static void binary(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} files[] = {
		{"\x7f"
		 "ELF\x02\x01\x01\0\0\0",
		 10},
		{"QFI\xfb\0\0\0\3", 8},
		{"\0\0\0\0", 4},
		{"\xff\xfe\x64\0\x69\0", 6}, /* UTF-16 */
		{"disks:\n- \xc3\x28\n", 12},
		{"disks:\n- \xed\xa0\x80\n", 13}, /* half a surrogate pair */
		{"disks: \x1b[2J\n", 12},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct config *config = NULL;
		struct error err;

		assert_int_equal(load_bytes(files[i].bytes, files[i].length, &config, &err), -EINVAL);
		assert_non_null(strstr(err.text, "is not a text file"));
		for (const char *at = err.text; *at; at++)
			assert_true((unsigned char)*at >= 0x20);
	}
}

/* A megabyte of each: patterns that have cost YAML parsers time, memory or stack. */
static void large_patterns(void **state)
{
	static const char *const patterns[] = {
		"[",          "{",        "- ",     "? ",       "a: ",  "[a,",        "{a: ",    "\n",
		" ",          "\t",       "#",      "'",        "\"",   "&a ",        "*a ",     "!x ",
		"- a\n",      "- []\n",   "a: b\n", "- &a b\n", "|\n",  "a: |\n x\n", "--- a\n", "%TAG !a! b\n",
		"- {a: b}\n", "\xc3\xa9", "a\n ",   "disks:\n", "[[],", "...\n",
	};
	char *text = malloc(MEGABYTE);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		const size_t length = strlen(patterns[i]);
		const uint64_t start = clock_monotonic_ns();
		struct config *config = NULL;
		struct error err;
		size_t used = 0;

		for (; used + length <= MEGABYTE; used += length)
			memcpy(text + used, patterns[i], length);
		assert_true(load_bytes(text, used, &config, &err) < 0);
		assert_null(config);
		/* Generous, since this also runs under sanitizers on busy machines; an attack takes minutes. */
		assert_true(clock_monotonic_ns() - start < 20000000000u);
	}
	free(text);
}

/* Nine levels of ten references each: a billion nodes for whoever expands them. */
static void alias_bomb(void **state)
{
	char text[2048] = "a0: &a0 [x]\n";
	struct config *config = NULL;
	struct error err;

	(void)state;
	for (int level = 1; level < 10; level++) {
		char line[128];
		int used = snprintf(line, sizeof(line), "a%d: &a%d [", level, level);

		for (int i = 0; i < 10; i++)
			used += snprintf(line + used, sizeof(line) - (size_t)used, "*a%d,", level - 1);
		snprintf(line + used, sizeof(line) - (size_t)used, "]\n");
		strcat(text, line);
	}
	assert_int_equal(load_text(text, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":1: an anchor"));
}

static char *many_disks(unsigned count)
{
	char *text = malloc(32 + (size_t)count * 64);
	size_t used = (size_t)sprintf(text, "disks:\n");

	for (unsigned i = 0; i < count; i++)
		used += (size_t)sprintf(text + used, "- {name: d%u, socket: /s%u, file: /f%u}\n", i, i, i);
	return text;
}

static void too_many_disks(void **state)
{
	struct config *config = NULL;
	struct error err;
	char *text = many_disks(CONFIG_MAX_DISKS);

	(void)state;
	assert_int_equal(load_text(text, &config, &err), 0);
	assert_int_equal(config->disk_count, CONFIG_MAX_DISKS);
	assert_string_equal(config->disks[CONFIG_MAX_DISKS - 1].name, "d1023");
	config_free(config);
	free(text);
	text = many_disks(CONFIG_MAX_DISKS + 1);
	assert_int_equal(load_text(text, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "a list of 1025: expected 0 to 1024"));
	free(text);
}

/* Terminal escapes and endless values do not get into the message, and a long path leaves room for it. */
static void messages_are_tame(void **state)
{
	char path[720] = "", *text = malloc(70000);
	struct config *config = NULL;
	struct error err;

	(void)state;
	strcpy(text, "workers: \"\\e[31m\\n");
	memset(text + strlen(text), 'y', 60000);
	strcpy(text + 60000, "\"\n" GOOD_DISK);
	assert_int_equal(load_text(text, &config, &err), -EINVAL);
	assert_null(strchr(err.text, '\033'));
	assert_null(strchr(err.text, '\n'));
	assert_non_null(strstr(err.text, "...\": expected a whole number from 1 to 64"));
	free(text);

	for (int i = 0; i < 100; i++)
		strcat(path, "/longer");
	assert_int_equal(config_load(path, &config, &err), -ENOENT);
	assert_int_equal(strncmp(err.text, "...", 3), 0);
	assert_non_null(strstr(err.text, "expected a YAML file that this user may read"));
}

/* A UTF-8 character at the cut of a long value is kept whole or dropped. */
static void cut_between_characters(void **state)
{
	(void)state;
	for (int ascii = 0; ascii < 4; ascii++) {
		char text[512] = "workers: ";
		struct config *config = NULL;
		struct error err;

		for (int i = 0; i < ascii; i++)
			strcat(text, "a");
		for (int i = 0; i < 40; i++)
			strcat(text, "\xe2\x82\xac");
		strcat(text, "\n" GOOD_DISK);
		assert_int_equal(load_text(text, &config, &err), -EINVAL);
		assert_non_null(strstr(err.text, "\xe2\x82\xac...\""));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_a_file),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(endless),
		cmocka_unit_test(binary),
		cmocka_unit_test(large_patterns),
		cmocka_unit_test(alias_bomb),
		cmocka_unit_test(too_many_disks),
		cmocka_unit_test(messages_are_tame),
		cmocka_unit_test(cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
