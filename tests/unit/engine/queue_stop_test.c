/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping a queue: it drains, wherever its driver and its storage are at that moment, and goes on where it was. */
#include "echo.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

static struct storage *null_disk(void)
{
	struct storage *storage;
	struct error err;

	assert_int_equal(storage_null_open("test", MIB, false, &storage, &err), 0);
	return storage;
}

/* Completes in the ring, much later than it was submitted and in another order. */
static struct storage *slow_disk(double mean_us)
{
	const struct storage_delay_options options = {
		.kind = STORAGE_DELAY_UNIFORM, .mean_us = mean_us, .spread_us = mean_us};
	struct storage *storage;
	struct error err;

	assert_int_equal(storage_delay_open(null_disk(), &options, &storage, &err), 0);
	return storage;
}

/* A message that kicks the queue at the start of each turn of its worker. */
struct kicker {
	struct mailbox_message message; /* first */
	struct worker *worker;
	int fd;
	bool enough;
};

static void kick_again(struct mailbox_message *message)
{
	struct kicker *kicker = (struct kicker *)message;

	if (__atomic_load_n(&kicker->enough, __ATOMIC_ACQUIRE))
		return;
	eventfd_write(kicker->fd, 1);
	worker_post(kicker->worker, message);
}

/* A driver may kick as often as it likes: it cannot keep a queue from stopping. */
static void kicks_all_the_time(void **state)
{
	(void)state;
	for (int profile = 0; profile < RING_PROFILE_COUNT; profile++) {
		struct storage *storage = null_disk();
		struct kicker kicker = {.message.run = kick_again};
		struct driver driver;
		struct queue queue;
		struct rig rig;

		rig_create(&rig, (enum ring_profile)profile, 0);
		echo_queue(&queue, 0, storage);
		driver_create(&driver, &rig, &queue, 0, 8, 0);
		driver_start(&driver);
		kicker.worker = rig.worker;
		kicker.fd = driver.kick_fd;
		worker_post(rig.worker, &kicker.message);
		driver_stop(&driver);
		__atomic_store_n(&kicker.enough, true, __ATOMIC_RELEASE);
		/* The kicker ends with the worker, and only then its descriptor. */
		rig_destroy(&rig);
		driver_destroy(&driver);
		storage_close(storage);
	}
}

enum { QUEUES = 2, SLOTS = 32, STOPS = 40, BETWEEN_STOPS = 50 };

struct loaded {
	struct rig rig;
	struct storage *storage;
	struct queue queue[QUEUES];
	struct driver driver[QUEUES];
	struct load load[QUEUES];
};

static void loaded_create(struct loaded *l, enum ring_profile profile, uint32_t poll_max_us, double delay_us)
{
	rig_create(&l->rig, profile, poll_max_us);
	l->storage = slow_disk(delay_us);
	for (unsigned i = 0; i < QUEUES; i++) {
		echo_queue(&l->queue[i], i, l->storage);
		/* The indices wrap on the way. */
		driver_create(&l->driver[i], &l->rig, &l->queue[i], i * 64 * 1024, 2 * SLOTS, 65000);
		load_create(&l->load[i], &l->driver[i], GUEST_DATA + i * MIB, SLOTS);
		driver_start(&l->driver[i]);
	}
}

static void loaded_destroy(struct loaded *l)
{
	for (unsigned i = 0; i < QUEUES; i++)
		driver_destroy(&l->driver[i]);
	rig_destroy(&l->rig);
	storage_close(l->storage);
}

/* Keep all queues full while something goes on. */
static void keep_busy(struct loaded *l)
{
	for (unsigned i = 0; i < QUEUES; i++) {
		load_offer(&l->load[i], SLOTS);
		driver_kick(&l->driver[i]);
		load_collect(&l->load[i]);
	}
	sched_yield();
}

