/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>

/*
 * What is asked of the kernel for a flush and for requests that must be stable:
 * losing power is no unit test, so the entries in the queue are looked at, and
 * then carried out.
 */

static struct worker worker;
static char *memory;

static int set_up(void **state)
{
	(void)state;
	worker_start(&worker);
	memory = aligned_memory(65536);
	memset(memory, 0, 65536);
	return make_directory(state);
}

static int tear_down(void **state)
{
	free(memory);
	worker_stop(&worker);
	return remove_directory(state);
}

static const struct io_uring_sqe *queue(struct storage *storage, struct request *request, enum storage_op op,
					uint32_t flags, void *from)
{
	request_init(request, op, 0, 8192);
	request->io.flags = flags;
	if (op == STORAGE_READ || op == STORAGE_WRITE)
		request_memory(request, from);
	worker_submit(&worker, storage, request);
	return last_sqe(&worker);
}

static void expect_success(struct request *request)
{
	worker_wait(&worker);
	assert_int_equal(request->result, 0);
}

static void the_guest_sees_the_cache_mode(void **state)
{
	(void)state;
	for (int cache = 0; cache < CACHE_COUNT; cache++) {
		struct storage *storage = open_file_if_possible(make_file("disk", 65536), (enum storage_cache)cache);
		bool stable = cache == STORAGE_CACHE_WRITETHROUGH || cache == STORAGE_CACHE_DIRECTSYNC;

		if (!storage)
			continue;
		assert_true(storage->info.volatile_cache);
		assert_int_equal(storage->info.writeback, !stable);
		storage_close(storage);
	}
}

static void a_flush_is_a_datasync(void **state)
{
	(void)state;
	for (int cache = 0; cache < STORAGE_CACHE_UNSAFE; cache++) {
		struct storage *storage = open_file_if_possible(make_file("disk", 65536), (enum storage_cache)cache);
		const struct io_uring_sqe *sqe;
		struct request request;

		if (!storage)
			continue;
		sqe = queue(storage, &request, STORAGE_FLUSH, 0, NULL);
		assert_int_equal(sqe->opcode, IORING_OP_FSYNC);
		assert_int_equal(sqe->fsync_flags, IORING_FSYNC_DATASYNC);
		expect_success(&request);
		storage_close(storage);
	}
}

static void a_stable_write_is_one_entry(void **state)
{
	(void)state;
	for (int cache = 0; cache < STORAGE_CACHE_UNSAFE; cache++) {
		struct storage *storage = open_file_if_possible(make_file("disk", 65536), (enum storage_cache)cache);
		const struct io_uring_sqe *sqe;
		struct request request;

		if (!storage)
			continue;
		sqe = queue(storage, &request, STORAGE_WRITE, STORAGE_STABLE, memory);
		assert_int_equal(sqe->opcode, IORING_OP_WRITE);
		assert_int_equal(sqe->rw_flags, RWF_DSYNC);
		expect_success(&request);
		sqe = queue(storage, &request, STORAGE_WRITE, STORAGE_STABLE, memory + 1);
		assert_int_equal(sqe->rw_flags, RWF_DSYNC);
		expect_success(&request);
		sqe = queue(storage, &request, STORAGE_WRITE, 0, memory);
		assert_int_equal(sqe->rw_flags, 0);
		expect_success(&request);
		/* Meant for writes: a read has nothing to make stable. */
		sqe = queue(storage, &request, STORAGE_READ, STORAGE_STABLE, memory);
		assert_int_equal(sqe->opcode, IORING_OP_READ);
		assert_int_equal(sqe->rw_flags, 0);
		expect_success(&request);
		storage_close(storage);
	}
}

static unsigned completions;

static int32_t count_completions(struct worker *of, struct storage_io *io, int32_t result)
{
	(void)of;
	(void)io;
	completions++;
	return result;
}

static void a_stable_discard_is_followed_by_a_sync(void **state)
{
	static const enum storage_op ops[] = {STORAGE_DISCARD, STORAGE_WRITE_ZEROES, STORAGE_WRITE_ZEROES};
	static const uint32_t flags[] = {0, 0, STORAGE_UNMAP};
	struct storage *storage = open_file(make_file("disk", 65536), STORAGE_CACHE_WRITEBACK);
	struct request request;

	(void)state;
	worker.alter = count_completions;
	for (unsigned i = 0; i < 3; i++) {
		const struct io_uring_sqe *sqe = queue(storage, &request, ops[i], flags[i], NULL);
		unsigned plain;

		assert_int_equal(sqe->opcode, IORING_OP_FALLOCATE);
		assert_true(sqe->len & FALLOC_FL_KEEP_SIZE);
		completions = 0;
		expect_success(&request);
		plain = completions;
		completions = 0;
		queue(storage, &request, ops[i], flags[i] | STORAGE_STABLE, NULL);
		expect_success(&request);
		assert_int_equal(completions, plain + 1);
	}
	worker.alter = NULL;
	storage_close(storage);
}

static void unsafe_never_syncs(void **state)
{
	struct storage *storage = open_file(make_file("disk", 65536), STORAGE_CACHE_UNSAFE);
	const struct io_uring_sqe *sqe;
	struct request request;

	(void)state;
	request_init(&request, STORAGE_FLUSH, 0, 0);
	worker_submit(&worker, storage, &request);
	assert_true(request.done);
	assert_int_equal(request.result, 0);
	sqe = queue(storage, &request, STORAGE_WRITE, STORAGE_STABLE, memory);
	assert_int_equal(sqe->rw_flags, 0);
	expect_success(&request);
	worker.alter = count_completions;
	completions = 0;
	queue(storage, &request, STORAGE_DISCARD, STORAGE_STABLE, NULL);
	expect_success(&request);
	assert_int_equal(completions, 1);
	worker.alter = NULL;
	storage_close(storage);
}

static void one_part_takes_the_cheap_operation(void **state)
{
	struct storage *storage = open_file(make_file("disk", 65536), STORAGE_CACHE_WRITEBACK);
	struct iovec parts[2] = {{memory, 4096}, {memory + 4096, 4096}};
	const struct io_uring_sqe *sqe;
	struct request request;

	(void)state;
	sqe = queue(storage, &request, STORAGE_READ, 0, memory);
	assert_int_equal(sqe->opcode, IORING_OP_READ);
	expect_success(&request);
	request_init(&request, STORAGE_WRITE, 0, 8192);
	request.io.iov = parts;
	request.io.iov_count = 2;
	request.io.flags = STORAGE_STABLE;
	worker_submit(&worker, storage, &request);
	assert_int_equal(last_sqe(&worker)->opcode, IORING_OP_WRITEV);
	assert_int_equal(last_sqe(&worker)->rw_flags, RWF_DSYNC);
	expect_success(&request);
	storage_close(storage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guest_sees_the_cache_mode),
		cmocka_unit_test(a_flush_is_a_datasync),
		cmocka_unit_test(a_stable_write_is_one_entry),
		cmocka_unit_test(a_stable_discard_is_followed_by_a_sync),
		cmocka_unit_test(unsafe_never_syncs),
		cmocka_unit_test(one_part_takes_the_cheap_operation),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
