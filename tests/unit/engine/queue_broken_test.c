/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that breaks the rules of its ring: its queue stands still, is said to, and all others go on. */
#include "echo.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { BAD, GOOD, QUEUES };

struct fixture {
	struct rig rig;
	struct storage *storage;
	struct queue queue[QUEUES];
	struct driver driver[QUEUES];
	struct load load[QUEUES];
};

/* Two queues of one worker on a storage that takes its time. */
static int set_up(void **state)
{
	const struct storage_delay_options options = {.kind = STORAGE_DELAY_FIXED, .mean_us = 2000};
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err;

	rig_create(&f->rig, RING_DEFER_TASKRUN, 0);
	assert_int_equal(storage_null_open("test", MIB, false, &f->storage, &err), 0);
	assert_int_equal(storage_delay_open(f->storage, &options, &f->storage, &err), 0);
	for (unsigned i = 0; i < QUEUES; i++) {
		echo_queue(&f->queue[i], i, f->storage);
		driver_create(&f->driver[i], &f->rig, &f->queue[i], i * 64 * 1024, 64, 65530);
		load_create(&f->load[i], &f->driver[i], GUEST_DATA + i * MIB, 16);
	}
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	said_end();
	for (unsigned i = 0; i < QUEUES; i++)
		driver_destroy(&f->driver[i]);
	rig_destroy(&f->rig);
	storage_close(f->storage);
	free(f);
	return 0;
}

/* A chain of the bad driver's, as it is. */
static void put(struct fixture *f, uint32_t length, uint16_t flags, uint16_t head)
{
	const struct vring_desc desc = hand_desc(GUEST_DATA, length, flags, 0);

	driver_put(&f->driver[BAD], &desc, 1, head);
}

static void a_head_given_twice(struct fixture *f)
{
	const uint16_t head = load_offer_tag(&f->load[BAD], f->load[BAD].next_tag++);

	if (f->driver[BAD].packed)
		put(f, 8, 0, head);
	else
		hand_ring_offer(&f->driver[BAD].ring, head);
}

static void a_head_beyond_the_ring(struct fixture *f)
{
	if (f->driver[BAD].packed)
		put(f, 8, 0, 64);
	else
		hand_ring_offer(&f->driver[BAD].ring, 64);
}

static void an_index_too_far_ahead(struct fixture *f)
{
	struct hand_ring *ring = &f->driver[BAD].ring;

	ring->offered = (uint16_t)(ring->offered + 1000);
	__atomic_store_n(&ring->avail->idx, ring->offered, __ATOMIC_RELEASE);
}

static void a_loop(struct fixture *f)
{
	hand_ring_write(&f->driver[BAD].ring, 60, GUEST_DATA, 8, VRING_DESC_F_NEXT, 60);
	hand_ring_offer(&f->driver[BAD].ring, 60);
}

/* Its successor is none that was made available, now or later. */
static void a_chain_without_an_end(struct fixture *f)
{
	put(f, 8, VRING_DESC_F_NEXT, 60);
	hand_packed_skip(&f->driver[BAD].packed_ring);
}

static void a_buffer_of_length_0(struct fixture *f)
{
	put(f, 0, 0, 60);
}

/* The device's own rules. */
static void a_chain_that_the_device_refuses(struct fixture *f)
{
	put(f, 7, 0, 60);
}

struct crime {
	void (*commit)(struct fixture *f);
	const char *cause;
	bool hides; /* what was offered just before it, too */
};

static const struct crime split_crimes[] = {
	{a_head_given_twice, "made available twice", false},
	{a_head_beyond_the_ring, "starts beyond the descriptor table", false},
	{an_index_too_far_ahead, "ahead by more than the queue size", true},
	{a_loop, "a loop", false},
	{a_buffer_of_length_0, "length 0", false},
	{a_chain_that_the_device_refuses, "not a chain of this test", false},
};

static const struct crime packed_crimes[] = {
	{a_head_given_twice, "made available twice", false},
	{a_head_beyond_the_ring, "id that is not below the queue size", false},
	{a_chain_without_an_end, "was not made available", false},
	{a_buffer_of_length_0, "length 0", false},
	{a_chain_that_the_device_refuses, "not a chain of this test", false},
};

static void serve_good_queue(struct fixture *f)
{
	load_offer(&f->load[GOOD], 16);
	driver_kick(&f->driver[GOOD]);
	load_drain(&f->load[GOOD]);
}

