/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/*
 * A file system that is full: a tmpfs of 1 MiB in a mount namespace of this
 * process, which goes when it ends.
 */

enum { SPACE = 1 << 20, SIZE = 4 << 20 };

static const char *no_space_for_test;

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return written;
}

/* Who is not root may still mount in a user namespace, in which he is, where the host lets him. */
static bool own_namespace(void)
{
	char users[64], groups[64];

	if (geteuid() == 0)
		return !unshare(CLONE_NEWNS);
	snprintf(users, sizeof(users), "0 %u 1", geteuid());
	snprintf(groups, sizeof(groups), "0 %u 1", getegid());
	return !unshare(CLONE_NEWNS | CLONE_NEWUSER) && write_file("/proc/self/uid_map", users) &&
	       write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", groups);
}

static int set_up(void **state)
{
	if (make_directory(state))
		return -1;
	if (!own_namespace() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		no_space_for_test = "no mount namespace of its own: needs root or unprivileged user namespaces";
	else if (mount("strait", in_directory(""), "tmpfs", 0, "size=1m,mode=777"))
		no_space_for_test = "a tmpfs cannot be mounted here";
	return 0;
}

static int tear_down(void **state)
{
	if (!no_space_for_test)
		umount2(in_directory(""), MNT_DETACH);
	return remove_directory(state);
}

static void expect_enospc(enum storage_cache cache, size_t crooked)
{
	struct storage *storage = open_file_if_possible(make_file("disk", SIZE), cache);
	char *memory = aligned_memory(SIZE + 4096);
	struct worker worker;

	if (!storage) {
		free(memory);
		skip_because("this tmpfs has no O_DIRECT");
	}
	worker_start(&worker);
	stamp(memory + crooked, SIZE, 0, 1);
	/* One that does not fit, part of which is written. */
	assert_int_equal(do_write(&worker, storage, memory + crooked, 0, SIZE), -ENOSPC);
	assert_int_equal(do_write(&worker, storage, memory + crooked, SIZE - 65536, 65536), -ENOSPC);
	/* Zeroes need space too, where the file system writes them. */
	assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, 0, 0, SIZE), -ENOSPC);
	/* The disk goes on: space given back can be used. */
	assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, 0, SIZE), 0);
	stamp(memory + crooked, 65536, 65536, 2);
	assert_int_equal(do_write(&worker, storage, memory + crooked, 65536, 65536), 0);
	memset(memory, 0, 65536 + 4096);
	assert_int_equal(do_read(&worker, storage, memory + crooked, 65536, 65536), 0);
	assert_true(is_stamped(memory + crooked, 65536, 65536, 2));
	free(memory);
	storage_close(storage);
	worker_stop(&worker);
}

static void a_full_file_system_buffered(void **state)
{
	(void)state;
	if (no_space_for_test)
		skip_because("%s", no_space_for_test);
	expect_enospc(STORAGE_CACHE_WRITEBACK, 0);
}

static void a_full_file_system_direct(void **state)
{
	(void)state;
	if (no_space_for_test)
		skip_because("%s", no_space_for_test);
	expect_enospc(STORAGE_CACHE_NONE, 0);
	/* This tmpfs may take any memory, so that nothing is copied; what matters is the error. */
	expect_enospc(STORAGE_CACHE_NONE, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_file_system_buffered),
		cmocka_unit_test(a_full_file_system_direct),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
