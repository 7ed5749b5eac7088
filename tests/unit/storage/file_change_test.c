/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Images that come as descriptors, and what is changed of a disk while it is served. */

#define KIB (uint64_t)1024

static int open_given(const char *path, int flags, enum storage_cache cache, bool read_only, struct storage **out,
		      struct error *err)
{
	struct storage_file_options options = {
		.path = path, .cache = cache, .read_only = read_only, .given = true, .confined = true, .at_once = true};

	*out = NULL;
	options.fd = open(path, flags | O_CLOEXEC);
	assert_true(options.fd >= 0);
	return storage_file_open("vda", &options, out, err);
}

static void expect_refusal(const char *path, int flags, bool read_only, int code, const char *what)
{
	struct storage *storage;
	struct error err = {0};

	assert_int_equal(open_given(path, flags, STORAGE_CACHE_WRITEBACK, read_only, &storage, &err), code);
	assert_contains(err.text, "disk vda: ");
	assert_contains(err.text, what);
}

static void a_descriptor_is_looked_at(void **state)
{
	const char *path = make_file("given", 64 * KIB);
	struct storage *storage;
	struct error err = {0};
	int before = open(path, O_RDONLY | O_CLOEXEC), after;

	(void)state;
	close(before);
	expect_refusal(path, O_RDONLY, false, -EACCES, "expected one for reading and writing");
	expect_refusal(path, O_WRONLY, false, -EACCES, "expected one for reading and writing");
	expect_refusal(path, O_WRONLY, true, -EACCES, "expected one for reading");
	expect_refusal(path, O_PATH, true, -EACCES, "as a path");
	expect_refusal(path, O_RDWR | O_APPEND, false, -EINVAL, "O_APPEND");
	expect_refusal("/dev/null", O_RDWR, false, -EINVAL, "is a character device");
	expect_refusal(in_directory(""), O_RDONLY | O_DIRECTORY, true, -EINVAL, "is a directory");
	assert_int_equal(open_given(path, O_RDWR, STORAGE_CACHE_WRITEBACK, false, &storage, &err), 0);
	assert_int_equal(storage_size(storage), 64 * KIB);
	/* It is locked as any other. */
	expect_refusal(path, O_RDWR, false, -EBUSY, "is in use");
	storage_close(storage);
	/* Nothing is left open, whatever was refused. */
	after = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(before, after);
	close(after);
}

static void a_file_grows_and_never_shrinks(void **state)
{
	const char *path = make_file("grows", 64 * KIB);
	struct storage *storage;
	struct error err = {0};
	struct stat st;

	(void)state;
	assert_int_equal(open_given(path, O_RDWR, STORAGE_CACHE_WRITEBACK, false, &storage, &err), 0);
	assert_int_equal(storage_resize(storage, 128 * KIB, &err), 0);
	assert_int_equal(storage_refresh(storage, &err), 1);
	assert_int_equal(storage_size(storage), 128 * KIB);
	assert_int_equal(storage_resize(storage, 128 * KIB, &err), 0);
	assert_int_equal(storage_resize(storage, 64 * KIB, &err), -EINVAL);
	assert_contains(err.text, "would be lost");
	assert_int_equal(storage_resize(storage, 128 * KIB + 1, &err), -EINVAL);
	assert_contains(err.text, "multiple of");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 128 * KIB);
	storage_close(storage);
	assert_int_equal(open_given(path, O_RDONLY, STORAGE_CACHE_WRITEBACK, true, &storage, &err), 0);
	assert_int_equal(storage_resize(storage, 256 * KIB, &err), -EINVAL);
	assert_contains(err.text, "read-only");
	storage_close(storage);
}

static void null_grows_below_a_wrapper(void **state)
{
	const struct storage_delay_options delay = {.kind = STORAGE_DELAY_FIXED, .mean_us = 1};
	struct storage *null, *storage;
	struct error err = {0};

	(void)state;
	assert_int_equal(storage_null_open("vda", 64 * KIB, false, &null, &err), 0);
	assert_int_equal(storage_delay_open(null, &delay, &storage, &err), 0);
	assert_int_equal(storage_resize(storage, 128 * KIB, &err), 0);
	assert_int_equal(storage_size(storage), 128 * KIB);
	assert_int_equal(storage_resize(storage, 64 * KIB, &err), -EINVAL);
	assert_int_equal(storage_set_cache(storage, STORAGE_CACHE_UNSAFE, &err), -EOPNOTSUPP);
	assert_contains(err.text, "no cache modes");
	storage_close(storage);
}

static bool is_direct(const struct storage *storage)
{
	return fcntl(storage_image_fd(storage), F_GETFL) & O_DIRECT;
}

static void the_cache_mode_changes_and_the_lock_stays(void **state)
{
	const char *path = make_file("cache", 64 * KIB);
	struct storage *storage;
	struct error err = {0};
	uint32_t block;

	(void)state;
	if (open_given(path, O_RDWR, STORAGE_CACHE_NONE, false, &storage, &err)) {
		skip_because("no direct I/O here (%s)", err.text);
	}
	block = storage->info.block_size;
	assert_true(is_direct(storage));
	assert_int_equal(storage_set_cache(storage, STORAGE_CACHE_UNSAFE, &err), 0);
	assert_false(is_direct(storage));
	assert_true(storage->info.flush_ignored);
	assert_true(storage->info.writeback);
	assert_int_equal(storage_set_cache(storage, STORAGE_CACHE_DIRECTSYNC, &err), 0);
	assert_true(is_direct(storage));
	assert_false(storage->info.flush_ignored);
	assert_false(storage->info.writeback);
	assert_int_equal(storage->info.block_size, block);
	expect_refusal(path, O_RDWR, false, -EBUSY, "is in use");
	storage_close(storage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_is_looked_at),
		cmocka_unit_test(a_file_grows_and_never_shrinks),
		cmocka_unit_test(null_grows_below_a_wrapper),
		cmocka_unit_test(the_cache_mode_changes_and_the_lock_stays),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