static void stop_and_start(struct loaded *l, unsigned i)
{
	struct driver *driver = &l->driver[i];
	uint32_t base;

	load_offer(&l->load[i], SLOTS);
	driver_kick(driver);
	driver_ask_to_stop(driver);
	while (!driver_has_stopped(driver))
		keep_busy(l);
	base = driver_wait_stopped(driver);
	/* All that was taken has been given back, and nothing else. */
	if (driver->packed)
		assert_int_equal(base >> 16, base & 0xffff);
	else
		assert_int_equal(driver->ring.used->idx, base);
	assert_int_equal(l->queue[i].in_flight, 0);
	driver_start_at(driver, base);
}

/*
 * Queues are stopped and started while their driver keeps them full, on each
 * kind of ring: each request is answered once, with its own answer.
 */
static void stops_under_load(void **state)
{
	(void)state;
	for (int profile = 0; profile < RING_PROFILE_COUNT; profile++) {
		struct loaded *l = calloc(1, sizeof(*l));
		const unsigned before = count_open_fds();

		loaded_create(l, (enum ring_profile)profile, profile ? 0 : 50, 100);
		for (unsigned stop = 0; stop < STOPS; stop++) {
			const unsigned i = stop % QUEUES;
			const uint64_t enough = l->load[i].completed + BETWEEN_STOPS;

			while (l->load[i].completed < enough)
				keep_busy(l);
			stop_and_start(l, i);
		}
		for (unsigned i = 0; i < QUEUES; i++) {
			load_drain(&l->load[i]);
			driver_stop(&l->driver[i]);
			assert_int_equal(l->load[i].completed, l->load[i].next_tag - 1);
			assert_int_equal(l->load[i].failed, 0);
			/* Counters go on through stops. */
			assert_int_equal(count_of(&l->queue[i].counters.requests), l->load[i].completed);
			assert_int_equal(count_of(&l->queue[i].counters.broken), 0);
		}
		loaded_destroy(l);
		assert_int_equal(count_open_fds(), before);
		free(l);
	}
}

/* What is in flight when the queue is to stop is waited for, however long it takes; what is not taken yet, is not. */
static void waits_for_what_is_in_flight(void **state)
{
	struct loaded *l = calloc(1, sizeof(*l));
	struct load *load = &l->load[0];
	uint32_t base;

	(void)state;
	loaded_create(l, RING_DEFER_TASKRUN, 0, 20000);
	load_offer(load, 5);
	driver_kick(&l->driver[0]);
	while (load_collect(load) == 0)
		sched_yield();
	/* One is back; some of the others are likely to be out still. */
	base = driver_stop(&l->driver[0]);
	load_collect(load);
	if (!l->driver[0].packed)
		assert_int_equal(load->completed, (uint16_t)(base - 65000));
	/* Offered to a queue that stands still: nobody looks at it. */
	load_offer(load, 3);
	driver_kick(&l->driver[0]);
	/* The same worker serves another meanwhile. */
	load_offer(&l->load[1], 1);
	driver_kick(&l->driver[1]);
	load_drain(&l->load[1]);
	assert_int_equal(load_collect(load), 0);
	driver_start_at(&l->driver[0], base);
	load_drain(load);
	assert_int_equal(load->completed, 8);
	for (unsigned i = 0; i < QUEUES; i++)
		driver_stop(&l->driver[i]);
	loaded_destroy(l);
	free(l);
}

/* A storage that holds everything until it is told to let go, on the worker. */
struct gate {
	struct storage storage; /* first */
	struct mailbox_message open;
	struct storage_io *held;
	unsigned count;
};

static void gate_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	struct gate *gate = (struct gate *)storage;

	(void)thread;
	io->next = gate->held;
	gate->held = io;
	__atomic_store_n(&gate->count, gate->count + 1, __ATOMIC_RELEASE);
}

static void gate_open(struct mailbox_message *message)
{
	struct gate *gate = (struct gate *)((char *)message - offsetof(struct gate, open));
	struct storage_io *io = gate->held;

	gate->held = NULL;
	while (io) {
		struct storage_io *next = io->next;

		io->done(io, 0);
		io = next;
	}
}

static const struct storage_ops gate_ops = {.name = "gate", .submit = gate_submit};

