/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device is killed between any two of its instructions: what it leaves is
 * enough for the next one to lose no request and to give none back twice.
 */
#include "inflight_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPERATIONS = 200, ROUNDS_AFTER = 4 };

struct fixture {
	struct guest guest, later;  /* of the device that is killed, and of those after it */
	struct world *world;        /* shared with the device */
	struct world *left, *after; /* what it left, and what is made of it */
	char ring_left[RIG_RING_BYTES];
	struct device *device;
	unsigned crashes;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	guest_create(&f->guest);
	guest_create(&f->later);
	f->world = mmap(NULL, sizeof(*f->world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(f->world, MAP_FAILED);
	f->left = aligned_alloc(64, sizeof(*f->left));
	f->after = aligned_alloc(64, sizeof(*f->after));
	f->device = calloc(1, sizeof(*f->device));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	munmap(f->world, sizeof(*f->world));
	guest_destroy(&f->guest);
	guest_destroy(&f->later);
	free(f->left);
	free(f->after);
	free(f->device);
	free(f);
	return 0;
}

/* Requests that the driver waits for and that are not in the used ring. */
static unsigned count_outstanding(struct fixture *f)
{
	unsigned count = 0;

	world_copy(f->after, &f->later, f->left, f->ring_left);
	world_collect(f->after);
	for (unsigned i = 0; i < RIG_SLOTS; i++)
		count += f->after->out[i];
	return count;
}

/* All rounds that the ring has, so that what was left in it anywhere comes to light. */
static void serve_on(struct fixture *f)
{
	struct device *device = f->device;
	struct error err = {0};
	uint32_t ticket;

	if (device_open(device, f->after, &err) < 0)
		fail_msg("crash %u, opened again: %s", f->crashes, err.text);
	assert_false(virtq_recovering(&device->vq));
	for (unsigned round = 0; round < ROUNDS_AFTER; round++) {
		assert_int_equal(device_take(device, &ticket), 0);
		for (unsigned slot = 0; slot < RIG_SLOTS; slot++)
			world_offer(f->after, slot);
		while (device_take(device, &ticket) > 0)
			;
		assert_int_equal(device->count, RIG_SLOTS);
		while (device->count)
			device_push(device, 0);
		virtq_publish(&device->vq);
		assert_int_equal(world_collect(f->after), RIG_SLOTS);
	}
	device_close(device);
}

/* Who comes after has what was left: each request comes back once, and those in flight first, in their old order. */
static void recover(struct fixture *f)
{
	const unsigned outstanding = count_outstanding(f);
	struct device *device = f->device;
	uint32_t ticket, last = 0;
	struct error err = {0};
	int ret;

	world_copy(f->after, &f->later, f->left, f->ring_left);
	/* Whether the driver looks before or after must not matter. */
	if (f->crashes % 2)
		world_collect(f->after);
	if (device_open(device, f->after, &err) < 0)
		fail_msg("crash %u: %s", f->crashes, err.text);
	while ((ret = device_take(device, &ticket)) > 0) {
		/* Tickets are given in the order of offers, in which everything is taken. */
		if (ticket <= last)
			fail_msg("crash %u: ticket %u after %u", f->crashes, ticket, last);
		last = ticket;
	}
	if (ret < 0)
		fail_msg("crash %u: %s, %s", f->crashes, strerror(-ret), device->vq.broken);
	if (device->count != outstanding)
		fail_msg("crash %u: %u requests were taken, %u were outstanding", f->crashes, device->count,
			 outstanding);
	while (device->count) {
		device_push(device, world_random(f->after, device->count));
		if (world_random(f->after, 2))
			continue;
		virtq_publish(&device->vq);
		/* The driver takes all that it sees: what the one before has left in the ring must not be among it. */
		world_collect(f->after);
	}
	virtq_publish(&device->vq);
	world_collect(f->after);
	for (unsigned i = 0; i < RIG_SLOTS; i++)
		assert_false(f->after->out[i]);
	device_close(device);
	serve_on(f);
}

/* What the device changes: the ring and the region. */
static bool changed(const struct fixture *f)
{
	return memcmp(f->ring_left, guest_at(&f->guest, 0), RIG_RING_BYTES) != 0 ||
	       memcmp(f->left->region, f->world->region, RIG_REGION_BYTES) != 0;
}

static void keep(struct fixture *f)
{
	*f->left = *f->world;
	memcpy(f->ring_left, guest_at(&f->guest, 0), RIG_RING_BYTES);
}

/* Run a device, and recover from what is there after each instruction that changes anything. */
static void kill_everywhere(struct fixture *f, void (*run)(struct world *world), void (*at_crash)(struct fixture *f))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0) {
			raise(SIGSTOP);
			run(f->world);
			_exit(0);
		}
		_exit(1);
	}
	keep(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status)) {
		print_message("skipped: processes cannot be traced here (ptrace)\n");
		skip();
	}
	while (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status))
			break;
		if (!changed(f) || f->world->driver_busy)
			continue;
		keep(f);
		f->crashes++;
		at_crash(f);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the device ended with status 0x%x", status);
}

