/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Block devices: a loop device that the kernel takes down by itself when its
 * last user has closed it, however the test ends.
 */

enum { SIZE = 8 << 20 };

struct loop {
	int fd;
	char path[32];
};

/* NULL, or why there is none. */
static const char *loop_start(struct loop *loop, const char *file, uint32_t block_size)
{
	struct loop_config config = {.block_size = block_size, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	const char *reason = "/dev/loop-control cannot be used (needs root, and the module loop)";
	int backing, ret = -1;

	if (control < 0)
		return reason;
	backing = open(file, O_RDWR | O_CLOEXEC);
	assert_true(backing >= 0);
	config.fd = (uint32_t)backing;
	/* Another process may take the free one first. */
	for (unsigned attempt = 0; attempt < 10 && ret; attempt++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		reason = "no free loop device";
		if (number < 0)
			break;
		snprintf(loop->path, sizeof(loop->path), "/dev/loop%d", number);
		reason = "a loop device cannot be opened";
		loop->fd = open(loop->path, O_RDWR | O_CLOEXEC);
		if (loop->fd < 0)
			break;
		reason = "a loop device cannot be set up (needs CAP_SYS_ADMIN)";
		ret = ioctl(loop->fd, LOOP_CONFIGURE, &config);
		if (ret) {
			bool taken = errno == EBUSY;

			close(loop->fd);
			if (!taken)
				break;
		}
	}
	close(backing);
	close(control);
	return ret ? reason : NULL;
}

#define with_loop(loop, block_size)                                                                                    \
	do {                                                                                                           \
		const char *reason = loop_start(loop, make_file("backing", SIZE), block_size);                         \
		if (reason)                                                                                            \
			skip_because("%s", reason);                                                                    \
	} while (0)

static void data_and_shape(const struct loop *loop, enum storage_cache cache, uint32_t block_size)
{
	struct storage *storage = open_file(loop->path, cache);
	char *memory = aligned_memory(65536 + 4096);
	struct worker worker;

	worker_start(&worker);
	assert_int_equal(storage_size(storage), SIZE);
	/* In each cache mode: what a device cannot address must not be offered. */
	assert_int_equal(storage->info.block_size, block_size);
	assert_true(storage->info.physical_block >= block_size);
	for (unsigned crooked = 0; crooked < 2; crooked++) {
		stamp(memory + crooked, 65536, block_size, 1 + crooked);
		assert_int_equal(do_write(&worker, storage, memory + crooked, block_size, 65536), 0);
		assert_int_equal(do_op(&worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
		memset(memory, 0, 65536 + 4096);
		assert_int_equal(do_read(&worker, storage, memory + crooked, block_size, 65536), 0);
		assert_true(is_stamped(memory + crooked, 65536, block_size, 1 + crooked));
	}
	/* The last block, and one after it. */
	assert_int_equal(do_read(&worker, storage, memory, SIZE - block_size, block_size), 0);
	assert_int_equal(do_read(&worker, storage, memory, SIZE, block_size), -EIO);
	if (block_size > 512)
		assert_int_equal(do_read(&worker, storage, memory, 512, 512), -EINVAL);
	free(memory);
	storage_close(storage);
	worker_stop(&worker);
}

static void data_in_all_modes(uint32_t block_size)
{
	struct loop loop;

	with_loop(&loop, block_size);
	for (int cache = 0; cache < CACHE_COUNT; cache++)
		data_and_shape(&loop, (enum storage_cache)cache, block_size);
	close(loop.fd);
}

static void a_device_of_512(void **state)
{
	(void)state;
	data_in_all_modes(512);
}

static void a_device_of_4096(void **state)
{
	(void)state;
	data_in_all_modes(4096);
}

static void discard_and_zeroes_reach_the_device(void **state)
{
	static const uint32_t flags[] = {0, STORAGE_UNMAP};
	char *memory;
	struct worker worker;
	struct loop loop;

	(void)state;
	with_loop(&loop, 512);
	memory = aligned_memory(1 << 20);
	worker_start(&worker);
	for (int cache = 0; cache < CACHE_COUNT; cache++) {
		struct storage *storage = open_file(loop.path, (enum storage_cache)cache);

		for (unsigned i = 0; i < 2; i++) {
			stamp(memory, 1 << 20, 0, 1);
			assert_int_equal(do_write(&worker, storage, memory, 0, 1 << 20), 0);
			assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, flags[i], 65536, 131072), 0);
			assert_int_equal(do_read(&worker, storage, memory, 0, 1 << 20), 0);
			assert_true(is_stamped(memory, 65536, 0, 1));
			assert_true(is_zero(memory + 65536, 131072));
			assert_true(is_stamped(memory + 65536 + 131072, 65536, 65536 + 131072, 1));
		}
		if (storage->info.discard_granularity) {
			assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, STORAGE_STABLE, 0, 1 << 20), 0);
			assert_int_equal(do_read(&worker, storage, memory, 0, 1 << 20), 0);
			assert_true(is_zero(memory, 1 << 20));
		} else {
			assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, 0, 1 << 20), -EOPNOTSUPP);
		}
		storage_close(storage);
	}
	free(memory);
	worker_stop(&worker);
	close(loop.fd);
}

