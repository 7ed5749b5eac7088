/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/replace.h"

static char directory[] = "/tmp/strait-replace-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

static void assert_file(const char *path, const char *text, mode_t mode)
{
	char read[64] = "";
	struct stat status;
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	read[fread(read, 1, sizeof(read) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(read, text);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, mode);
}

static void a_new_file_and_an_old_one(void **state)
{
	const mode_t mask = umask(022);
	struct error err;

	(void)state;
	assert_int_equal(replace_file("a", "one\n", 4, &err), 0);
	assert_file("a", "one\n", 0644);
	assert_int_equal(chmod("a", 0600), 0);
	assert_int_equal(replace_file("a", "two, longer\n", 12, &err), 0);
	assert_file("a", "two, longer\n", 0600);
	/* A link stays one, wherever it points to. */
	assert_int_equal(symlink("a", "link"), 0);
	assert_int_equal(replace_file("link", "", 0, &err), 0);
	assert_file("a", "", 0600);
	assert_int_equal(unlink("link"), 0);
	assert_int_equal(unlink("a"), 0);
	umask(mask);
}

/* The directory is empty again at the end: no temporary file is left of any of it. */
static void what_cannot_be_written_stays(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(replace_file("absent/a", "x", 1, &err), -ENOENT);
	assert_non_null(strstr(err.text, "absent/a: cannot be written"));
	assert_int_equal(mkdir("d", 0700), 0);
	assert_true(replace_file("d", "x", 1, &err) < 0);
	assert_int_equal(rmdir("d"), 0);
	/* Nor is anything that is no file, itself or by a link. */
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(symlink("pipe", "link"), 0);
	assert_int_equal(replace_file("pipe", "x", 1, &err), -EINVAL);
	assert_int_equal(replace_file("link", "x", 1, &err), -EINVAL);
	assert_non_null(strstr(err.text, "link: cannot be replaced"));
	assert_int_equal(unlink("pipe"), 0);
	assert_int_equal(unlink("link"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_file_and_an_old_one),
		cmocka_unit_test(what_cannot_be_written_stays),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
