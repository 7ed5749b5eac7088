/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static struct storage *delayed(struct storage *lower, struct storage_delay_options options)
{
	struct storage *storage;
	struct error err;

	if (storage_delay_open(lower, &options, &storage, &err))
		fail_msg("%s", err.text);
	return storage;
}

static struct storage *null_disk(void)
{
	struct storage *storage;
	struct error err;

	assert_int_equal(storage_null_open("n", 1 << 20, false, &storage, &err), 0);
	return storage;
}

static void arrives_and_not_early(enum ring_kind kind)
{
	struct storage *storage =
		delayed(null_disk(), (struct storage_delay_options){.kind = STORAGE_DELAY_FIXED, .mean_us = 3000});
	struct worker worker;
	char memory[512];
	uint64_t start;

	if (!worker_start_ring(&worker, kind, 8)) {
		storage_close(storage);
		skip_because("this kernel has no rings of kind %d", (int)kind);
	}
	start = clock_monotonic_ns();
	assert_int_equal(do_read(&worker, storage, memory, 0, 512), 0);
	assert_true(clock_monotonic_ns() - start >= 3000000);
	storage_close(storage);
	worker_stop(&worker);
}

static void a_delayed_request_arrives(void **state)
{
	(void)state;
	arrives_and_not_early(RING_PLAIN);
}

static void a_delayed_request_arrives_deferred(void **state)
{
	(void)state;
	arrives_and_not_early(RING_DEFERRED);
}

enum { COUNT = 100, LENGTH = 4096, STRIDE = 2 * LENGTH };

/* Every fifth goes through a bounce buffer, whose pointer lies where the timer was. */
static char *place(char *memory, unsigned i)
{
	return memory + (size_t)i * STRIDE + (i % 5 ? 0 : 3);
}

static void transfer_all(struct storage *storage, enum storage_op op, char *memory)
{
	struct request *requests = calloc(COUNT, sizeof(*requests));
	struct worker worker;

	assert_true(worker_start_ring(&worker, RING_PLAIN, 16));
	for (unsigned i = 0; i < COUNT; i++) {
		request_init(&requests[i], op, (uint64_t)i * LENGTH, LENGTH);
		request_memory(&requests[i], place(memory, i));
		worker_submit(&worker, storage, &requests[i]);
	}
	worker_wait(&worker);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(requests[i].result, 0);
	worker_stop(&worker);
	free(requests);
}

/* Each kind over a file, many at once. */
static void delayed_data_is_right(void **state)
{
	char *memory = aligned_memory((size_t)COUNT * STRIDE);

	(void)state;
	for (unsigned kind = STORAGE_DELAY_FIXED; kind <= STORAGE_DELAY_PARETO; kind++) {
		const char *path = make_file("disk", COUNT * LENGTH);
		struct storage *storage = open_file_if_possible(path, STORAGE_CACHE_NONE);

		if (!storage)
			storage = open_file(path, STORAGE_CACHE_WRITEBACK);
		storage = delayed(storage, (struct storage_delay_options){.kind = (enum storage_delay_kind)kind,
									  .mean_us = 200,
									  .spread_us = 150});
		for (unsigned i = 0; i < COUNT; i++)
			stamp(place(memory, i), LENGTH, (uint64_t)i * LENGTH, kind);
		transfer_all(storage, STORAGE_WRITE, memory);
		memset(memory, 0, (size_t)COUNT * STRIDE);
		transfer_all(storage, STORAGE_READ, memory);
		for (unsigned i = 0; i < COUNT; i++)
			assert_true(is_stamped(place(memory, i), LENGTH, (uint64_t)i * LENGTH, kind));
		storage_close(storage);
	}
	free(memory);
}