static void a_device_has_one_writer(void **state)
{
	struct storage_file_options options = {.cache = STORAGE_CACHE_NONE};
	struct storage *first, *second;
	struct loop loop;
	struct error err;

	(void)state;
	with_loop(&loop, 512);
	options.path = loop.path;
	first = open_file(loop.path, STORAGE_CACHE_NONE);
	assert_int_equal(storage_file_open("vda", &options, &second, &err), -EBUSY);
	assert_contains(err.text, "is in use by");
	options.read_only = true;
	assert_int_equal(storage_file_open("vda", &options, &second, &err), -EBUSY);
	storage_close(first);
	assert_int_equal(storage_file_open("vda", &options, &first, &err), 0);
	assert_int_equal(storage_file_open("vda", &options, &second, &err), 0);
	storage_close(first);
	storage_close(second);
	close(loop.fd);
}

/* Two may have it open that are locked while they run, but none where the host uses it. */
static void a_device_is_handed_over(void **state)
{
	struct storage_file_options options = {.cache = STORAGE_CACHE_NONE, .lock_running = true};
	struct storage *first, *second;
	struct error err = {0};
	struct loop loop;
	int claim;

	(void)state;
	with_loop(&loop, 512);
	options.path = loop.path;
	claim = open(loop.path, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(claim >= 0);
	assert_int_equal(storage_file_open("vda", &options, &first, &err), -EBUSY);
	assert_contains(err.text, "in use by this host: mounted");
	close(claim);
	assert_int_equal(storage_file_open("vda", &options, &first, &err), 0);
	assert_int_equal(storage_file_open("vda", &options, &second, &err), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(storage_activate(first, &err), 1);
		assert_int_equal(storage_activate(second, &err), -EBUSY);
		storage_deactivate(first);
		assert_int_equal(storage_activate(second, &err), 1);
		storage_deactivate(second);
	}
	storage_close(first);
	storage_close(second);
	close(loop.fd);
}

/* As a mount or a volume group has it. */
static void what_the_host_uses_is_not_written(void **state)
{
	struct storage_file_options options = {.cache = STORAGE_CACHE_WRITEBACK};
	struct storage *storage;
	struct loop loop;
	struct error err;
	int claim;

	(void)state;
	with_loop(&loop, 512);
	options.path = loop.path;
	claim = open(loop.path, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(claim >= 0);
	assert_int_equal(storage_file_open("vda", &options, &storage, &err), -EBUSY);
	assert_contains(err.text, "in use by this host: mounted");
	options.read_only = true;
	assert_int_equal(storage_file_open("vda", &options, &storage, &err), 0);
	storage_close(storage);
	close(claim);
	close(loop.fd);
}

/* The kernel's own word of what happens to devices, from beside the watch. NULL socket (-1) where it is not told here.
 */
static int listen_to_kernel(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool readable(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};

	return poll(&entry, 1, 0) == 1;
}

static void resize(const struct loop *loop, uint64_t size)
{
	assert_int_equal(truncate(in_directory("backing"), (off_t)size), 0);
	assert_int_equal(ioctl(loop->fd, LOOP_SET_CAPACITY, 0), 0);
}

static void a_new_capacity_is_seen(void **state)
{
	struct storage *storage;
	struct loop loop;
	struct error err;
	bool told;
	int kernel;

	(void)state;
	with_loop(&loop, 512);
	storage = open_file(loop.path, STORAGE_CACHE_WRITEBACK);
	kernel = listen_to_kernel();
	resize(&loop, 2 * SIZE);
	told = kernel >= 0 && readable(kernel);
	if (told)
		assert_true(readable(storage_watch_fd(storage)));
	assert_int_equal(storage_refresh(storage, &err), 1);
	assert_int_equal(storage_size(storage), 2 * SIZE);
	resize(&loop, SIZE / 2);
	assert_int_equal(storage_refresh(storage, &err), 1);
	assert_int_equal(storage_size(storage), SIZE / 2);
	assert_int_equal(storage_refresh(storage, &err), 0);
	close(kernel);
	storage_close(storage);
	close(loop.fd);
	if (!told)
		skip_because("the kernel tells nothing of devices here (another network namespace)");
}

static void our_own_requests_are_not_seen(void **state)
{
	char *memory;
	struct storage *storage;
	struct worker worker;
	struct loop loop;
	int kernel;

	(void)state;
	with_loop(&loop, 512);
	memory = aligned_memory(65536);
	memset(memory, 1, 65536);
	storage = open_file(loop.path, STORAGE_CACHE_NONE);
	kernel = listen_to_kernel();
	worker_start(&worker);
	assert_int_equal(do_write(&worker, storage, memory, 0, 65536), 0);
	assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, STORAGE_UNMAP, 0, 65536), 0);
	assert_int_equal(do_op(&worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
	/* Unless something else happened to some device meanwhile. */
	if (kernel >= 0 && !readable(kernel))
		assert_false(readable(storage_watch_fd(storage)));
	close(kernel);
	free(memory);
	storage_close(storage);
	worker_stop(&worker);
	close(loop.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_of_512),
		cmocka_unit_test(a_device_of_4096),
		cmocka_unit_test(discard_and_zeroes_reach_the_device),
		cmocka_unit_test(a_device_has_one_writer),
		cmocka_unit_test(a_device_is_handed_over),
		cmocka_unit_test(what_the_host_uses_is_not_written),
		cmocka_unit_test(a_new_capacity_is_seen),
		cmocka_unit_test(our_own_requests_are_not_seen),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
