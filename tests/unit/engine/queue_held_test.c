/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that have to wait for a limit: in time, in a stop, in a move, and when the limit changes. */
#include "echo.h"

#include <string.h>

#include "base/clock.h"

enum { SLOTS = 64 };

struct held {
	struct rig rig;
	struct storage *storage;
	struct qos_node node;
	struct queue queue;
	struct driver driver;
	struct load load;
};

static void set_rate(struct held *h, uint64_t rate)
{
	struct qos_limits limits = {0};

	limits.limit[QOS_READ_IOPS].rate = rate;
	qos_node_set_limits(&h->node, &limits, qos_now());
	__atomic_store_n(&h->queue.limited, qos_node_limits(&h->node), __ATOMIC_RELAXED);
}

/* Its storage takes 200 us for a request. */
static void held_create(struct held *h, uint64_t rate)
{
	const struct storage_delay_options delay = {.mean_us = 200};
	struct error err;

	rig_create(&h->rig, RING_DEFER_TASKRUN, 0);
	assert_int_equal(storage_null_open("test", MIB, false, &h->storage, &err), 0);
	assert_int_equal(storage_delay_open(h->storage, &delay, &h->storage, &err), 0);
	echo_queue(&h->queue, 0, h->storage);
	qos_node_init(&h->node, qos_now());
	h->queue.qos = &h->node;
	set_rate(h, rate);
	driver_create(&h->driver, &h->rig, &h->queue, 0, 2 * SLOTS, 65500);
	load_create(&h->load, &h->driver, GUEST_DATA, SLOTS);
	driver_start(&h->driver);
}

/* Nothing is left over in the node when all is done. */
static void held_destroy(struct held *h)
{
	driver_stop(&h->driver);
	load_collect(&h->load);
	assert_int_equal(h->load.busy, 0);
	assert_int_equal(h->load.failed, 0);
	assert_int_equal(h->queue.held_now, 0);
	assert_int_equal(h->node.held, 0);
	assert_int_equal(h->node.under_way, 0);
	rig_destroy(&h->rig);
	driver_destroy(&h->driver);
	storage_close(h->storage);
}

static void offer(struct held *h, unsigned count)
{
	assert_int_equal(load_offer(&h->load, count), count);
	driver_kick(&h->driver);
}

static void wait_held(struct held *h, uint32_t count)
{
	while (__atomic_load_n(&h->queue.held_now, __ATOMIC_RELAXED) != count) {
		load_collect(&h->load);
		sched_yield();
	}
}

/* Not sooner than the limit says; and later only as far as the machine is slow, which the test does not look at. */
static void pass_when_they_are_due(void **state)
{
	struct held h;
	uint64_t start, slow;

	(void)state;
	held_create(&h, 100);
	start = clock_monotonic_ns();
	offer(&h, 20);
	while (count_of(&h.queue.counters.requests) + __atomic_load_n(&h.queue.in_flight, __ATOMIC_RELAXED) < 20)
		sched_yield();
	/* Of these 11 may pass at once, and those whose time came before they were taken. */
	slow = clock_monotonic_ns() - start;
	load_drain(&h.load);
	assert_true(count_of(&h.queue.counters.held) + slow / 10000000 >= 8);
	assert_true(count_of(&h.queue.counters.held_ns) + 10 * slow >= 285000000);
	offer(&h, 20);
	load_drain(&h.load);
	assert_true(clock_monotonic_ns() - start >= 285000000);
	held_destroy(&h);
}

/* The worker sleeps in the meantime, and is not woken by what is not due. */
static void wait_asleep_for_their_time(void **state)
{
	struct held h;

	(void)state;
	held_create(&h, 1);
	offer(&h, 3);
	wait_held(&h, 2);
	wait_asleep(h.rig.worker);
	assert_int_equal(count_of(&h.queue.counters.held), 2);
	held_destroy(&h);
}

