/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Data goes where it should, in each cache mode, on each kind of ring, in all shapes. */

typedef void (*mode_test)(struct worker *worker, enum storage_cache cache, const char *path);

/* Each mode and ring there is. */
static void in_all_modes(uint64_t size, mode_test test)
{
	for (int kind = 0; kind < RING_KIND_COUNT; kind++) {
		for (int cache = 0; cache < CACHE_COUNT; cache++) {
			struct worker worker;

			if (!worker_start_ring(&worker, (enum ring_kind)kind, 8)) {
				print_message("not tested: this kernel has no rings of kind %d\n", kind);
				break;
			}
			test(&worker, (enum storage_cache)cache, make_file("disk", size));
			worker_stop(&worker);
		}
	}
}

static struct storage *open_or_say(const char *path, enum storage_cache cache)
{
	struct storage *storage = open_file_if_possible(path, cache);

	if (!storage)
		print_message("not tested: cache %s, as this file system has no O_DIRECT\n", cache_name[cache]);
	return storage;
}

static void check_file(const char *path, uint64_t offset, size_t size, unsigned generation)
{
	char *memory = aligned_memory(size);
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, memory, size, (off_t)offset), size);
	assert_true(is_stamped(memory, size, offset, generation));
	close(fd);
	free(memory);
}

