/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 1 << 20 };

static struct storage *null_disk(void)
{
	struct storage *storage;
	struct error err;

	assert_int_equal(storage_null_open("n", SIZE, false, &storage, &err), 0);
	return storage;
}

static struct storage *faulty(struct storage *lower, const struct storage_fault_rule *rules, unsigned count)
{
	struct storage *storage;
	struct error err;

	if (storage_fault_open(lower, rules, count, &storage, &err))
		fail_msg("%s", err.text);
	return storage;
}

static int run(struct worker *worker, struct storage *storage, enum storage_op op, uint64_t offset, uint64_t length)
{
	struct request request;

	request_init(&request, op, offset, length);
	return worker_run(worker, storage, &request);
}

static void only_chosen_operations_fail(void **state)
{
	const struct storage_fault_rule rule = {
		.ops = 1u << STORAGE_WRITE | 1u << STORAGE_DISCARD, .rate = 1, .error = ENOSPC};
	struct storage *storage = faulty(null_disk(), &rule, 1);
	struct worker worker;

	(void)state;
	worker_start(&worker);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 0, 512), 0);
	assert_int_equal(run(&worker, storage, STORAGE_WRITE, 0, 512), -ENOSPC);
	assert_int_equal(run(&worker, storage, STORAGE_FLUSH, 0, 0), 0);
	assert_int_equal(run(&worker, storage, STORAGE_DISCARD, 0, 512), -ENOSPC);
	assert_int_equal(run(&worker, storage, STORAGE_WRITE_ZEROES, 0, 512), 0);
	storage_close(storage);
	worker_stop(&worker);
}

static void no_operation_means_all(void **state)
{
	const struct storage_fault_rule rule = {.rate = 1, .error = EIO};
	struct storage *storage = faulty(null_disk(), &rule, 1);
	struct worker worker;

	(void)state;
	worker_start(&worker);
	for (int op = 0; op < STORAGE_OP_COUNT; op++)
		assert_int_equal(run(&worker, storage, (enum storage_op)op, 0, 512), -EIO);
	storage_close(storage);
	worker_stop(&worker);
}

static void a_range_is_exact(void **state)
{
	const struct storage_fault_rule rule = {.rate = 1, .error = EIO, .offset = 4096, .length = 8192};
	struct storage *storage = faulty(null_disk(), &rule, 1);
	struct worker worker;

	(void)state;
	worker_start(&worker);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 0, 4096), 0);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 0, 4608), -EIO);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 4096, 512), -EIO);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 12288 - 512, 512), -EIO);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 12288, 512), 0);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 0, SIZE), -EIO);
	assert_int_equal(run(&worker, storage, STORAGE_FLUSH, 0, 0), 0);
	storage_close(storage);
	worker_stop(&worker);
}

static void a_range_without_length_goes_to_the_end(void **state)
{
	const struct storage_fault_rule rule = {.rate = 1, .error = EIO, .offset = 4096};
	struct storage *storage = faulty(null_disk(), &rule, 1);
	struct worker worker;

	(void)state;
	worker_start(&worker);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 0, 4096), 0);
	assert_int_equal(run(&worker, storage, STORAGE_READ, SIZE - 512, 512), -EIO);
	/* Not the whole disk. */
	assert_int_equal(run(&worker, storage, STORAGE_FLUSH, 0, 0), 0);
	storage_close(storage);
	worker_stop(&worker);
}

static void a_flush_fails_with_the_whole_disk(void **state)
{
	const struct storage_fault_rule whole = {.rate = 1, .error = EIO, .length = SIZE};
	const struct storage_fault_rule nearly = {.rate = 1, .error = EIO, .length = SIZE - 512};
	struct storage *storage = faulty(null_disk(), &whole, 1);
	struct worker worker;

	(void)state;
	worker_start(&worker);
	assert_int_equal(run(&worker, storage, STORAGE_FLUSH, 0, 0), -EIO);
	storage_close(storage);
	storage = faulty(null_disk(), &nearly, 1);
	assert_int_equal(run(&worker, storage, STORAGE_FLUSH, 0, 0), 0);
	storage_close(storage);
	worker_stop(&worker);
}

