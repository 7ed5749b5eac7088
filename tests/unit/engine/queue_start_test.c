/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a queue, also where it cannot start, and what becomes of its descriptors. */
#include "echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct fixture {
	struct rig rig;
	struct storage *storage;
	struct queue queue;
	struct driver driver;
	struct load load;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err;

	rig_create(&f->rig, RING_DEFER_TASKRUN, 0);
	assert_int_equal(storage_null_open("test", MIB, false, &f->storage, &err), 0);
	echo_queue(&f->queue, 0, f->storage);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	driver_destroy(&f->driver);
	rig_destroy(&f->rig);
	storage_close(f->storage);
	free(f);
	return 0;
}

/* Each part of the ring elsewhere, and sizes that are none: refused with a reason, the descriptors closed. */
static void a_ring_that_is_none(void **state)
{
	struct fixture *f = *state;
	unsigned before;

	driver_create(&f->driver, &f->rig, &f->queue, 0, 8, 0);
	before = count_open_fds();
	for (unsigned i = 0; i < 5; i++) {
		struct queue_setup setup = {
			.ring = hand_ring_setup(&f->driver.ring),
			.kick_fd = eventfd(0, EFD_CLOEXEC),
			.call_fd = i % 2 ? eventfd(0, EFD_CLOEXEC) : -1,
			.err_fd = eventfd(0, EFD_CLOEXEC),
		};
		struct error err = {0};

		if (i < 3)
			*(uint64_t *[]){&setup.ring.desc, &setup.ring.avail, &setup.ring.used}[i] = 0x1000;
		else
			setup.ring.size = i == 3 ? 0 : 65536;
		assert_int_equal(queue_start(&f->queue, f->rig.worker, &setup, &err), -EINVAL);
		assert_int_equal(err.code, -EINVAL);
		assert_true(strlen(err.text) > 0);
		assert_int_equal(count_open_fds(), before);
	}
	/* It can be started all the same. */
	driver_start(&f->driver);
	driver_stop(&f->driver);
	assert_int_equal(count_open_fds(), before);
}

/* The queue's descriptors are closed when it has stopped, whichever it had. */
static void each_set_of_descriptors(void **state)
{
	struct fixture *f = *state;

	for (unsigned missing = 0; missing < 8; missing++) {
		unsigned before;

		driver_create(&f->driver, &f->rig, &f->queue, 0, 8, (uint16_t)(65530 + missing));
		load_create(&f->load, &f->driver, GUEST_DATA, 2);
		before = count_open_fds();
		if (missing & 1) {
			close(f->driver.kick_fd);
			f->driver.kick_fd = -1;
			before--;
		}
		if (missing & 2) {
			close(f->driver.call_fd);
			f->driver.call_fd = -1;
			before--;
		}
		if (missing & 4) {
			close(f->driver.err_fd);
			f->driver.err_fd = -1;
			before--;
		}
		driver_start(&f->driver);
		assert_int_equal(count_open_fds(), before + (unsigned)(3 - __builtin_popcount(missing)));
		load_offer(&f->load, 2);
		driver_kick(&f->driver);
		while (f->load.busy) {
			load_collect(&f->load);
			sched_yield();
		}
		driver_stop(&f->driver);
		assert_int_equal(count_open_fds(), before);
		if (missing < 7)
			driver_destroy(&f->driver);
	}
}

/* What the driver offered before the queue runs is found without a kick: the first look comes by itself. */
static void what_is_there_already(void **state)
{
	struct fixture *f = *state;

	driver_create(&f->driver, &f->rig, &f->queue, 0, 8, 65535);
	load_create(&f->load, &f->driver, GUEST_DATA, 4);
	load_offer(&f->load, 4);
	driver_start_at(&f->driver, 65535);
	load_drain(&f->load);
	assert_int_equal(driver_stop(&f->driver), 3);
	assert_int_equal(f->load.completed, 4);
	assert_int_equal(count_of(&f->queue.counters.requests), 4);
}

/* The largest ring, of which a corner is used. */
static void the_largest_ring(void **state)
{
	struct fixture *f = *state;
	struct vring_used_elem element;

	driver_create(&f->driver, &f->rig, &f->queue, 0, VIRTQ_MAX_SIZE, 0);
	hand_ring_write(&f->driver.ring, 32767, GUEST_DATA, 8, VRING_DESC_F_NEXT, 32766);
	hand_ring_write(&f->driver.ring, 32766, GUEST_DATA + 8, 8, VRING_DESC_F_WRITE, 0);
	memcpy(guest_at(&f->rig.guest, GUEST_DATA), "complete", 8);
	driver_start(&f->driver);
	driver_offer(&f->driver, 32767);
	element = driver_wait(&f->driver);
	assert_int_equal(element.id, 32767);
	assert_memory_equal(guest_at(&f->rig.guest, GUEST_DATA + 8), "complete", 8);
	driver_stop(&f->driver);
}

/* A call that its receiver makes wait: that is the worker's loss, not that of whoever starts the queue. */
static void a_call_that_waits(void **state)
{
	struct fixture *f = *state;
	uint64_t region[512] = {0};
	struct queue_setup setup;
	struct error err = {0};
	eventfd_t count;

	driver_create(&f->driver, &f->rig, &f->queue, 0, 8, 0);
	if (f->driver.packed)
		skip();
	setup = (struct queue_setup){.ring = hand_ring_setup(&f->driver.ring),
				     .kick_fd = -1,
				     .call_fd = eventfd(0, EFD_CLOEXEC),
				     .err_fd = -1};
	setup.ring.inflight = (struct inflight_area){.at = region, .entries = 8};
	assert_true(inflight_bytes(false, 8) <= sizeof(region));
	close(f->driver.call_fd);
	f->driver.call_fd = dup(setup.call_fd);
	assert_int_equal(eventfd_write(setup.call_fd, UINT64_MAX - 1), 0);
	assert_int_equal(queue_start(&f->queue, f->rig.worker, &setup, &err), 0);
	/* Here we are. Now the worker comes to its write, or is there. */
	assert_int_equal(eventfd_read(f->driver.call_fd, &count), 0);
	assert_int_equal(eventfd_read(f->driver.call_fd, &count), 0);
	assert_int_equal(count, 1);
	driver_stop(&f->driver);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_ring_that_is_none), CASE(each_set_of_descriptors), CASE(what_is_there_already),
		CASE(the_largest_ring),    CASE(a_call_that_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
