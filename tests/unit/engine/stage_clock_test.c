/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time of real requests on a real worker is said to have gone. */
#include "engine/stage_clock.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "echo.h"
#include "traces.h"

#define MS 1000000ull

struct fixture {
	struct rig rig;
	struct storage *storage;
	struct queue queue;
	uint64_t op_counts[STORAGE_OP_COUNT];
	struct driver driver;
	struct load load;
	struct stage_reading *reading;
};

/* The echo device, and it counts. */
static int counted_handle(struct queue *queue, struct request *request)
{
	const int ret = echo_ops.handle(queue, request);

	((struct fixture *)queue->device)->op_counts[STORAGE_READ] += ret == 0;
	return ret;
}

static struct queue_device_ops counted_ops;

static void begin(struct fixture *f, struct storage *storage, const struct queue_policy *policy)
{
	if (!STRAIT_STAGE_CLOCK)
		skip();
	memset(f, 0, sizeof(*f));
	rig_create(&f->rig, RING_DEFER_TASKRUN, 20);
	f->storage = storage;
	echo_queue(&f->queue, 3, storage);
	counted_ops = (struct queue_device_ops){.request_size = echo_ops.request_size, .handle = counted_handle};
	f->queue.ops = &counted_ops;
	f->queue.device = f;
	f->queue.op_counts = f->op_counts;
	f->queue.policy = *policy;
	f->queue.clock = stage_clock_create();
	assert_non_null(f->queue.clock);
	driver_create(&f->driver, &f->rig, &f->queue, 0, 64, 65500);
	f->driver.event_idx = false;
	load_create(&f->load, &f->driver, GUEST_DATA, 32);
	f->reading = malloc(sizeof(*f->reading));
	assert_non_null(f->reading);
	driver_start(&f->driver);
}

/* What was counted, when the worker has let go of the queue. It must be as many as were given back. */
static const struct stage_reading *stop_and_read(struct fixture *f)
{
	driver_stop(&f->driver);
	stage_reading_init(f->reading);
	for (enum storage_op op = 0; op < STORAGE_OP_COUNT; op++)
		stage_read(stage_clock_times(&f->queue, op), f->reading);
	assert_int_equal(f->reading->total.count, count_of(&f->queue.counters.requests));
	assert_int_equal(f->reading->total.count, f->load.completed);
	return f->reading;
}

static void end(struct fixture *f)
{
	driver_destroy(&f->driver);
	rig_destroy(&f->rig);
	storage_close(f->storage);
	stage_clock_destroy(f->queue.clock);
	free(f->reading);
}

static struct storage *null_storage(void)
{
	struct storage *storage;
	struct error err;

	assert_int_equal(storage_null_open("test", MIB, false, &storage, &err), 0);
	return storage;
}

static struct storage *delaying(double mean_us, double spread_us)
{
	const struct storage_delay_options delay = {
		.kind = STORAGE_DELAY_UNIFORM, .mean_us = mean_us, .spread_us = spread_us};
	struct storage *storage;
	struct error err;

	assert_int_equal(storage_delay_open(null_storage(), &delay, &storage, &err), 0);
	return storage;
}

static void run(struct fixture *f, unsigned rounds, unsigned together)
{
	for (unsigned i = 0; i < rounds; i++) {
		load_offer(&f->load, together);
		driver_kick(&f->driver);
		load_drain(&f->load);
	}
}

/* All are counted, once, and no more time than has passed; the stages add up. */
static void all_of_it_and_no_more(void **state)
{
	static const unsigned together[] = {1, 5, 32};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		const struct queue_policy policy = {.poll = i < 3 ? POLL_ADAPTIVE : POLL_ALWAYS};
		const struct stage_reading *reading;
		uint64_t sum = 0, began, passed;
		struct fixture f;

		begin(&f, null_storage(), &policy);
		began = clock_monotonic_ns();
		run(&f, 500, together[i % 3]);
		reading = stop_and_read(&f);
		for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
			sum += reading->stage[stage].sum;
			assert_int_equal(reading->stage[stage].count, reading->total.count);
		}
		assert_int_equal(sum, reading->total.sum);
		assert_true(reading->total.sum > 0);
		passed = (uint64_t)((double)(clock_monotonic_ns() - began) * 1.02);
		if (reading->total.max > passed)
			fail_msg("%u: %llu ns of %llu", i, (unsigned long long)reading->total.max,
				 (unsigned long long)passed);
		assert_int_equal(reading->stage[STAGE_HELD].sum, 0);
		end(&f);
	}
}

