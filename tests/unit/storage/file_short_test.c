/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Transfers that do not go through in one. The kernel's short results and
 * passing errors are had by changing what a real completion says.
 */

struct fixture {
	struct worker worker;
	struct storage *storage;
	const char *path;
	char *memory;
};

enum { SIZE = 256 * 1024 };

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	worker_start(&fixture->worker);
	fixture->path = make_file("disk", SIZE);
	fixture->memory = aligned_memory(SIZE + 4096);
	memset(fixture->memory, 0, SIZE + 4096);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	storage_close(fixture->storage);
	worker_stop(&fixture->worker);
	free(fixture->memory);
	free(fixture);
	return 0;
}

/* The first three completions have moved less than they were asked, by no whole block. */
static int32_t halve(struct worker *worker, struct storage_io *io, int32_t result)
{
	(void)io;
	assert_true(result > 0);
	if (worker->altered++ >= 3)
		return result;
	return result / 2 - 100;
}

static void short_transfers_go_on(struct fixture *fixture, char *memory)
{
	struct request request;
	struct iovec parts[3];

	fixture->worker.alter = halve;
	for (int op = STORAGE_WRITE; op >= STORAGE_READ; op--) {
		fixture->worker.altered = 0;
		parts[0] = (struct iovec){memory, 4096};
		parts[1] = (struct iovec){memory + 4096, SIZE - 8192};
		parts[2] = (struct iovec){memory + SIZE - 4096, 4096};
		if (op == STORAGE_WRITE)
			stamp(memory, SIZE, 0, 5);
		else
			memset(memory, 0, SIZE);
		request_init(&request, (enum storage_op)op, 0, SIZE);
		request.io.iov = parts;
		request.io.iov_count = 3;
		assert_int_equal(worker_run(&fixture->worker, fixture->storage, &request), 0);
		assert_true(fixture->worker.altered > 3);
	}
	assert_true(is_stamped(memory, SIZE, 0, 5));
}

static void short_transfers_go_on_buffered(void **state)
{
	struct fixture *fixture = *state;

	fixture->storage = open_file(fixture->path, STORAGE_CACHE_WRITEBACK);
	short_transfers_go_on(fixture, fixture->memory);
}

static void short_transfers_go_on_direct(void **state)
{
	struct fixture *fixture = *state;

	fixture->storage = open_file_if_possible(fixture->path, STORAGE_CACHE_NONE);
	if (!fixture->storage)
		skip_because("this file system has no O_DIRECT");
	short_transfers_go_on(fixture, fixture->memory);
	assert_int_equal(fixture->worker.thread.bounced, 0);
}

static void short_transfers_go_on_bounced(void **state)
{
	struct fixture *fixture = *state;

	fixture->storage = open_file_if_possible(fixture->path, STORAGE_CACHE_NONE);
	if (!fixture->storage)
		skip_because("this file system has no O_DIRECT");
	short_transfers_go_on(fixture, fixture->memory + 1);
	assert_int_equal(fixture->worker.thread.bounced, 2);
}

/* Fails twice, then lets through. */
static int32_t hiccup(struct worker *worker, struct storage_io *io, int32_t result)
{
	(void)io;
	switch (worker->altered++) {
	case 0:
		return -EINTR;
	case 1:
		return -EAGAIN;
	default:
		return result;
	}
}

static int32_t always_again(struct worker *worker, struct storage_io *io, int32_t result)
{
	(void)io;
	(void)result;
	worker->altered++;
	return -EAGAIN;
}

static int32_t always_nothing(struct worker *worker, struct storage_io *io, int32_t result)
{
	(void)io;
	(void)result;
	worker->altered++;
	return 0;
}

static void passing_errors_are_tried_again(void **state)
{
	struct fixture *fixture = *state;
	struct worker *worker = &fixture->worker;

	fixture->storage = open_file(fixture->path, STORAGE_CACHE_WRITEBACK);
	worker->alter = hiccup;
	stamp(fixture->memory, SIZE, 0, 6);
	assert_int_equal(do_write(worker, fixture->storage, fixture->memory, 0, SIZE), 0);
	worker->altered = 0;
	assert_int_equal(do_op(worker, fixture->storage, STORAGE_FLUSH, 0, 0, 0), 0);
	worker->altered = 0;
	assert_int_equal(do_op(worker, fixture->storage, STORAGE_DISCARD, STORAGE_STABLE, 4096, 4096), 0);
	assert_int_equal(worker->altered, 4);
	worker->altered = 0;
	assert_int_equal(do_op(worker, fixture->storage, STORAGE_WRITE_ZEROES, 0, 0, 4096), 0);
	worker->altered = 0;
	memset(fixture->memory, 1, SIZE);
	assert_int_equal(do_read(worker, fixture->storage, fixture->memory, 0, SIZE), 0);
	assert_true(is_zero(fixture->memory, 8192));
	assert_true(is_stamped(fixture->memory + 8192, SIZE - 8192, 8192, 6));
}