static void offer_some(struct world *world)
{
	unsigned slot = world_random(world, RIG_SLOTS);

	if (!world->out[slot])
		world_offer(world, slot);
}

/* Out of order, in batches of any size, with everything in flight or nothing. */
static void work(struct world *world)
{
	static struct device device;
	struct error err = {0};
	uint32_t ticket;

	if (device_open(&device, world, &err) < 0)
		_exit(2);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		switch (world_random(world, 8)) {
		case 0:
		case 1:
			offer_some(world);
			break;
		case 2:
		case 3:
			if (device_take(&device, &ticket) == -EPROTO)
				_exit(3);
			break;
		case 4:
		case 5:
			if (device.count)
				device_push(&device, world_random(world, device.count));
			break;
		case 6:
			virtq_publish(&device.vq);
			break;
		default:
			world_collect(world);
		}
	}
}

static void killed_at_work(struct fixture *f, bool packed, uint16_t start, uint64_t seed)
{
	world_create(f->world, &f->guest, packed, start);
	f->world->random = seed;
	f->crashes = 0;
	kill_everywhere(f, work, recover);
	/* A device that did nothing would pass the rest. */
	print_message("killed at %u places\n", f->crashes);
	assert_true(f->crashes > OPERATIONS / 2);
}

static void a_split_ring(void **state)
{
	killed_at_work(*state, false, 0, 1);
	killed_at_work(*state, false, 0xfff0, 2);
}

static void a_packed_ring(void **state)
{
	killed_at_work(*state, true, 0, 3);
	killed_at_work(*state, true, 5, 4);
}

/* The second one: it recovers, and gives back what was in flight. */
static void work_again(struct world *world)
{
	static struct device device;
	struct error err = {0};
	uint32_t ticket;

	if (device_open(&device, world, &err) < 0)
		_exit(2);
	while (device_take(&device, &ticket) > 0)
		;
	while (device.count) {
		device_push(&device, device.count - 1);
		if (device.count % 2)
			virtq_publish(&device.vq);
	}
	virtq_publish(&device.vq);
}

/* Each of some crashes is one from which the next device, too, is killed everywhere while it recovers. */
struct second {
	struct fixture *first;
	unsigned every, done;
};
static struct second second;

static void recover_and_be_killed(struct fixture *f)
{
	struct fixture *inner = second.first;

	if (f->crashes % second.every)
		return;
	world_copy(inner->world, &inner->guest, f->left, f->ring_left);
	inner->crashes = 0;
	kill_everywhere(inner, work_again, recover);
	second.done++;
}

static void killed_while_recovering(struct fixture *f, bool packed)
{
	struct fixture *inner;

	set_up((void **)&inner);
	second = (struct second){.first = inner, .every = 47};
	world_create(f->world, &f->guest, packed, 6);
	f->world->random = 5;
	f->crashes = 0;
	kill_everywhere(f, work, recover_and_be_killed);
	assert_true(second.done > 2);
	tear_down((void **)&inner);
}

static void twice_in_a_split_ring(void **state)
{
	killed_while_recovering(*state, false);
}

static void twice_in_a_packed_ring(void **state)
{
	killed_while_recovering(*state, true);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_split_ring),
		CASE(a_packed_ring),
		CASE(twice_in_a_split_ring),
		CASE(twice_in_a_packed_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
