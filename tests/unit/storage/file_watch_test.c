/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Changes of the size of a file. Events are there when the call that caused
 * them returns, so nothing here waits.
 */

static bool readable(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};

	return poll(&entry, 1, 0) == 1;
}

/* As truncate(1) and qemu-img resize do it. */
static void resize(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static void growing_and_shrinking_are_seen(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage *storage = open_file(path, STORAGE_CACHE_WRITEBACK);
	int fd = storage_watch_fd(storage);
	struct error err;

	(void)state;
	assert_true(fd >= 0);
	assert_false(readable(fd));
	resize(path, 131072);
	assert_true(readable(fd));
	assert_int_equal(storage_size(storage), 65536);
	assert_int_equal(storage_refresh(storage, &err), 1);
	assert_int_equal(storage_size(storage), 131072);
	assert_false(readable(fd));
	resize(path, 4096 + 100);
	assert_true(readable(fd));
	assert_int_equal(storage_refresh(storage, &err), 1);
	assert_int_equal(storage_size(storage), 4096);
	/* Nothing has changed since; asking costs nothing. */
	assert_int_equal(storage_refresh(storage, &err), 0);
	storage_close(storage);
}

static void the_program_of_an_operator_is_seen(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage *storage = open_file(path, STORAGE_CACHE_WRITEBACK);
	char command[1024];
	struct error err;

	(void)state;
	snprintf(command, sizeof(command), "truncate -s 1M '%s'", path);
	assert_int_equal(system(command), 0);
	assert_true(readable(storage_watch_fd(storage)));
	assert_int_equal(storage_refresh(storage, &err), 1);
	assert_int_equal(storage_size(storage), 1 << 20);
	storage_close(storage);
}

/* truncate(2) neither opens nor touches; refresh() finds it without an event, as after SIGHUP. */
static void what_escapes_the_watch_is_found_when_asked(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage *storage = open_file(path, STORAGE_CACHE_WRITEBACK);
	struct error err;

	(void)state;
	assert_int_equal(truncate(path, 8192), 0);
	assert_int_equal(storage_refresh(storage, &err), 1);
	assert_int_equal(storage_size(storage), 8192);
	storage_close(storage);
}

static void our_own_requests_are_not_seen(void **state)
{
	char *memory = aligned_memory(65536);
	struct worker worker;

	(void)state;
	memset(memory, 1, 65536);
	worker_start(&worker);
	for (int cache = 0; cache < CACHE_COUNT; cache++) {
		struct storage *storage = open_file_if_possible(make_file("disk", 1 << 20), (enum storage_cache)cache);

		if (!storage)
			continue;
		for (unsigned i = 0; i < 16; i++)
			assert_int_equal(do_write(&worker, storage, memory, i * 65536, 65536), 0);
		assert_int_equal(do_read(&worker, storage, memory, 0, 65536), 0);
		assert_int_equal(do_op(&worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
		assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, 0, 65536), 0);
		assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, 0, 65536, 65536), 0);
		assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, STORAGE_UNMAP, 65536, 65536), 0);
		assert_false(readable(storage_watch_fd(storage)));
		storage_close(storage);
	}
	free(memory);
	worker_stop(&worker);
}

/* Somebody looks at the image, or touches it, without a new size. */
static void events_without_a_change_are_told_apart(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage *storage = open_file(path, STORAGE_CACHE_WRITEBACK);
	struct error err;
	int fd = open(path, O_RDWR);

	(void)state;
	close(fd);
	assert_true(readable(storage_watch_fd(storage)));
	assert_int_equal(storage_refresh(storage, &err), 0);
	assert_false(readable(storage_watch_fd(storage)));
	storage_close(storage);
}

/* The image goes on to be the open file, whatever its name means now. */
static void a_replaced_name_changes_nothing(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage *storage = open_file(path, STORAGE_CACHE_WRITEBACK);
	struct error err;

	(void)state;
	assert_int_equal(rename(make_file("other", 4096), path), 0);
	assert_int_equal(storage_refresh(storage, &err), 0);
	assert_int_equal(storage_size(storage), 65536);
	storage_close(storage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growing_and_shrinking_are_seen),
		cmocka_unit_test(the_program_of_an_operator_is_seen),
		cmocka_unit_test(what_escapes_the_watch_is_found_when_asked),
		cmocka_unit_test(our_own_requests_are_not_seen),
		cmocka_unit_test(events_without_a_change_are_told_apart),
		cmocka_unit_test(a_replaced_name_changes_nothing),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