/* What a back end takes is the back end's. */
static void a_delay_is_the_back_ends(void **state)
{
	const struct queue_policy policy = {0};
	const struct stage_reading *reading;
	double spent[STAGE_COUNT], total;
	struct fixture f;

	(void)state;
	begin(&f, delaying(5000, 0), &policy);
	run(&f, 40, 2);
	reading = stop_and_read(&f);
	stage_reading_budget(reading, 0.5, spent, &total);
	assert_true(spent[STAGE_BACKEND] >= 4.9 * MS);
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		if (stage != STAGE_BACKEND)
			assert_true(spent[stage] < total / 5);
	/* Of one that was submitted by a worker who had no CPU meanwhile, a part is submit's. */
	assert_true(hist_quantile(&reading->total, 0.0) >= 4.9 * MS);
	end(&f);
}

/* One at a time: the n-th of eight waits in the ring for those before it. */
static void waiting_in_the_ring(void **state)
{
	const struct queue_policy policy = {.in_flight_max = 1};
	const struct stage_reading *reading;
	struct fixture f;

	(void)state;
	begin(&f, delaying(2000, 0), &policy);
	wait_asleep(f.rig.worker);
	run(&f, 5, 8);
	reading = stop_and_read(&f);
	/* 0 + 1 + ... + 7 times 2 ms, five times, less what the estimate may be wrong by. */
	assert_true(reading->stage[STAGE_RING].sum >= 5 * 28 * 2 * MS * 8 / 10);
	assert_true(reading->stage[STAGE_RING].sum >= 2 * reading->stage[STAGE_BACKEND].sum);
	assert_true(hist_quantile(&reading->stage[STAGE_SUBMIT], 0.5) <
		    hist_quantile(&reading->stage[STAGE_RING], 0.5) / 5);
	end(&f);
}

static uint64_t usual_notify(const struct queue_policy *policy)
{
	struct fixture f;
	uint64_t median;

	begin(&f, delaying(100000, 100000), policy);
	run(&f, 5, 32);
	median = hist_quantile(&stop_and_read(&f)->stage[STAGE_NOTIFY], 0.5);
	end(&f);
	return median;
}

/*
 * The time for which a call is held back is that of notifying. What is held goes back slowly enough for a worker that
 * is without a CPU at times: what comes back meanwhile is enough for a call.
 */
static void calls_held_back(void **state)
{
	const struct queue_policy at_once = {.poll = POLL_ALWAYS},
				  held = {.poll = POLL_ALWAYS, .coalesce_count = 16, .coalesce_ns = 500 * MS};

	(void)state;
	assert_true(usual_notify(&held) > 5 * usual_notify(&at_once));
}

/* A back end that works in submit(): each request has its own time, and those behind it wait for that. */
static void busy_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	const uint64_t end = clock_ticks() + clock_ns_to_ticks(MS / 2);

	(void)storage;
	(void)thread;
	while (clock_ticks() < end)
		continue;
	io->done(io, 0);
}

static void close_nothing(struct storage *storage)
{
	(void)storage;
}

static const struct storage_ops busy_ops = {.name = "busy", .submit = busy_submit, .close = close_nothing};

static void work_inside_submit(void **state)
{
	struct storage busy = {.ops = &busy_ops, .info = {.size = MIB, .block_size = 512, .works_inline = true}};
	const struct queue_policy policy = {0};
	const struct stage_reading *reading;
	struct fixture f;

	(void)state;
	begin(&f, &busy, &policy);
	run(&f, 4, 8);
	reading = stop_and_read(&f);
	assert_true(reading->stage[STAGE_BACKEND].min >= MS / 2 * 127 / 128);
	assert_true(reading->stage[STAGE_BACKEND].sum >= 32 * MS / 2);
	/* Of each eight the last waits for seven before it is taken, the first to be published with them. */
	assert_true(reading->stage[STAGE_RING].sum >= 4 * 28 * MS / 2 * 8 / 10);
	assert_true(reading->stage[STAGE_PUBLISH].sum >= 4 * 28 * MS / 2 * 8 / 10);
	end(&f);
}