/* From the moment it is told to stop, a queue takes nothing more, however long the rest takes. */
static void takes_nothing_more(void **state)
{
	struct gate gate = {.storage.ops = &gate_ops, .open.run = gate_open};
	struct driver driver;
	struct queue queue;
	struct load load;
	struct rig rig;
	uint32_t base;

	(void)state;
	rig_create(&rig, RING_DEFER_TASKRUN, 0);
	echo_queue(&queue, 0, &gate.storage);
	driver_create(&driver, &rig, &queue, 0, 2 * SLOTS, 65534);
	load_create(&load, &driver, GUEST_DATA, SLOTS);
	driver_start(&driver);
	load_offer(&load, 3);
	driver_kick(&driver);
	while (__atomic_load_n(&gate.count, __ATOMIC_ACQUIRE) < 3)
		sched_yield();
	driver_ask_to_stop(&driver);
	rig_let_worker_turn(&rig);
	load_offer(&load, 2);
	assert_int_equal(eventfd_write(driver.kick_fd, 1), 0);
	rig_let_worker_turn(&rig);
	assert_int_equal(__atomic_load_n(&gate.count, __ATOMIC_ACQUIRE), 3);
	assert_int_equal(load_collect(&load), 0);
	assert_false(driver_has_stopped(&driver));
	worker_post(rig.worker, &gate.open);
	base = driver_wait_stopped(&driver);
	if (!driver.packed)
		assert_int_equal(base, 1);
	assert_int_equal(load_collect(&load), 3);
	rig_destroy(&rig);
	driver_destroy(&driver);
}

/* The call descriptor is exchanged again and again under load, sometimes for none: no answer is missed. */
static void the_call_descriptor_changes_under_load(void **state)
{
	struct loaded *l = calloc(1, sizeof(*l));
	struct driver *driver = &l->driver[0];
	struct load *load = &l->load[0];
	unsigned before;

	(void)state;
	loaded_create(l, RING_DEFER_TASKRUN, 0, 50);
	before = count_open_fds();
	for (unsigned i = 0; i < 300; i++) {
		const uint64_t enough = load->completed + SLOTS / 2;
		int fresh = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

		load_offer(load, SLOTS);
		driver_kick(driver);
		if (i % 5 == 0)
			assert_int_equal(queue_set_call(driver->queue, -1), 0);
		assert_int_equal(queue_set_call(driver->queue, dup(fresh)), 0);
		close(driver->call_fd);
		driver->call_fd = fresh;
		if (i % 2)
			load_drain(load);
		while (load->completed < enough) {
			load_collect(load);
			sched_yield();
		}
	}
	load_drain(load);
	assert_int_equal(load->completed, load->next_tag - 1);
	/* The queue had one and has one; the others are gone. The last exchange has been carried out: it was waited
	 * for. */
	wait_asleep(l->rig.worker);
	assert_int_equal(count_open_fds(), before);
	for (unsigned i = 0; i < QUEUES; i++)
		driver_stop(&l->driver[i]);
	loaded_destroy(l);
	free(l);
}

/* A new call descriptor is signalled once: what came meanwhile may have been told to the old one. */
static void a_new_call_descriptor_is_told(void **state)
{
	struct loaded *l = calloc(1, sizeof(*l));
	int fresh = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	(void)state;
	loaded_create(l, RING_DEFER_TASKRUN, 0, 50);
	assert_int_equal(queue_set_call(&l->queue[0], dup(fresh)), 0);
	wait_readable(fresh);
	assert_int_equal(read_event(fresh), 1);
	close(fresh);
	for (unsigned i = 0; i < QUEUES; i++)
		driver_stop(&l->driver[i]);
	loaded_destroy(l);
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kicks_all_the_time),
		cmocka_unit_test(stops_under_load),
		cmocka_unit_test(waits_for_what_is_in_flight),
		cmocka_unit_test(takes_nothing_more),
		cmocka_unit_test(the_call_descriptor_changes_under_load),
		cmocka_unit_test(a_new_call_descriptor_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