static void round_trip(struct worker *worker, enum storage_cache cache, const char *path)
{
	static const uint32_t lengths[] = {4096, 8192, 65536, 1 << 20, 4096 * 3};
	struct storage *storage = open_or_say(path, cache);
	char *memory;
	uint64_t at = 0;

	if (!storage)
		return;
	memory = aligned_memory(1 << 20);
	for (unsigned i = 0; i < 5; i++) {
		stamp(memory, lengths[i], at, i);
		assert_int_equal(do_write(worker, storage, memory, at, lengths[i]), 0);
		assert_int_equal(do_op(worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
		check_file(path, at, lengths[i], i);
		memset(memory, 0, lengths[i]);
		assert_int_equal(do_read(worker, storage, memory, at, lengths[i]), 0);
		assert_true(is_stamped(memory, lengths[i], at, i));
		at += lengths[i];
	}
	assert_int_equal(worker->thread.bounced, 0);
	free(memory);
	storage_close(storage);
}

static void data_comes_back(void **state)
{
	(void)state;
	in_all_modes(2 << 20, round_trip);
}

/* count iovecs of part bytes each, in reverse order in memory, filled for offset. */
static struct iovec *scattered(char *memory, uint32_t count, size_t part, uint64_t offset, unsigned generation)
{
	struct iovec *iov = calloc(count, sizeof(*iov));

	assert_non_null(iov);
	for (uint32_t i = 0; i < count; i++) {
		iov[i] = (struct iovec){.iov_base = memory + (size_t)(count - 1 - i) * part, .iov_len = part};
		if (generation)
			stamp(iov[i].iov_base, part, offset + i * part, generation);
	}
	return iov;
}

static void scattered_round_trip(struct worker *worker, enum storage_cache cache, const char *path, uint32_t count)
{
	struct storage *storage = open_or_say(path, cache);
	struct request request;
	struct iovec *iov;
	size_t part, size;
	char *memory;

	if (!storage)
		return;
	part = storage->info.block_size;
	size = part * count;
	memory = aligned_memory(size);
	for (int op = STORAGE_WRITE; op >= STORAGE_READ; op--) {
		iov = scattered(memory, count, part, 4096, op == STORAGE_WRITE ? 9 : 0);
		request_init(&request, (enum storage_op)op, 4096, size);
		request.io.iov = iov;
		request.io.iov_count = count;
		assert_int_equal(worker_run(worker, storage, &request), 0);
		free(iov);
		if (op == STORAGE_WRITE) {
			check_file(path, 4096, size, 9);
			memset(memory, 0, size);
		}
	}
	for (uint32_t i = 0; i < count; i++)
		assert_true(is_stamped(memory + (count - 1 - i) * part, part, 4096 + i * part, 9));
	assert_int_equal(worker->thread.bounced, 0);
	free(memory);
	storage_close(storage);
}

static void a_few_parts(struct worker *worker, enum storage_cache cache, const char *path)
{
	scattered_round_trip(worker, cache, path, 7);
}

static void more_parts_than_a_call_takes(struct worker *worker, enum storage_cache cache, const char *path)
{
	scattered_round_trip(worker, cache, path, 2 * IOV_MAX + 3);
}

static void scattered_data_comes_back(void **state)
{
	(void)state;
	in_all_modes(1 << 20, a_few_parts);
}

static void more_than_iov_max_parts_come_back(void **state)
{
	(void)state;
	in_all_modes(16 << 20, more_parts_than_a_call_takes);
}

/* Many at once, more than the submission queue holds, each in its own place. */
static void crowd(struct worker *worker, enum storage_cache cache, const char *path)
{
	enum { COUNT = 200, LENGTH = 8192 };
	struct storage *storage = open_or_say(path, cache);
	struct request *requests;
	char *memory;

	if (!storage)
		return;
	requests = calloc(COUNT, sizeof(*requests));
	memory = aligned_memory((size_t)COUNT * LENGTH);
	for (int op = STORAGE_WRITE; op >= STORAGE_READ; op--) {
		for (unsigned i = 0; i < COUNT; i++) {
			char *part = memory + (size_t)i * LENGTH;
			uint64_t offset = (uint64_t)i * LENGTH;

			if (op == STORAGE_WRITE)
				stamp(part, LENGTH, offset, 3);
			else
				memset(part, 0, LENGTH);
			request_init(&requests[i], (enum storage_op)op, offset, LENGTH);
			request_memory(&requests[i], part);
			worker_submit(worker, storage, &requests[i]);
		}
		worker_wait(worker);
		for (unsigned i = 0; i < COUNT; i++) {
			assert_true(requests[i].done);
			assert_int_equal(requests[i].result, 0);
		}
	}
	assert_true(is_stamped(memory, (size_t)COUNT * LENGTH, 0, 3));
	assert_true(worker->thread.submits > 0);
	free(memory);
	free(requests);
	storage_close(storage);
}

static void many_at_once_do_not_mix(void **state)
{
	(void)state;
	in_all_modes(2 << 20, crowd);
}

static void refuse_crooked(struct worker *worker, enum storage_cache cache, const char *path)
{
	struct storage *storage = open_or_say(path, cache);
	uint32_t block;
	char *memory;

	if (!storage)
		return;
	block = storage->info.block_size;
	memory = aligned_memory(8192);
	memset(memory, 'x', 8192);
	assert_int_equal(do_write(worker, storage, memory, block / 2, block), -EINVAL);
	assert_int_equal(do_write(worker, storage, memory, 0, block + 1), -EINVAL);
	assert_int_equal(do_write(worker, storage, memory, 1, block - 1), -EINVAL);
	assert_int_equal(do_read(worker, storage, memory, 1, block), -EINVAL);
	assert_int_equal(do_op(worker, storage, STORAGE_DISCARD, 0, 1, block), -EINVAL);
	assert_int_equal(do_op(worker, storage, STORAGE_WRITE_ZEROES, 0, 0, block - 1), -EINVAL);
	assert_int_equal(io_uring_sq_ready(&worker->ring), 0);
	/* Nothing to do is done, whatever it is. */
	assert_int_equal(do_write(worker, storage, memory, block, 0), 0);
	assert_int_equal(do_read(worker, storage, memory, 0, 0), 0);
	assert_int_equal(do_op(worker, storage, STORAGE_DISCARD, 0, 0, 0), 0);
	assert_int_equal(do_op(worker, storage, STORAGE_WRITE_ZEROES, STORAGE_UNMAP, 0, 0), 0);
	assert_int_equal(do_read(worker, storage, memory, 0, 8192), 0);
	assert_true(is_zero(memory, 8192));
	free(memory);
	storage_close(storage);
}

static void crooked_requests_are_refused(void **state)
{
	(void)state;
	in_all_modes(65536, refuse_crooked);
}

static void contradictory_lengths_end(void **state)
{
	struct storage *storage = open_file(make_file("disk", 65536), STORAGE_CACHE_WRITEBACK);
	char *memory = aligned_memory(8192);
	struct request request;
	struct worker worker;

	(void)state;
	worker_start(&worker);
	for (int op = STORAGE_READ; op <= STORAGE_WRITE; op++) {
		request_init(&request, (enum storage_op)op, 0, 8192);
		request_memory(&request, memory);
		request.iov.iov_len = 4096;
		assert_int_equal(worker_run(&worker, storage, &request), -EINVAL);
	}
	free(memory);
	storage_close(storage);
	worker_stop(&worker);
}

static void a_read_only_disk_is_not_changed(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage_file_options options = {.path = path, .cache = STORAGE_CACHE_WRITEBACK, .read_only = true};
	char *memory = aligned_memory(4096);
	struct storage *storage;
	struct worker worker;
	struct error err;

	(void)state;
	worker_start(&worker);
	assert_int_equal(storage_file_open("test", &options, &storage, &err), 0);
	memset(memory, 'x', 4096);
	assert_int_equal(do_write(&worker, storage, memory, 0, 4096), -EROFS);
	assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, 0, 4096), -EROFS);
	assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, 0, 0, 4096), -EROFS);
	assert_int_equal(do_op(&worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
	assert_int_equal(do_read(&worker, storage, memory, 0, 4096), 0);
	assert_true(is_zero(memory, 4096));
	free(memory);
	storage_close(storage);
	worker_stop(&worker);
}

/* More than the kernel moves in one call, into one piece of address space that is 2 MiB of memory over and over. */
static void one_part_above_2_gib(void **state)
{
	const size_t window = 2 << 20, size = ((size_t)2 << 30) + window;
	const char *path = make_file("disk", size);
	struct storage *storage = open_file_if_possible(path, STORAGE_CACHE_NONE);
	int memory_fd = memfd_create("window", MFD_CLOEXEC), fd = open(path, O_RDWR);
	struct worker worker;
	char *memory;

	(void)state;
	if (!storage) {
		close(memory_fd);
		close(fd);
		skip_because("this file system has no O_DIRECT");
	}
	worker_start(&worker);
	assert_int_equal(ftruncate(memory_fd, (off_t)window), 0);
	memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	for (size_t at = 0; at < size; at += window)
		assert_ptr_equal(
			mmap(memory + at, window, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory_fd, 0),
			memory + at);
	/* The last window is what must be in memory at the end. */
	for (size_t at = size - window; at < size; at += 4096) {
		char page[4096];

		stamp(page, sizeof(page), at, 1);
		assert_int_equal(pwrite(fd, page, sizeof(page), (off_t)at), sizeof(page));
	}
	assert_int_equal(do_read(&worker, storage, memory, 0, size), 0);
	assert_true(is_stamped(memory, window, size - window, 1));
	munmap(memory, size);
	close(memory_fd);
	close(fd);
	storage_close(storage);
	worker_stop(&worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_comes_back),
		cmocka_unit_test(scattered_data_comes_back),
		cmocka_unit_test(more_than_iov_max_parts_come_back),
		cmocka_unit_test(many_at_once_do_not_mix),
		cmocka_unit_test(crooked_requests_are_refused),
		cmocka_unit_test(contradictory_lengths_end),
		cmocka_unit_test(a_read_only_disk_is_not_changed),
		cmocka_unit_test(one_part_above_2_gib),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
