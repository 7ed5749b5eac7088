/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

/* A layer that counts what it is asked; where it stands above another one, it asks nothing itself. */
struct layer {
	struct storage storage;
	int polls, memory_changes, refreshes, closes;
};

static int layer_poll(struct storage *storage, struct storage_thread *thread)
{
	(void)thread;
	return ++((struct layer *)storage)->polls;
}

static void layer_memory_changed(struct storage *storage, void *base, uint64_t length, bool added)
{
	(void)base;
	((struct layer *)storage)->memory_changes += added ? (int)length : -(int)length;
}

static int layer_watch_fd(struct storage *storage)
{
	(void)storage;
	return 42;
}

static int layer_refresh(struct storage *storage, struct error *err)
{
	(void)err;
	((struct layer *)storage)->refreshes++;
	storage_set_size(storage, storage_size(storage) + 512);
	return 1;
}

static void layer_close(struct storage *storage)
{
	((struct layer *)storage)->closes++;
	storage_close(storage->lower);
}

static const struct storage_ops bare_ops = {.name = "bare", .close = layer_close};
static const struct storage_ops full_ops = {
	.name = "full",
	.poll = layer_poll,
	.memory_changed = layer_memory_changed,
	.watch_fd = layer_watch_fd,
	.refresh = layer_refresh,
	.close = layer_close,
};

static void a_layer_that_has_nothing_asks_below(void **state)
{
	struct layer low = {.storage = {.ops = &full_ops, .info = {.size = 1024}}};
	struct layer mid = {.storage = {.ops = &bare_ops, .lower = &low.storage}};
	struct layer top = {.storage = {.ops = &bare_ops, .lower = &mid.storage}};
	struct storage *storage = &top.storage;
	struct error err;

	(void)state;
	assert_true(storage_needs_poll(storage));
	assert_int_equal(storage_poll(storage, NULL), 1);
	assert_int_equal(storage_watch_fd(storage), 42);
	storage_memory_changed(storage, NULL, 7, true);
	assert_int_equal(low.memory_changes, 7);
	assert_int_equal(storage_refresh(storage, &err), 1);
	assert_int_equal(low.refreshes, 1);
	assert_int_equal(storage_size(&mid.storage), 1536);
	assert_int_equal(storage_size(storage), 1536);
	storage_close(storage);
	assert_int_equal(low.closes + mid.closes + top.closes, 3);
}

static void every_layer_that_polls_is_polled(void **state)
{
	struct layer low = {.storage = {.ops = &full_ops}, .polls = 10};
	struct layer top = {.storage = {.ops = &full_ops, .lower = &low.storage}};

	(void)state;
	assert_int_equal(storage_poll(&top.storage, NULL), 11 + 1);
	storage_memory_changed(&top.storage, NULL, 5, false);
	assert_int_equal(low.memory_changes, -5);
	assert_int_equal(top.memory_changes, -5);
}

static void nobody_to_ask(void **state)
{
	struct layer only = {.storage = {.ops = &bare_ops, .info = {.size = 512}}};
	struct error err;

	(void)state;
	assert_false(storage_needs_poll(&only.storage));
	assert_int_equal(storage_poll(&only.storage, NULL), 0);
	assert_int_equal(storage_watch_fd(&only.storage), -1);
	assert_int_equal(storage_refresh(&only.storage, &err), 0);
	assert_int_equal(storage_size(&only.storage), 512);
	storage_close(NULL);
}

static void a_full_queue_makes_room(void **state)
{
	struct worker worker;
	struct io_uring_cqe *cqe;

	(void)state;
	assert_true(worker_start_ring(&worker, RING_PLAIN, 4));
	for (uintptr_t i = 1; i <= 4; i++) {
		struct io_uring_sqe *sqe = storage_sqe(&worker.thread);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data(sqe, (void *)i);
	}
	assert_int_equal(worker.thread.submits, 0);
	for (uintptr_t i = 5; i <= 6; i++) {
		struct io_uring_sqe *sqe = storage_sqe(&worker.thread);
		const struct io_uring_sqe zero = {0};

		assert_memory_equal(sqe, &zero, sizeof(zero));
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data(sqe, (void *)i);
	}
	assert_int_equal(worker.thread.submits, 1);
	assert_int_equal(io_uring_submit_and_wait(&worker.ring, 6), 2);
	for (uintptr_t i = 1; i <= 6; i++) {
		assert_int_equal(io_uring_wait_cqe(&worker.ring, &cqe), 0);
		assert_ptr_equal(io_uring_cqe_get_data(cqe), (void *)i);
		io_uring_cqe_seen(&worker.ring, cqe);
	}
	worker_stop(&worker);
}

static void random_numbers_are_even_and_differ_by_seed(void **state)
{
	struct storage_thread a = {.random = 0}, b = {.random = 1};
	unsigned bits[64] = {0}, same = 0;
	const unsigned count = 100000;

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		uint64_t value = storage_random(&a);

		same += value == storage_random(&b);
		for (unsigned bit = 0; bit < 64; bit++)
			bits[bit] += (value >> bit) & 1;
	}
	assert_int_equal(same, 0);
	for (unsigned bit = 0; bit < 64; bit++)
		assert_in_range(bits[bit], count / 2 - count / 50, count / 2 + count / 50);
}

static void null_does_everything_at_once(void **state)
{
	struct storage *storage;
	struct worker worker;
	struct error err;
	char memory[512];

	(void)state;
	worker_start(&worker);
	assert_int_equal(storage_null_open("n", 1 << 20, false, &storage, &err), 0);
	assert_string_equal(storage->name, "n");
	assert_int_equal(storage_size(storage), 1 << 20);
	memset(memory, 'x', sizeof(memory));
	assert_int_equal(do_read(&worker, storage, memory, 0, 512), 0);
	assert_int_equal(memory[0], 'x');
	assert_int_equal(do_write(&worker, storage, memory, 0, 512), 0);
	assert_int_equal(do_op(&worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
	assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, 0, 512), 0);
	assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, STORAGE_UNMAP, 0, 512), 0);
	assert_int_equal(io_uring_sq_ready(&worker.ring), 0);
	storage_close(storage);
	worker_stop(&worker);
}

static void null_refuses_what_it_must(void **state)
{
	struct storage *storage;
	struct worker worker;
	struct error err;
	char memory[512];

	(void)state;
	worker_start(&worker);
	assert_int_equal(storage_null_open("n", 1 << 20, true, &storage, &err), 0);
	assert_true(storage->info.read_only);
	assert_int_equal(storage->info.discard_granularity, 0);
	assert_int_equal(do_read(&worker, storage, memory, 0, 512), 0);
	assert_int_equal(do_op(&worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
	assert_int_equal(do_write(&worker, storage, memory, 0, 512), -EROFS);
	assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, 0, 512), -EROFS);
	storage_close(storage);
	assert_int_equal(storage_null_open("n", 0, false, &storage, &err), -EINVAL);
	assert_contains(err.text, "null disk of 0 bytes");
	assert_int_equal(storage_null_open("n", 1000, false, &storage, &err), -EINVAL);
	worker_stop(&worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_layer_that_has_nothing_asks_below),
		cmocka_unit_test(every_layer_that_polls_is_polled),
		cmocka_unit_test(nobody_to_ask),
		cmocka_unit_test(a_full_queue_makes_room),
		cmocka_unit_test(random_numbers_are_even_and_differ_by_seed),
		cmocka_unit_test(null_does_everything_at_once),
		cmocka_unit_test(null_refuses_what_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
