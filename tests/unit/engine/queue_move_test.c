/* SPDX-License-Identifier: Apache-2.0 */
/* A queue moves from one worker to another and back while its driver goes on. */
#include "echo.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "traces.h"

struct fixture {
	struct rig rig;
	struct worker *other;
	struct storage *storage;
	struct queue queue;
	struct driver driver;
	struct load load;
};

static void begin(struct fixture *f, double delay_us)
{
	const struct storage_delay_options delay = {
		.kind = STORAGE_DELAY_UNIFORM, .mean_us = delay_us, .spread_us = delay_us};
	const struct worker_options options = {.index = 1, .poll_max_us = 5, .best_ring = RING_DEFER_TASKRUN};
	struct error err;

	memset(f, 0, sizeof(*f));
	rig_create(&f->rig, RING_DEFER_TASKRUN, 5);
	f->other = worker_create(&options, &err);
	assert_non_null(f->other);
	assert_int_equal(worker_start(f->other, &err), 0);
	assert_int_equal(storage_null_open("test", MIB, false, &f->storage, &err), 0);
	assert_int_equal(storage_delay_open(f->storage, &delay, &f->storage, &err), 0);
	echo_queue(&f->queue, 0, f->storage);
	driver_create(&f->driver, &f->rig, &f->queue, 0, 64, 65500);
	f->driver.event_idx = true;
	load_create(&f->load, &f->driver, GUEST_DATA, 32);
	driver_start(&f->driver);
}

static void end(struct fixture *f)
{
	driver_stop(&f->driver);
	driver_destroy(&f->driver);
	worker_stop(f->rig.worker);
	worker_destroy(f->other);
	rig_destroy(&f->rig);
	storage_close(f->storage);
}

static uint64_t moves(const struct fixture *f)
{
	return count_of(&f->queue.counters.moves) + count_of(&f->queue.counters.moves_given_up);
}

static struct worker *elsewhere(const struct fixture *f)
{
	return queue_worker(&f->queue) == f->other ? f->rig.worker : f->other;
}

/* Keep requests going until the last move that was asked for is over. */
static void finish_move(struct fixture *f, uint64_t before)
{
	while (moves(f) == before) {
		load_offer(&f->load, 4);
		driver_kick(&f->driver);
		load_collect(&f->load);
	}
}

static void under_load(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 20);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t before = moves(&f);

		load_offer(&f.load, 32);
		driver_kick(&f.driver);
		queue_move(&f.queue, elsewhere(&f));
		finish_move(&f, before);
	}
	load_drain(&f.load);
	assert_int_equal(f.load.failed, 0);
	assert_true(count_of(&f.queue.counters.moves) > 0);
	end(&f);
}

/* The driver finds the queue wherever it is: both workers sleep, one is woken by the kick. */
static void an_idle_queue(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t before = count_of(&f.queue.counters.moves);

		queue_move(&f.queue, elsewhere(&f));
		while (count_of(&f.queue.counters.moves) == before)
			usleep(10);
		wait_asleep(f.rig.worker);
		wait_asleep(f.other);
		load_offer(&f.load, 1);
		driver_kick(&f.driver);
		load_drain(&f.load);
	}
	assert_int_equal(count_of(&f.queue.counters.moves), 100);
	end(&f);
}

/* A request that takes long keeps its queue where it is, and does not keep others of it waiting for that. */
static void slow_requests(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 200000);
	load_offer(&f.load, 8);
	driver_kick(&f.driver);
	rig_let_worker_turn(&f.rig);
	queue_move(&f.queue, f.other);
	while (count_of(&f.queue.counters.moves_given_up) == 0)
		usleep(10);
	assert_int_equal(count_of(&f.queue.counters.moves), 0);
	assert_true(queue_worker(&f.queue) == f.rig.worker);
	load_drain(&f.load);
	end(&f);
}

/* Messages that chase a moving queue reach it. */
static void stopped_and_recalled_on_the_way(void **state)
{
	const unsigned descriptors = count_open_fds();
	struct fixture f;

	(void)state;
	begin(&f, 5);
	for (unsigned i = 0; i < 200; i++) {
		load_offer(&f.load, 16);
		driver_kick(&f.driver);
		queue_move(&f.queue, elsewhere(&f));
		/* Two, of which the first may come after the second. */
		assert_int_equal(queue_set_call(&f.queue, eventfd(0, EFD_NONBLOCK)), 0);
		assert_int_equal(queue_set_call(&f.queue, dup(f.driver.call_fd)), 0);
		if (i % 3 == 0)
			rig_let_worker_turn(&f.rig);
		driver_start_at(&f.driver, driver_stop(&f.driver));
		load_collect(&f.load);
	}
	load_drain(&f.load);
	assert_int_equal(f.load.failed, 0);
	end(&f);
	assert_int_equal(count_open_fds(), descriptors);
}

/* A worker with a queue that is to be polled for never sleeps, and sleeps again when that is gone. */
static void how_the_workers_sleep(void **state)
{
	static const enum poll_mode modes[] = {POLL_ALWAYS, POLL_NEVER, POLL_ADAPTIVE};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct fixture f;

		begin(&f, 0);
		driver_stop(&f.driver);
		f.queue.policy.poll = modes[i];
		driver_start(&f.driver);
		load_offer(&f.load, 1);
		driver_kick(&f.driver);
		load_drain(&f.load);
		if (modes[i] == POLL_ALWAYS) {
			uint64_t sleeps, turns;

			rig_let_worker_turn(&f.rig);
			sleeps = count_of(&worker_counters(f.rig.worker)->sleeps);
			turns = count_of(&worker_counters(f.rig.worker)->turns);
			while (count_of(&worker_counters(f.rig.worker)->turns) < turns + 100000)
				usleep(100);
			assert_int_equal(count_of(&worker_counters(f.rig.worker)->sleeps), sleeps);
			driver_stop(&f.driver);
			wait_asleep(f.rig.worker);
			driver_start(&f.driver);
		} else {
			wait_asleep(f.rig.worker);
		}
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(under_load),
		cmocka_unit_test(an_idle_queue),
		cmocka_unit_test(slow_requests),
		cmocka_unit_test(stopped_and_recalled_on_the_way),
		cmocka_unit_test(how_the_workers_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