static void break_and_look_around(struct fixture *f, const struct crime *crime, unsigned times)
{
	struct driver *bad = &f->driver[BAD];
	const uint64_t before = f->load[BAD].completed;
	unsigned expected;

	/* Some good ones are in flight, and good ones follow the bad one. */
	load_offer(&f->load[BAD], 3);
	driver_kick(bad);
	if (crime->hides)
		load_drain(&f->load[BAD]);
	crime->commit(f);
	expected = (unsigned)(f->load[BAD].completed - before) + f->load[BAD].busy;
	load_offer(&f->load[BAD], 2);
	driver_kick(bad);
	wait_readable(bad->err_fd);
	serve_good_queue(f);
	/* It stands still, whatever else its driver does; what was taken before is answered. */
	assert_int_equal(eventfd_write(bad->kick_fd, 1), 0);
	serve_good_queue(f);
	driver_stop(bad);
	load_collect(&f->load[BAD]);
	assert_int_equal(f->load[BAD].completed - before, expected);
	assert_int_equal(read_event(bad->err_fd), 1);
	assert_int_equal(count_of(&f->queue[BAD].counters.broken), times);
	assert_int_equal(count_of(&f->queue[GOOD].counters.broken), 0);
}

static void one_breaks_the_other_works(void **state)
{
	const bool packed = rig_has_packed_rings();
	const struct crime *crimes = packed ? packed_crimes : split_crimes;
	const unsigned count = packed ? COUNT(packed_crimes) : COUNT(split_crimes);
	struct fixture *f = *state;

	driver_start(&f->driver[GOOD]);
	for (unsigned i = 0; i < count; i++) {
		const char *log;

		driver_start(&f->driver[BAD]);
		said_begin();
		break_and_look_around(f, &crimes[i], i + 1);
		log = said_end();
		assert_int_equal(said_lines(log, ""), 1);
		assert_contains(log, crimes[i].cause);
		assert_contains(log, "queue 0");
		/* Set up anew it works again. */
		driver_destroy(&f->driver[BAD]);
		driver_create(&f->driver[BAD], &f->rig, &f->queue[BAD], 0, 64, (uint16_t)i);
		load_create(&f->load[BAD], &f->driver[BAD], GUEST_DATA, 16);
		driver_start(&f->driver[BAD]);
		load_offer(&f->load[BAD], 16);
		driver_kick(&f->driver[BAD]);
		load_drain(&f->load[BAD]);
		driver_stop(&f->driver[BAD]);
	}
	driver_stop(&f->driver[GOOD]);
}

/* A broken queue's worker sleeps like any other, although there is something in the ring. */
static void a_broken_queue_does_not_keep_its_worker_awake(void **state)
{
	struct fixture *f = *state;

	for (unsigned kicks = 0; kicks < 2; kicks++) {
		said_begin();
		driver_start(&f->driver[BAD]);
		if (f->driver[BAD].packed)
			a_head_beyond_the_ring(f);
		else
			an_index_too_far_ahead(f);
		assert_int_equal(eventfd_write(f->driver[BAD].kick_fd, 1), 0);
		wait_readable(f->driver[BAD].err_fd);
		wait_asleep(f->rig.worker);
		driver_stop(&f->driver[BAD]);
		driver_forget(&f->driver[BAD]);
		said_end();
		read_event(f->driver[BAD].err_fd);
	}
}

/* Without an err descriptor it is only logged. */
static void nobody_to_tell(void **state)
{
	struct fixture *f = *state;

	close(f->driver[BAD].err_fd);
	f->driver[BAD].err_fd = -1;
	driver_start(&f->driver[BAD]);
	driver_start(&f->driver[GOOD]);
	said_begin();
	load_offer_tag(&f->load[BAD], ECHO_BREAK);
	driver_kick(&f->driver[BAD]);
	while (count_of(&f->queue[BAD].counters.broken) == 0)
		sched_yield();
	serve_good_queue(f);
	for (unsigned i = 0; i < QUEUES; i++)
		driver_stop(&f->driver[i]);
	assert_int_equal(said_lines(said_end(), "the test asked for it"), 1);
}

/* One that breaks its ring whenever it has set it up does not fill the log. */
static void broken_without_end(void **state)
{
	enum { TIMES = LOG_QUOTA + 6 };
	struct fixture *f = *state;
	struct log_quota quota = {0};

	said_begin();
	for (unsigned i = 0; i < TIMES; i++) {
		f->driver[BAD].quota = &quota;
		driver_start(&f->driver[BAD]);
		a_buffer_of_length_0(f);
		driver_kick(&f->driver[BAD]);
		wait_readable(f->driver[BAD].err_fd);
		driver_stop(&f->driver[BAD]);
		driver_destroy(&f->driver[BAD]);
		driver_create(&f->driver[BAD], &f->rig, &f->queue[BAD], 0, 64, (uint16_t)i);
	}
	assert_int_equal(said_lines(said_end(), "is broken by its driver"), LOG_QUOTA);
	assert_int_equal(said_lines(said_end(), ""), LOG_QUOTA + 1);
	assert_int_equal(count_of(&f->queue[BAD].counters.broken), TIMES);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(one_breaks_the_other_works),
		CASE(a_broken_queue_does_not_keep_its_worker_awake),
		CASE(nobody_to_tell),
		CASE(broken_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