static unsigned failures(struct storage *storage, unsigned requests, int error)
{
	struct worker worker;
	unsigned count = 0;

	worker_start(&worker);
	worker.thread.random = 4711;
	for (unsigned i = 0; i < requests; i++) {
		int result = run(&worker, storage, STORAGE_READ, 0, 512);

		assert_true(result == 0 || result == -error);
		count += result != 0;
	}
	worker_stop(&worker);
	return count;
}

static void a_rate_is_kept(void **state)
{
	static const double rates[] = {0, 0.001, 0.25, 0.9, 1};
	const unsigned requests = 200000;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		const struct storage_fault_rule rule = {.rate = rates[i], .error = EIO};
		struct storage *storage = faulty(null_disk(), &rule, 1);
		double deviation = sqrt(requests * rates[i] * (1 - rates[i]));
		double count = failures(storage, requests, EIO);

		/* A fixed stream of numbers: this cannot fail by chance. */
		assert_true(fabs(count - requests * rates[i]) <= 4 * deviation);
		storage_close(storage);
	}
}

static void a_count_ends_a_rule(void **state)
{
	const struct storage_fault_rule rules[] = {
		{.rate = 1, .error = EIO, .count = 3},
		{.rate = 1, .error = ENOSPC, .count = 2},
	};
	struct storage *storage = faulty(null_disk(), rules, 2);
	struct worker worker;

	(void)state;
	worker_start(&worker);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(run(&worker, storage, STORAGE_WRITE, 0, 512), i < 3 ? -EIO : i < 5 ? -ENOSPC : 0);
	storage_close(storage);
	worker_stop(&worker);
}

static void the_first_rule_that_matches_decides(void **state)
{
	const struct storage_fault_rule rules[] = {
		{.rate = 0, .error = EIO, .length = 4096}, /* spares the start */
		{.ops = 1u << STORAGE_READ, .rate = 1, .error = EIO},
		{.rate = 1, .error = ENOSPC},
	};
	struct storage *storage = faulty(null_disk(), rules, 3);
	struct worker worker;

	(void)state;
	worker_start(&worker);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 0, 512), 0);
	assert_int_equal(run(&worker, storage, STORAGE_READ, 8192, 512), -EIO);
	assert_int_equal(run(&worker, storage, STORAGE_WRITE, 8192, 512), -ENOSPC);
	storage_close(storage);
	worker_stop(&worker);
}

struct share {
	struct storage *storage;
	unsigned failed;
};

static void *take_errors(void *argument)
{
	struct share *share = argument;

	share->failed = failures(share->storage, 20000, EIO);
	return NULL;
}

