/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/schedule.h"
#include "bench/workload.h"

#define MIB ((uint64_t)1 << 20)

static void init(struct bench_workload *workload, bool random, const char *sizes, uint64_t region, uint64_t size)
{
	struct bench_options options = {.op = BENCH_READ, .random = random, .seed = 7};
	const char *why;

	assert_int_equal(bench_blocks_parse(&options.blocks, sizes, &why), 0);
	bench_workload_init(workload, &options, region, size);
}

static void test_random_stays_in_region(void **state)
{
	struct bench_workload workload;
	struct bench_io io;
	uint64_t low = UINT64_MAX, high = 0;

	(void)state;
	init(&workload, true, "8k-64k", 3 * 8192, MIB + 5000);
	for (unsigned i = 0; i < 100000; i++) {
		bench_workload_next(&workload, &io);
		assert_int_equal(io.offset % 8192, 0);
		assert_true(io.length >= 8192 && io.length <= 65536);
		low = io.offset < low ? io.offset : low;
		high = io.offset + io.length > high ? io.offset + io.length : high;
	}
	assert_int_equal(low, 3 * 8192);
	assert_int_equal(high, 3 * 8192 + MIB);
}

static void test_stream_covers_region(void **state)
{
	struct bench_workload workload;
	struct bench_io io;
	uint64_t next = MIB;

	(void)state;
	init(&workload, false, "4k,12k,64k", MIB, MIB);
	for (unsigned i = 0; i < 1000; i++) {
		bench_workload_next(&workload, &io);
		assert_int_equal(io.offset, next);
		next += io.length;
		assert_true(next <= 2 * MIB);
		if (next == 2 * MIB)
			next = MIB;
	}
}

static void test_sweep_covers_once(void **state)
{
	struct bench_workload load, sweep;
	struct bench_io io;
	uint64_t next = 0, count;

	(void)state;
	init(&load, true, "4k", 0, MIB + 4096);
	bench_workload_init_sweep(&sweep, &load, BENCH_WRITE, 65536);
	count = bench_workload_sweep_count(&sweep);
	assert_int_equal(count, 17);
	while (count--) {
		bench_workload_next(&sweep, &io);
		assert_int_equal(io.op, BENCH_WRITE);
		assert_int_equal(io.offset, next);
		next += io.length;
	}
	assert_int_equal(next, MIB + 4096);
}

static void test_mix_and_seed(void **state)
{
	struct bench_options options = {.op = BENCH_READ, .mixed = true, .random = true, .read_percent = 30, .seed = 1};
	struct bench_workload a, b;
	struct bench_io first, second;
	unsigned reads = 0;
	const char *why;

	(void)state;
	assert_int_equal(bench_blocks_parse(&options.blocks, "4k", &why), 0);
	bench_workload_init(&a, &options, 0, MIB);
	bench_workload_init(&b, &options, 0, MIB);
	for (unsigned i = 0; i < 100000; i++) {
		bench_workload_next(&a, &first);
		bench_workload_next(&b, &second);
		assert_int_equal(first.op, second.op);
		assert_int_equal(first.offset, second.offset);
		reads += first.op == BENCH_READ;
	}
	assert_in_range(reads, 29000, 31000);
	options.read_percent = 100;
	bench_workload_init(&a, &options, 0, MIB);
	for (unsigned i = 0; i < 10000; i++) {
		bench_workload_next(&a, &first);
		assert_int_equal(first.op, BENCH_READ);
	}
	options.read_percent = 0;
	bench_workload_init(&a, &options, 0, MIB);
	for (unsigned i = 0; i < 10000; i++) {
		bench_workload_next(&a, &first);
		assert_int_equal(first.op, BENCH_WRITE);
	}
}

static void test_flush_has_no_place(void **state)
{
	struct bench_workload workload;
	struct bench_io io;

	(void)state;
	init(&workload, false, "4k", 0, MIB);
	workload.op = BENCH_FLUSH;
	bench_workload_next(&workload, &io);
	assert_int_equal(io.length, 0);
}

static void test_schedule(void **state)
{
	struct bench_schedule schedule;
	uint64_t intended;

	(void)state;
	/* 2.6 GHz ticks, 20 k arrivals a second: one every 130000 ticks. */
	bench_schedule_init(&schedule, 1000, 2.6e9, 20000);
	assert_int_equal(bench_schedule_take(&schedule, 999, &intended), 0);
	assert_int_equal(bench_schedule_take(&schedule, 1000, &intended), 1);
	assert_int_equal(intended, 1000);
	assert_int_equal(bench_schedule_take(&schedule, 1000, &intended), 0);
	assert_int_equal(bench_schedule_next(&schedule), 131000);
	assert_int_equal(bench_schedule_backlog(&schedule, 130999), 0);
	assert_int_equal(bench_schedule_backlog(&schedule, 131000), 1);
	assert_int_equal(bench_schedule_backlog(&schedule, 131000 + 9 * 130000), 10);
	/* After a stall every arrival is still charged from when it was due. */
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(bench_schedule_take(&schedule, 10000000, &intended), 1);
		assert_int_equal(intended, 1000 + i * 130000);
	}
}

/* No drift: arrival rate * seconds is due after exactly that many seconds. */
static void test_schedule_does_not_drift(void **state)
{
	struct bench_schedule schedule;
	const uint64_t second = 2600000000u, day = 86400;

	(void)state;
	bench_schedule_init(&schedule, 0, (double)second, 333333);
	for (uint64_t days = 1; days < 365; days *= 3) {
		const uint64_t due = bench_schedule_at(&schedule, 333333 * day * days);
		const uint64_t ideal = second * day * days;

		/* Within a microsecond a day. */
		assert_true(due <= ideal && ideal - due < 2600 * 10 * days);
	}
	bench_schedule_init(&schedule, 0, (double)second, 0.001);
	assert_int_equal(bench_schedule_at(&schedule, 1), 1000 * second);
}

static void test_backlog_agrees_with_take(void **state)
{
	struct bench_schedule schedule, copy;
	uint64_t random = 3, intended;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		const double rate = (double)(1 + bench_random_below(bench_random_next(&random), 5000000));
		const uint64_t now = 500 + bench_random_below(bench_random_next(&random), 3000000);
		uint64_t taken = 0;

		bench_schedule_init(&schedule, 500, 2.6e9, rate);
		copy = schedule;
		while (bench_schedule_take(&copy, now, &intended))
			taken++;
		assert_int_equal(bench_schedule_backlog(&schedule, now), taken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_stays_in_region),  cmocka_unit_test(test_stream_covers_region),
		cmocka_unit_test(test_sweep_covers_once),       cmocka_unit_test(test_mix_and_seed),
		cmocka_unit_test(test_flush_has_no_place),      cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_schedule_does_not_drift), cmocka_unit_test(test_backlog_agrees_with_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
