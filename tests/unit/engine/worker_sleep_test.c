/* SPDX-License-Identifier: Apache-2.0 */
/* When a worker sleeps, what wakes it, and that nothing else does. */
#include "echo.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
	struct rig rig;
	struct storage *storage;
	struct queue queue;
	struct driver driver;
	struct load load;
};

static void begin(struct fixture *f, enum ring_profile profile, uint32_t poll_max_us, bool event_idx, double delay_us)
{
	const struct storage_delay_options options = {.mean_us = delay_us};
	struct error err;

	memset(f, 0, sizeof(*f));
	rig_create(&f->rig, profile, poll_max_us);
	assert_int_equal(storage_null_open("test", MIB, false, &f->storage, &err), 0);
	assert_int_equal(storage_delay_open(f->storage, &options, &f->storage, &err), 0);
	echo_queue(&f->queue, 0, f->storage);
	driver_create(&f->driver, &f->rig, &f->queue, 0, 64, 65500);
	f->driver.event_idx = event_idx;
	load_create(&f->load, &f->driver, GUEST_DATA, 32);
}

static void end(struct fixture *f)
{
	driver_stop(&f->driver);
	driver_destroy(&f->driver);
	rig_destroy(&f->rig);
	storage_close(f->storage);
}

static void one_round_trip(struct fixture *f)
{
	load_offer(&f->load, 1);
	driver_kick(&f->driver);
	load_drain(&f->load);
}

static uint64_t turns(const struct fixture *f)
{
	return count_of(&worker_counters(f->rig.worker)->turns);
}

static uint64_t sleeps(const struct fixture *f)
{
	return count_of(&worker_counters(f->rig.worker)->sleeps);
}

/* Each kick finds the worker asleep, and wakes it. A lost one hangs. */
static void a_kick_wakes(void **state)
{
	(void)state;
	for (int profile = 0; profile < RING_PROFILE_COUNT; profile++) {
		for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
			struct fixture f;

			begin(&f, (enum ring_profile)profile, 0, event_idx, 0);
			driver_start(&f.driver);
			for (unsigned i = 1; i <= 50; i++) {
				wait_asleep(f.rig.worker);
				one_round_trip(&f);
				assert_int_equal(count_of(&f.queue.counters.kicks), i);
			}
			end(&f);
		}
	}
}

/* The driver's next kick comes at any moment of the worker's falling asleep. */
static void kicks_while_it_falls_asleep(void **state)
{
	static const uint32_t windows[] = {0, 5, 1000};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct fixture f;

		begin(&f, RING_DEFER_TASKRUN, windows[i % 3], i / 3, 0);
		driver_start(&f.driver);
		for (unsigned k = 0; k < 3000; k++) {
			one_round_trip(&f);
			for (volatile unsigned pause = 0; pause < k * 7 % 4000; pause++)
				continue;
		}
		assert_int_equal(f.load.completed, 3000);
		end(&f);
	}
}

/* The worker of an idle disk does not run at all, for as long as another needs for thousands of requests. */
static void an_idle_worker_does_not_turn(void **state)
{
	static const uint32_t windows[] = {0, 50};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct fixture idle, busy;
		uint64_t turns_before, sleeps_before;

		begin(&idle, i < 2 ? RING_DEFER_TASKRUN : RING_PLAIN, windows[i % 2], true, 0);
		begin(&busy, RING_DEFER_TASKRUN, 0, true, 0);
		driver_start(&idle.driver);
		driver_start(&busy.driver);
		for (unsigned k = 0; k < 100; k++)
			one_round_trip(&idle);
		wait_asleep(idle.rig.worker);
		turns_before = turns(&idle);
		sleeps_before = sleeps(&idle);
		for (unsigned k = 0; k < 3000; k++)
			one_round_trip(&busy);
		assert_int_equal(turns(&idle), turns_before);
		assert_int_equal(sleeps(&idle), sleeps_before);
		/* It was asleep, not dead. */
		one_round_trip(&idle);
		end(&idle);
		end(&busy);
	}
}

/* Who waits for the device sleeps, too. */
static void sleeps_while_requests_are_in_flight(void **state)
{
	struct fixture f;
	uint64_t turns_before, sleeps_before;

	(void)state;
	begin(&f, RING_DEFER_TASKRUN, 0, true, 50000);
	driver_start(&f.driver);
	wait_asleep(f.rig.worker);
	turns_before = turns(&f);
	sleeps_before = sleeps(&f);
	one_round_trip(&f);
	assert_true(sleeps(&f) > sleeps_before);
	/* Woken by the kick and by the timer, a few turns each: not for 50 ms. */
	assert_true(turns(&f) - turns_before < 50);
	end(&f);
}

/* A driver that cannot kick is looked at all the time, and no longer when its queue has stopped. */
static void a_queue_without_kicks_is_polled(void **state)
{
	struct fixture f;
	uint64_t sleeps_before;

	(void)state;
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		begin(&f, RING_DEFER_TASKRUN, 0, event_idx, 0);
		close(f.driver.kick_fd);
		f.driver.kick_fd = -1;
		driver_start(&f.driver);
		one_round_trip(&f);
		sleeps_before = sleeps(&f);
		for (unsigned i = 0; i < 2000; i++)
			one_round_trip(&f);
		assert_int_equal(sleeps(&f), sleeps_before);
		assert_int_equal(count_of(&f.queue.counters.kicks), 0);
		driver_stop(&f.driver);
		wait_asleep(f.rig.worker);
		driver_start(&f.driver);
		one_round_trip(&f);
		end(&f);
	}
}

/* Deep queues are told less often than they complete. */
static void answers_are_told_in_batches(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, RING_DEFER_TASKRUN, 0, true, 0);
	driver_start(&f.driver);
	wait_asleep(f.rig.worker);
	for (unsigned i = 0; i < 100; i++) {
		load_offer(&f.load, 32);
		driver_kick(&f.driver);
		load_drain(&f.load);
	}
	assert_int_equal(f.load.completed, 3200);
	assert_true(count_of(&f.queue.counters.calls) < 1600);
	assert_true(count_of(&f.queue.counters.kicks) < 1600);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kick_wakes),
		cmocka_unit_test(kicks_while_it_falls_asleep),
		cmocka_unit_test(an_idle_worker_does_not_turn),
		cmocka_unit_test(sleeps_while_requests_are_in_flight),
		cmocka_unit_test(a_queue_without_kicks_is_polled),
		cmocka_unit_test(answers_are_told_in_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