/* A stop does not take the 40 s that the limit would. */
static void are_submitted_at_a_stop(void **state)
{
	struct held h;
	uint64_t start;
	uint32_t base;

	(void)state;
	held_create(&h, 1);
	offer(&h, 40);
	wait_held(&h, 39);
	start = clock_monotonic_ns();
	base = driver_stop(&h.driver);
	assert_true(clock_monotonic_ns() - start < 20000000000);
	load_collect(&h.load);
	assert_int_equal(h.load.completed, 40);
	/* They were not for nothing: the next one is not even taken, so that a stop could not let it pass. */
	offer(&h, 1);
	for (unsigned i = 0; i < 3; i++) {
		driver_start_at(&h.driver, base);
		wait_asleep(h.rig.worker);
		base = driver_stop(&h.driver);
		load_collect(&h.load);
		assert_int_equal(h.load.completed, 40);
	}
	driver_start_at(&h.driver, base);
	wait_asleep(h.rig.worker);
	set_rate(&h, 1000000);
	load_drain(&h.load);
	held_destroy(&h);
}

static void move_with_their_queue(void **state)
{
	const struct worker_options options = {.index = 1, .best_ring = RING_DEFER_TASKRUN};
	struct worker *other;
	struct error err;
	struct held h;

	(void)state;
	held_create(&h, 1);
	other = worker_create(&options, &err);
	assert_non_null(other);
	assert_int_equal(worker_start(other, &err), 0);
	offer(&h, 10);
	wait_held(&h, 9);
	queue_move(&h.queue, other);
	while (queue_worker(&h.queue) != other || __atomic_load_n(&h.queue.move_pending, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(count_of(&h.queue.counters.moves), 1);
	/* They are there, and pass one after the other. */
	while (h.load.completed < 2)
		load_collect(&h.load);
	assert_in_range(__atomic_load_n(&h.queue.held_now, __ATOMIC_RELAXED), 1, 8);
	driver_stop(&h.driver);
	driver_start(&h.driver);
	held_destroy(&h);
	worker_destroy(other);
}

/* Whoever sleeps until a request is due hears that it is due earlier. */
static void pass_when_limits_change(void **state)
{
	(void)state;
	for (unsigned rate = 0; rate <= 100000; rate += 100000) {
		struct held h;

		held_create(&h, 1);
		offer(&h, 60);
		wait_held(&h, 59);
		wait_asleep(h.rig.worker);
		set_rate(&h, rate);
		worker_ask_again(h.rig.worker);
		load_drain(&h.load);
		assert_true(h.load.completed == 60);
		held_destroy(&h);
	}
}

/* With a limit on how many are under way, one takes the place of another without waiting for a time. */
static void pass_when_others_are_done(void **state)
{
	struct held h;

	(void)state;
	held_create(&h, 0);
	qos_node_set_cap(&h.node, 1);
	__atomic_store_n(&h.queue.limited, true, __ATOMIC_RELAXED);
	for (unsigned round = 0; round < 20; round++) {
		offer(&h, SLOTS);
		load_drain(&h.load);
	}
	assert_true(count_of(&h.queue.counters.held) > 0);
	held_destroy(&h);
}

/* Two queues of a disk on one worker, each of which always wants more, have the same of their limit. */
static void take_turns_with_those_of_other_queues(void **state)
{
	const unsigned depth = SLOTS / 2;
	struct queue queue;
	struct driver driver;
	struct load load;
	struct held h;

	(void)state;
	held_create(&h, 1000);
	echo_queue(&queue, 1, h.storage);
	queue.qos = &h.node;
	queue.limited = true;
	driver_create(&driver, &h.rig, &queue, MIB, 2 * SLOTS, 0);
	load_create(&load, &driver, GUEST_DATA + MIB, SLOTS);
	driver_start(&driver);
	while (h.load.completed + load.completed < 800) {
		if (load_offer(&h.load, depth - h.load.busy))
			driver_kick(&h.driver);
		if (load_offer(&load, depth - load.busy))
			driver_kick(&driver);
		sched_yield();
		load_collect(&h.load);
		load_collect(&load);
	}
	assert_true(h.load.completed >= 240);
	assert_true(load.completed >= 240);
	driver_stop(&driver);
	load_collect(&load);
	held_destroy(&h);
	driver_destroy(&driver);
}

static int set_up(void **state)
{
	(void)state;
	clock_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pass_when_they_are_due),
		cmocka_unit_test(wait_asleep_for_their_time),
		cmocka_unit_test(are_submitted_at_a_stop),
		cmocka_unit_test(move_with_their_queue),
		cmocka_unit_test(pass_when_limits_change),
		cmocka_unit_test(pass_when_others_are_done),
		cmocka_unit_test(take_turns_with_those_of_other_queues),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