static void only_chosen_operations_are_delayed(void **state)
{
	struct storage *storage = delayed(
		null_disk(),
		(struct storage_delay_options){.ops = 1u << STORAGE_FLUSH, .kind = STORAGE_DELAY_FIXED, .mean_us = 50});
	struct request request;
	struct worker worker;

	(void)state;
	worker_start(&worker);
	for (int op = 0; op < STORAGE_OP_COUNT; op++) {
		request_init(&request, (enum storage_op)op, 0, 512);
		worker_submit(&worker, storage, &request);
		assert_int_equal(request.done, op != STORAGE_FLUSH);
		worker_wait(&worker);
		assert_int_equal(request.result, 0);
	}
	storage_close(storage);
	worker_stop(&worker);
}

static void what_no_timer_can_do_is_not_delayed(void **state)
{
	struct storage *storage =
		delayed(null_disk(), (struct storage_delay_options){.kind = STORAGE_DELAY_FIXED, .mean_us = 0.5});
	struct request request;
	struct worker worker;

	(void)state;
	worker_start(&worker);
	request_init(&request, STORAGE_READ, 0, 512);
	worker_submit(&worker, storage, &request);
	assert_true(request.done);
	storage_close(storage);
	worker_stop(&worker);
}

static void a_shorter_delay_overtakes(void **state)
{
	struct storage *slow =
		delayed(null_disk(), (struct storage_delay_options){.kind = STORAGE_DELAY_FIXED, .mean_us = 3.6e9});
	struct storage *fast =
		delayed(null_disk(), (struct storage_delay_options){.kind = STORAGE_DELAY_FIXED, .mean_us = 100});
	struct request first, second;
	struct worker worker;

	(void)state;
	/* The hour is not waited for: the ring goes away with its timer. */
	assert_true(worker_start_ring(&worker, RING_PLAIN, 8));
	request_init(&first, STORAGE_READ, 0, 512);
	request_init(&second, STORAGE_READ, 0, 512);
	worker_submit(&worker, slow, &first);
	worker.in_flight = 0;
	assert_int_equal(worker_run(&worker, fast, &second), 0);
	assert_false(first.done);
	worker_stop(&worker);
	storage_close(slow);
	storage_close(fast);
}

static void a_wrapper_looks_like_what_it_wraps(void **state)
{
	struct storage *lower = null_disk();
	struct storage *storage = delayed(lower, (struct storage_delay_options){.kind = STORAGE_DELAY_FIXED});

	(void)state;
	assert_memory_equal(&storage->info, &lower->info, sizeof(lower->info));
	assert_string_equal(storage->name, lower->name);
	assert_ptr_equal(storage->lower, lower);
	storage_close(storage);
}

static void refuse(struct storage_delay_options options, const char *what)
{
	struct storage *storage;
	struct error err;

	/* The disk below is closed by the failure; a leak is found by the sanitizer. */
	assert_int_equal(storage_delay_open(null_disk(), &options, &storage, &err), -EINVAL);
	assert_contains(err.text, "disk n: ");
	assert_contains(err.text, what);
}

static void impossible_delays_are_refused(void **state)
{
	(void)state;
	refuse((struct storage_delay_options){.mean_us = -1}, "mean delay of -1");
	refuse((struct storage_delay_options){.mean_us = NAN}, "expected 0 to");
	refuse((struct storage_delay_options){.mean_us = 1e10}, "mean delay of 1e+10");
	refuse((struct storage_delay_options){.mean_us = 1, .spread_us = -3}, "spread of the delay of -3");
	refuse((struct storage_delay_options){.kind = STORAGE_DELAY_UNIFORM, .mean_us = 1, .spread_us = 2},
	       "at most the mean");
	refuse((struct storage_delay_options){.kind = (enum storage_delay_kind)77}, "unknown kind 77");
	refuse((struct storage_delay_options){.ops = 1u << 20}, "operations 0x100000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delayed_request_arrives),
		cmocka_unit_test(a_delayed_request_arrives_deferred),
		cmocka_unit_test(delayed_data_is_right),
		cmocka_unit_test(only_chosen_operations_are_delayed),
		cmocka_unit_test(what_no_timer_can_do_is_not_delayed),
		cmocka_unit_test(a_shorter_delay_overtakes),
		cmocka_unit_test(a_wrapper_looks_like_what_it_wraps),
		cmocka_unit_test(impossible_delays_are_refused),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