static void a_count_is_for_all_workers_together(void **state)
{
	const struct storage_fault_rule rule = {.rate = 0.9, .error = EIO, .count = 30000};
	struct storage *storage = faulty(null_disk(), &rule, 1);
	struct share shares[4];
	pthread_t threads[4];
	unsigned failed = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		shares[i] = (struct share){.storage = storage};
		assert_int_equal(pthread_create(&threads[i], NULL, take_errors, &shares[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		failed += shares[i].failed;
	}
	assert_int_equal(failed, 30000);
	storage_close(storage);
}

/* Over a file: what fails has not been done, what passes has. */
static void what_fails_is_not_done(void **state)
{
	const struct storage_fault_rule rule = {
		.ops = 1u << STORAGE_WRITE, .rate = 1, .error = EIO, .offset = 65536, .length = 65536};
	struct storage *storage = faulty(open_file(make_file("disk", SIZE), STORAGE_CACHE_WRITEBACK), &rule, 1);
	char *memory = aligned_memory(65536);
	struct worker worker;

	(void)state;
	worker_start(&worker);
	stamp(memory, 65536, 0, 1);
	assert_int_equal(do_write(&worker, storage, memory, 0, 65536), 0);
	assert_int_equal(do_write(&worker, storage, memory, 65536, 65536), -EIO);
	assert_int_equal(do_read(&worker, storage, memory, 65536, 65536), 0);
	assert_true(is_zero(memory, 65536));
	assert_int_equal(do_read(&worker, storage, memory, 0, 65536), 0);
	assert_true(is_stamped(memory, 65536, 0, 1));
	free(memory);
	storage_close(storage);
	worker_stop(&worker);
}

/* Both wrappers around a file, as a configuration may have it. */
static void wrappers_stack(void **state)
{
	const struct storage_fault_rule rule = {.ops = 1u << STORAGE_FLUSH, .rate = 1, .error = EIO};
	const struct storage_delay_options options = {.kind = STORAGE_DELAY_FIXED, .mean_us = 100};
	const char *path = make_file("disk", SIZE);
	struct storage *storage = open_file(path, STORAGE_CACHE_WRITEBACK);
	char *memory = aligned_memory(65536);
	struct worker worker;
	struct error err;

	(void)state;
	worker_start(&worker);
	assert_int_equal(storage_delay_open(storage, &options, &storage, &err), 0);
	storage = faulty(storage, &rule, 1);
	stamp(memory, 65536, 0, 1);
	assert_int_equal(do_write(&worker, storage, memory, 0, 65536), 0);
	assert_int_equal(run(&worker, storage, STORAGE_FLUSH, 0, 0), -EIO);
	assert_true(storage_watch_fd(storage) >= 0);
	make_file("disk", 2 * SIZE);
	assert_int_equal(storage_refresh(storage, &err), 1);
	assert_int_equal(storage_size(storage), 2 * SIZE);
	free(memory);
	storage_close(storage);
	worker_stop(&worker);
}

static void refuse(struct storage_fault_rule rule, const char *what)
{
	struct storage_fault_rule rules[2] = {{.rate = 1, .error = EIO}, rule};
	struct storage *storage;
	struct error err;

	/* The disk below is closed by the failure; a leak is found by the sanitizer. */
	assert_int_equal(storage_fault_open(null_disk(), rules, 2, &storage, &err), -EINVAL);
	assert_contains(err.text, "disk n: fault rule 2: ");
	assert_contains(err.text, what);
}

static void impossible_rules_are_refused(void **state)
{
	(void)state;
	refuse((struct storage_fault_rule){.rate = 1.5, .error = EIO}, "rate 1.5: expected 0 to 1");
	refuse((struct storage_fault_rule){.rate = -0.1, .error = EIO}, "rate -0.1");
	refuse((struct storage_fault_rule){.rate = NAN, .error = EIO}, "expected 0 to 1");
	refuse((struct storage_fault_rule){.rate = 1}, "error 0: expected an errno");
	refuse((struct storage_fault_rule){.rate = 1, .error = -EIO}, "error -5");
	refuse((struct storage_fault_rule){.rate = 1, .error = EIO, .ops = 1u << 9}, "operations 0x200");
	refuse((struct storage_fault_rule){.rate = 1, .error = EIO, .offset = 512, .length = UINT64_MAX},
	       "beyond 2^64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_chosen_operations_fail),
		cmocka_unit_test(no_operation_means_all),
		cmocka_unit_test(a_range_is_exact),
		cmocka_unit_test(a_range_without_length_goes_to_the_end),
		cmocka_unit_test(a_flush_fails_with_the_whole_disk),
		cmocka_unit_test(a_rate_is_kept),
		cmocka_unit_test(a_count_ends_a_rule),
		cmocka_unit_test(the_first_rule_that_matches_decides),
		cmocka_unit_test(a_count_is_for_all_workers_together),
		cmocka_unit_test(what_fails_is_not_done),
		cmocka_unit_test(wrappers_stack),
		cmocka_unit_test(impossible_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