static void passing_errors_that_stay_are_given_up(void **state)
{
	static const enum storage_op ops[] = {STORAGE_READ, STORAGE_WRITE, STORAGE_FLUSH, STORAGE_DISCARD,
					      STORAGE_WRITE_ZEROES};
	struct fixture *fixture = *state;
	struct worker *worker = &fixture->worker;
	struct request request;

	fixture->storage = open_file(fixture->path, STORAGE_CACHE_WRITEBACK);
	worker->alter = always_again;
	for (unsigned i = 0; i < 5; i++) {
		worker->altered = 0;
		request_init(&request, ops[i], 0, 4096);
		request_memory(&request, fixture->memory);
		assert_int_equal(worker_run(worker, fixture->storage, &request), -EAGAIN);
		assert_in_range(worker->altered, 10, 100000);
	}
	worker->alter = always_nothing;
	worker->altered = 0;
	assert_int_equal(do_write(worker, fixture->storage, fixture->memory, 0, 4096), -EIO);
	assert_in_range(worker->altered, 10, 100000);
}

static int32_t out_of_space(struct worker *worker, struct storage_io *io, int32_t result)
{
	(void)io;
	/* After a part of it has been moved. */
	return worker->altered++ % 2 ? -ENOSPC : result / 2;
}

static void other_errors_arrive_as_they_are(struct fixture *fixture, char *memory)
{
	fixture->worker.alter = out_of_space;
	fixture->worker.altered = 0;
	assert_int_equal(do_write(&fixture->worker, fixture->storage, memory, 0, SIZE), -ENOSPC);
	assert_int_equal(fixture->worker.altered, 2);
}

static void errors_arrive(void **state)
{
	struct fixture *fixture = *state;

	fixture->storage = open_file(fixture->path, STORAGE_CACHE_WRITEBACK);
	other_errors_arrive_as_they_are(fixture, fixture->memory);
}

static void errors_arrive_bounced(void **state)
{
	struct fixture *fixture = *state;

	fixture->storage = open_file_if_possible(fixture->path, STORAGE_CACHE_NONE);
	if (!fixture->storage)
		skip_because("this file system has no O_DIRECT");
	other_errors_arrive_as_they_are(fixture, fixture->memory + 8);
	/* The buffer has been given back: as many as there are can be had again. */
	fixture->worker.alter = NULL;
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(do_write(&fixture->worker, fixture->storage, fixture->memory + 8, 0, 4096), 0);
}

/* So long a row of failures that two of them are too many, with a little progress between. */
static int32_t long_rows(struct worker *worker, struct storage_io *io, int32_t result)
{
	const unsigned row = 900;

	(void)io;
	worker->altered++;
	if (worker->altered == row)
		return 4096;
	return worker->altered < 2 * row ? -EAGAIN : result;
}

static void progress_renews_patience(void **state)
{
	struct fixture *fixture = *state;

	fixture->storage = open_file(fixture->path, STORAGE_CACHE_WRITEBACK);
	fixture->worker.alter = long_rows;
	assert_int_equal(do_write(&fixture->worker, fixture->storage, fixture->memory, 0, SIZE), 0);
}

static int32_t count_only(struct worker *worker, struct storage_io *io, int32_t result)
{
	(void)io;
	worker->altered++;
	return result;
}

static void truncated_under_us(struct fixture *fixture, enum storage_cache cache)
{
	struct worker *worker = &fixture->worker;
	struct storage *storage = open_file_if_possible(fixture->path, cache);
	char *memory = fixture->memory;

	fixture->storage = storage;
	if (!storage)
		skip_because("this file system has no O_DIRECT");
	stamp(memory, SIZE, 0, 1);
	assert_int_equal(do_write(worker, storage, memory, 0, SIZE), 0);
	assert_int_equal(truncate(fixture->path, 10000), 0); /* in the middle of a block */
	assert_int_equal(do_read(worker, storage, memory, 0, 8192), 0);
	assert_true(is_stamped(memory, 8192, 0, 1));
	assert_int_equal(do_read(worker, storage, memory, 0, 16384), -EIO);
	assert_int_equal(do_read(worker, storage, memory, 8192, 4096), -EIO);
	worker->alter = count_only;
	assert_int_equal(do_read(worker, storage, memory, SIZE - 4096, 4096), -EIO);
	assert_int_equal(worker->altered, 1); /* the end of a file does not pass by itself */
	assert_int_equal(do_read(worker, storage, memory + 1, 0, 16384), -EIO);
	assert_int_equal(do_read(worker, storage, memory + 1, SIZE - 4096, 4096), -EIO);
	assert_int_equal(do_read(worker, storage, memory, 0, 4096), 0);
}

static void a_truncated_file_is_an_error_buffered(void **state)
{
	truncated_under_us(*state, STORAGE_CACHE_WRITEBACK);
}

static void a_truncated_file_is_an_error_direct(void **state)
{
	truncated_under_us(*state, STORAGE_CACHE_NONE);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(short_transfers_go_on_buffered),
		WITH_FIXTURE(short_transfers_go_on_direct),
		WITH_FIXTURE(short_transfers_go_on_bounced),
		WITH_FIXTURE(passing_errors_are_tried_again),
		WITH_FIXTURE(passing_errors_that_stay_are_given_up),
		WITH_FIXTURE(progress_renews_patience),
		WITH_FIXTURE(errors_arrive),
		WITH_FIXTURE(errors_arrive_bounced),
		WITH_FIXTURE(a_truncated_file_is_an_error_buffered),
		WITH_FIXTURE(a_truncated_file_is_an_error_direct),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
