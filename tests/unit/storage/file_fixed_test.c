/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

/* Images registered with a worker's ring: used where all workers could, left alone where one could not. */

enum { SIZE = 65536 };

static char *memory;

static int set_up(void **state)
{
	memory = aligned_memory(SIZE);
	return make_directory(state);
}

static int tear_down(void **state)
{
	free(memory);
	return remove_directory(state);
}

static void start(struct worker *worker, bool with_table)
{
	worker_start(worker);
	if (with_table && io_uring_register_files_sparse(&worker->ring, STORAGE_RING_FILES) < 0) {
		worker_stop(worker);
		skip_because("this kernel has no sparse tables of registered files (5.19)");
	}
}

/* Write and read back, in all the ways that an image is used. True where the image was used as registered. */
static bool use(struct worker *worker, struct storage *storage, unsigned generation)
{
	struct request request;
	bool fixed;

	stamp(memory, SIZE, 0, generation);
	request_init(&request, STORAGE_WRITE, 0, SIZE);
	request_memory(&request, memory);
	worker_submit(worker, storage, &request);
	fixed = last_sqe(worker)->flags & IOSQE_FIXED_FILE;
	worker_wait(worker);
	assert_int_equal(request.result, 0);
	memset(memory, 0, SIZE);
	assert_int_equal(do_read(worker, storage, memory, 0, SIZE), 0);
	assert_true(is_stamped(memory, SIZE, 0, generation));
	assert_int_equal(do_op(worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
	assert_int_equal(do_op(worker, storage, STORAGE_WRITE_ZEROES, STORAGE_STABLE, 0, 4096), 0);
	assert_int_equal(do_op(worker, storage, STORAGE_DISCARD, 0, 4096, 4096), 0);
	assert_int_equal(do_read(worker, storage, memory + 1, 0, 4096), 0); /* bounces with O_DIRECT */
	assert_true(is_zero(memory + 1, 4096));
	return fixed;
}

static void an_attached_image_is_registered(void **state)
{
	struct worker worker;

	(void)state;
	start(&worker, true);
	for (int cache = 0; cache < CACHE_COUNT; cache++) {
		struct storage *storage = open_file_if_possible(make_file("disk", SIZE), (enum storage_cache)cache);

		if (!storage)
			continue;
		assert_false(use(&worker, storage, 1));
		storage_attach(storage, &worker.thread);
		assert_int_equal(worker.thread.fixed_files, 1);
		assert_true(use(&worker, storage, 2));
		storage_detach(storage, &worker.thread);
		assert_int_equal(worker.thread.fixed_files, 0);
		storage_close(storage);
	}
	worker_stop(&worker);
}

/* Each has its own place, and it is given to another in time. */
static void images_are_not_mistaken_for_each_other(void **state)
{
	struct storage *a = open_file(make_file("a", SIZE), STORAGE_CACHE_WRITEBACK);
	struct storage *b = open_file(make_file("b", SIZE), STORAGE_CACHE_WRITEBACK), *c;
	struct worker worker;

	(void)state;
	start(&worker, true);
	storage_attach(a, &worker.thread);
	storage_attach(b, &worker.thread);
	assert_true(use(&worker, a, 3));
	assert_true(use(&worker, b, 4));
	assert_int_equal(do_read(&worker, a, memory, 8192, 4096), 0);
	assert_true(is_stamped(memory, 4096, 8192, 3));
	storage_detach(a, &worker.thread);
	storage_close(a);
	c = open_file(make_file("c", SIZE), STORAGE_CACHE_WRITEBACK);
	storage_attach(c, &worker.thread);
	assert_true(use(&worker, c, 5));
	assert_int_equal(do_read(&worker, b, memory, 8192, 4096), 0);
	assert_true(is_stamped(memory, 4096, 8192, 4));
	storage_detach(b, &worker.thread);
	storage_detach(c, &worker.thread);
	storage_close(b);
	storage_close(c);
	worker_stop(&worker);
}

/* One worker has a table, another has not: both serve the disk, and neither uses its place any more. */
static void one_refusal_is_enough(void **state)
{
	struct storage *storage = open_file(make_file("disk", SIZE), STORAGE_CACHE_WRITEBACK);
	struct worker with, without;

	(void)state;
	start(&with, true);
	start(&without, false);
	storage_attach(storage, &with.thread);
	assert_true(use(&with, storage, 6));
	storage_attach(storage, &without.thread);
	assert_false(use(&without, storage, 7));
	assert_false(use(&with, storage, 8));
	storage_detach(storage, &with.thread);
	storage_attach(storage, &with.thread);
	assert_false(use(&with, storage, 9));
	storage_detach(storage, &without.thread);
	storage_detach(storage, &with.thread);
	storage_close(storage);
	worker_stop(&without);
	worker_stop(&with);
}

/* A closed image is free for others, also while the ring lives on. */
static void no_lock_stays_behind(void **state)
{
	const char *path = make_file("disk", SIZE);
	struct worker worker;

	(void)state;
	start(&worker, true);
	for (unsigned i = 0; i < 3; i++) {
		struct storage *storage = open_file(path, STORAGE_CACHE_WRITEBACK);

		storage_attach(storage, &worker.thread);
		assert_true(use(&worker, storage, 10 + i));
		storage_detach(storage, &worker.thread);
		storage_close(storage);
	}
	worker_stop(&worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attached_image_is_registered),
		cmocka_unit_test(images_are_not_mistaken_for_each_other),
		cmocka_unit_test(one_refusal_is_enough),
		cmocka_unit_test(no_lock_stays_behind),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