/* Stopped and started, moved between workers: nothing is lost, nothing begins anew. */
static void through_stops_and_moves(void **state)
{
	const struct worker_options options = {.index = 1, .poll_max_us = 5, .best_ring = RING_DEFER_TASKRUN};
	const struct queue_policy policy = {.coalesce_count = 8, .coalesce_ns = 20000};
	struct worker *other;
	struct error err;
	struct fixture f;

	(void)state;
	begin(&f, delaying(20, 20), &policy);
	other = worker_create(&options, &err);
	assert_non_null(other);
	assert_int_equal(worker_start(other, &err), 0);
	for (unsigned i = 0; i < 100; i++) {
		load_offer(&f.load, 32);
		driver_kick(&f.driver);
		queue_move(&f.queue, queue_worker(&f.queue) == other ? f.rig.worker : other);
		if (i % 10 == 9)
			driver_start_at(&f.driver, driver_stop(&f.driver));
		load_drain(&f.load);
	}
	stop_and_read(&f);
	assert_int_equal(f.load.completed, 3200);
	driver_destroy(&f.driver);
	worker_stop(f.rig.worker);
	worker_destroy(other);
	rig_destroy(&f.rig);
	storage_close(f.storage);
	stage_clock_destroy(f.queue.clock);
	free(f.reading);
}

/* The slowest, with what is known of them. */
static void the_slow_ones(void **state)
{
	const struct queue_policy policy = {0};
	struct slow_request slow[SLOW_MOST];
	struct fixture f;
	unsigned count;

	(void)state;
	begin(&f, delaying(3000, 0), &policy);
	slow_set_threshold(stage_clock_slow(&f.queue), 2 * MS);
	wait_asleep(f.rig.worker);
	run(&f, 1, 1);
	wait_asleep(f.rig.worker);
	run(&f, 1, 3);
	driver_stop(&f.driver);
	count = slow_read(stage_clock_slow(&f.queue), slow, SLOW_MOST);
	assert_int_equal(count, 4);
	for (unsigned i = 0; i < count; i++) {
		uint64_t sum = 0;

		for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
			sum += slow[i].spent_ns[stage];
		assert_int_equal(sum, slow[i].total_ns);
		assert_true(slow[i].spent_ns[STAGE_BACKEND] >= 2.9 * MS);
		assert_int_equal(slow[i].op, STORAGE_READ);
		assert_int_equal(slow[i].length, 8);
		assert_true(slow[i].depth >= 1 && slow[i].depth <= 3);
		assert_int_equal(slow[i].queue, 3);
		assert_int_equal(slow[i].worker, 7);
	}
	/* The first one found the worker asleep. */
	for (unsigned i = 0; i < count; i++)
		if (slow[i].serial == 1)
			assert_int_equal(slow[i].activity, STAGE_ASLEEP);
	slow_reset(stage_clock_slow(&f.queue));
	assert_int_equal(slow_read(stage_clock_slow(&f.queue), slow, SLOW_MOST), 0);
	end(&f);
}

/* A queue whose owner has given it no clock goes on without one. */
static void without_a_clock(void **state)
{
	const struct queue_policy policy = {0};
	struct stage_clock *clock;
	struct fixture f;

	(void)state;
	begin(&f, null_storage(), &policy);
	driver_stop(&f.driver);
	clock = f.queue.clock;
	f.queue.clock = NULL;
	driver_start(&f.driver);
	run(&f, 10, 8);
	driver_stop(&f.driver);
	assert_null(stage_clock_times(&f.queue, STORAGE_READ));
	assert_null(stage_clock_slow(&f.queue));
	f.queue.clock = clock;
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_and_no_more), cmocka_unit_test(a_delay_is_the_back_ends),
		cmocka_unit_test(waiting_in_the_ring),   cmocka_unit_test(calls_held_back),
		cmocka_unit_test(work_inside_submit),    cmocka_unit_test(through_stops_and_moves),
		cmocka_unit_test(the_slow_ones),         cmocka_unit_test(without_a_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
