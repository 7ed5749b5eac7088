/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* What an image is taken for, and what is said about one that cannot be used. */

static int try_open(const char *path, enum storage_cache cache, bool read_only, struct error *err)
{
	struct storage_file_options options = {.path = path, .cache = cache, .read_only = read_only};
	struct storage *storage = NULL;
	int ret;

	memset(err, 0, sizeof(*err));
	ret = storage_file_open("vda", &options, &storage, err);
	if (!ret)
		storage_close(storage);
	else
		assert_int_equal(ret, err->code);
	return ret;
}

/* The error names the disk, the file, and says these. */
static void expect_refusal(const char *path, enum storage_cache cache, bool read_only, int code, const char *what,
			   const char *cure)
{
	struct error err;

	assert_int_equal(try_open(path, cache, read_only, &err), code);
	assert_contains(err.text, "disk vda: ");
	assert_contains(err.text, path);
	assert_contains(err.text, what);
	assert_contains(err.text, cure);
}

static void what_is_no_image(void **state)
{
	const enum storage_cache cache = STORAGE_CACHE_WRITEBACK;
	const char *fifo = in_directory("fifo"), *socket_path = in_directory("socket");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	expect_refusal(in_directory("absent"), cache, false, -ENOENT, "does not exist", "create it");
	expect_refusal(in_directory(""), cache, false, -EINVAL, "is a directory", "expected a regular file");
	expect_refusal(in_directory(""), cache, true, -EINVAL, "is a directory", "expected a regular file");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	/* Also where opening it would wait for a writer. */
	expect_refusal(fifo, cache, true, -EINVAL, "is a FIFO", "expected a regular file");
	expect_refusal("/dev/null", cache, false, -EINVAL, "is a character device", "block device");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (!bind(fd, (struct sockaddr *)&address, sizeof(address)))
		expect_refusal(socket_path, cache, false, -EINVAL, "is a socket", "expected a regular file");
	close(fd);
}

static void what_is_too_small(void **state)
{
	(void)state;
	expect_refusal(make_file("empty", 0), STORAGE_CACHE_WRITEBACK, false, -EINVAL, "is empty", "truncate -s");
	expect_refusal(make_file("tiny", 511), STORAGE_CACHE_WRITEBACK, false, -EINVAL,
		       "511 bytes, less than one block", "truncate -s");
}

static void what_may_not_be_opened(void **state)
{
	const char *read_only = make_file("readable", 4096), *closed = make_file("closed", 4096);
	bool root = geteuid() == 0;
	struct error err;

	(void)state;
	assert_int_equal(chmod(read_only, 0444), 0);
	assert_int_equal(chmod(closed, 0), 0);
	/* Root may do anything; nobody may not. */
	if (root)
		assert_int_equal(seteuid(65534), 0);
	expect_refusal(read_only, STORAGE_CACHE_WRITEBACK, false, -EACCES, "may be read but not written",
		       "read-only: true");
	expect_refusal(closed, STORAGE_CACHE_WRITEBACK, false, -EACCES, "may not open", "owner or mode");
	expect_refusal(closed, STORAGE_CACHE_WRITEBACK, true, -EACCES, "may not open", "owner or mode");
	assert_int_equal(try_open(read_only, STORAGE_CACHE_WRITEBACK, true, &err), 0);
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void what_has_no_direct_io(void **state)
{
	/* No disk image, but a regular file of a file system that never has O_DIRECT, on any kernel. */
	const char *path = "/sys/kernel/mm/transparent_hugepage/enabled";

	(void)state;
	if (access(path, R_OK))
		path = "/sys/kernel/uevent_seqnum";
	if (access(path, R_OK))
		skip_because("no sysfs");
	expect_refusal(path, STORAGE_CACHE_NONE, true, -EINVAL, "does not support O_DIRECT, which \"cache: none\"",
		       "use \"cache: writeback\"");
	expect_refusal(path, STORAGE_CACHE_DIRECTSYNC, true, -EINVAL,
		       "does not support O_DIRECT, which \"cache: directsync\"", "\"cache: writeback\"");
}

static void an_odd_size_is_rounded_down(void **state)
{
	struct storage *storage = open_file(make_file("disk", 65536 + 700), STORAGE_CACHE_WRITEBACK);

	(void)state;
	assert_int_equal(storage_size(storage), 65536 + 512);
	storage_close(storage);
}

static void a_disk_is_described(void **state)
{
	(void)state;
	for (int cache = 0; cache < CACHE_COUNT; cache++) {
		struct storage *storage = open_file_if_possible(make_file("disk", 1 << 20), (enum storage_cache)cache);
		const struct storage_info *info;

		if (!storage)
			continue;
		info = &storage->info;
		assert_string_equal(storage->name, "test");
		assert_int_equal(storage_size(storage), 1 << 20);
		assert_in_range(info->block_size, 512, 4096);
		if (cache != STORAGE_CACHE_NONE && cache != STORAGE_CACHE_DIRECTSYNC)
			assert_int_equal(info->block_size, 512);
		assert_int_equal(info->block_size & (info->block_size - 1), 0);
		assert_in_range(info->physical_block, info->block_size, 4096);
		assert_int_equal(info->discard_granularity % info->block_size, 0);
		assert_true(info->write_zeroes);
		assert_false(info->read_only);
		storage_close(storage);
	}
}

static void discard_and_writing_can_be_switched_off(void **state)
{
	struct storage_file_options options = {.path = make_file("disk", 65536), .cache = STORAGE_CACHE_WRITEBACK};
	struct storage *storage;
	struct error err;

	(void)state;
	options.no_discard = true;
	assert_int_equal(storage_file_open("vda", &options, &storage, &err), 0);
	assert_int_equal(storage->info.discard_granularity, 0);
	assert_true(storage->info.write_zeroes);
	storage_close(storage);
	options.no_discard = false;
	options.read_only = true;
	assert_int_equal(storage_file_open("vda", &options, &storage, &err), 0);
	assert_true(storage->info.read_only);
	assert_int_equal(storage->info.discard_granularity, 0);
	assert_false(storage->info.write_zeroes);
	storage_close(storage);
}

static void opening_changes_nothing(void **state)
{
	const char *path = make_file("disk", 1000000);
	struct stat before, after;
	struct error err;

	(void)state;
	assert_int_equal(stat(path, &before), 0);
	for (int cache = 0; cache < CACHE_COUNT; cache++)
		try_open(path, (enum storage_cache)cache, false, &err);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_blocks, after.st_blocks);
}

static void errors_need_not_be_wanted(void **state)
{
	struct storage_file_options options = {.path = in_directory("absent")};
	struct storage *storage;

	(void)state;
	assert_int_equal(storage_file_open("vda", &options, &storage, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_image),
		cmocka_unit_test(what_is_too_small),
		cmocka_unit_test(what_may_not_be_opened),
		cmocka_unit_test(what_has_no_direct_io),
		cmocka_unit_test(an_odd_size_is_rounded_down),
		cmocka_unit_test(a_disk_is_described),
		cmocka_unit_test(discard_and_writing_can_be_switched_off),
		cmocka_unit_test(opening_changes_nothing),
		cmocka_unit_test(errors_need_not_be_wanted),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
