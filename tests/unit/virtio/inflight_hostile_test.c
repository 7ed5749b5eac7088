/* SPDX-License-Identifier: Apache-2.0 */
/* In-flight regions that no back end has left: whoever shares the memory may write what it likes. */
#include "inflight_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Where vhost-user.rst, "Inflight I/O tracking", has the fields; bytes from the beginning of the region. */
enum { FEATURES = 0, VERSION = 8, DESC_NUM = 10 };
enum { LAST_BATCH_HEAD = 12, SPLIT_USED = 14, SPLIT_DESC = 16, SPLIT_SIZE = 16, SPLIT_NEXT = 6, SPLIT_COUNTER = 8 };
enum { FREE_HEAD = 12, OLD_FREE_HEAD = 14, USED = 16, OLD_USED = 18, WRAP = 20, OLD_WRAP = 21 };
enum { PACKED_DESC = 32, PACKED_SIZE = 32, PACKED_NEXT = 2, PACKED_LAST = 4, PACKED_NUM = 6, PACKED_COUNTER = 8 };
enum { PACKED_ID = 16, PACKED_FLAGS = 18, PACKED_LEN = 20, PACKED_ADDR = 24 };

#define SPLIT(entry, field)  (SPLIT_DESC + (entry)*SPLIT_SIZE + (field))
#define PACKED(entry, field) (PACKED_DESC + (entry)*PACKED_SIZE + (field))

struct fixture {
	struct guest guest;
	struct world world;
	struct device device;
};

static int set_up(void **state)
{
	struct fixture *f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);

	memset(f, 0, sizeof(*f));
	guest_create(&f->guest);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	guest_destroy(&f->guest);
	free(f);
	return 0;
}

/* A device that has taken three chains (slots 0, 1 and 2) and given back the second. */
static void leave_behind(struct fixture *f, bool packed)
{
	struct error err = {0};
	uint32_t ticket;

	world_create(&f->world, &f->guest, packed, 0);
	assert_int_equal(device_open(&f->device, &f->world, &err), 0);
	for (unsigned slot = 0; slot < 3; slot++) {
		world_offer(&f->world, slot);
		assert_int_equal(device_take(&f->device, &ticket), 1);
	}
	device_push(&f->device, 1);
	virtq_publish(&f->device.vq);
	assert_int_equal(world_collect(&f->world), 1);
	device_close(&f->device);
}

struct change {
	const char *name;
	unsigned at, bytes;
	uint64_t value;
	const char *complaint; /* NULL: it does no harm */
};

static void apply(struct fixture *f, const struct change *change)
{
	memcpy(f->world.region + change->at, &change->value, change->bytes);
}

/* Take all that is given, and whatever it is, give it back and go on. */
static void serve(struct fixture *f)
{
	uint32_t ticket;
	unsigned steps = 0;
	int ret;

	while ((ret = device_take(&f->device, &ticket)) > 0 && ++steps < 100)
		device_push(&f->device, 0);
	assert_true(steps < 100);
	/* -EBADMSG: not the buffers that were offered, which is for the rig to see and nobody else. */
	assert_true(ret == 0 || ret == -EBADMSG || f->device.vq.broken);
	virtq_publish(&f->device.vq);
}

static void each(struct fixture *f, bool packed, const struct change *changes, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct error err = {0};
		int ret;

		leave_behind(f, packed);
		apply(f, &changes[i]);
		ret = device_open(&f->device, &f->world, &err);
		if (!changes[i].complaint != !ret)
			fail_msg("%s: %d, %s", changes[i].name, ret, err.text);
		if (ret) {
			assert_int_equal(ret, -EINVAL);
			assert_contains(err.text, changes[i].complaint);
			assert_contains(err.text, "in-flight region");
			assert_null(f->device.vq.inflight);
			continue;
		}
		serve(f);
		device_close(&f->device);
	}
}

static void split_regions(void **state)
{
	static const struct change changes[] = {
		{"as it was left", VERSION, 2, 1, NULL},
		{"version", VERSION, 2, 2, "version 2"},
		{"features", FEATURES, 8, 1, "features 0x1"},
		{"entries", DESC_NUM, 2, RIG_ENTRIES - 1, "15 entries"},
		{"used index before", SPLIT_USED, 2, 0xffff, NULL},
		{"used index far before", SPLIT_USED, 2, 1 - RIG_ENTRIES - 1, "17 completions behind"},
		{"used index ahead", SPLIT_USED, 2, 2, "65535 completions behind"},
		{"batch head, not needed", LAST_BATCH_HEAD, 2, 0xffff, NULL},
		{"in flight: 2", SPLIT(0, 0), 1, 2, "says 2 about entry 0"},
		{"in flight: 255", SPLIT(RIG_ENTRIES - 1, 0), 1, 255, "says 255 about entry 15"},
		{"in flight beyond the ring", SPLIT(RIG_SIZE, 0), 1, 1, "about entry 8"},
		{"in flight what never was", SPLIT(7, 0), 1, 1, NULL},
		{"counters that are equal", SPLIT(3, SPLIT_COUNTER), 8, 0, NULL},
		{"the largest counter", SPLIT(3, SPLIT_COUNTER), 8, UINT64_MAX, NULL},
	};

	each(*state, false, changes, COUNT(changes));
}

/* A list that leads out of the region, or in circles. */
static void the_last_batch_of_a_split_region(void **state)
{
	struct fixture *f = *state;
	const struct change behind = {"", SPLIT_USED, 2, 0xfffe, NULL}; /* three completions */
	const struct change lists[] = {
		{"head", LAST_BATCH_HEAD, 2, RIG_ENTRIES, "names entry 16"},
		{"next", SPLIT(1, SPLIT_NEXT), 2, 0xffff, "names entry 65535"},
		{"a circle", SPLIT(1, SPLIT_NEXT), 2, 1, NULL},
	};

	for (unsigned i = 0; i < COUNT(lists); i++) {
		struct error err = {0};
		int ret;

		leave_behind(f, false);
		apply(f, &behind);
		apply(f, &lists[i]);
		ret = device_open(&f->device, &f->world, &err);
		if (!lists[i].complaint != !ret)
			fail_msg("%s: %d, %s", lists[i].name, ret, err.text);
		if (ret) {
			assert_contains(err.text, lists[i].complaint);
			continue;
		}
		serve(f);
		device_close(&f->device);
	}
}

/* Entries 0 and 3 to 5 are in flight, 1 and 2 were given back and lead the free list, which ends behind 15. */
static void packed_regions(void **state)
{
	static const struct change changes[] = {
		{"as it was left", VERSION, 2, 1, NULL},
		{"version", VERSION, 2, 7, "version 7"},
		{"features", FEATURES, 8, 1ull << 63, "features 0x8"},
		{"entries", DESC_NUM, 2, RIG_ENTRIES + 1, "17 entries"},
		{"used position", USED, 2, RIG_SIZE, "used positions 8"},
		{"old used position", OLD_USED, 2, 0xffff, "and 65535"},
		{"wrap counter", WRAP, 1, 2, "wrap 2"},
		{"old wrap counter", OLD_WRAP, 1, 255, "wrap 255"},
		{"another used position", USED, 2, 5, NULL},
		{"another wrap counter", WRAP, 1, 0, NULL},
		{"free head", FREE_HEAD, 2, RIG_ENTRIES + 1, NULL},
		{"old free head", OLD_FREE_HEAD, 2, RIG_ENTRIES + 1, "entry 17 on its free list"},
		{"nothing free", OLD_FREE_HEAD, 2, RIG_ENTRIES, NULL},
		{"free head in flight", OLD_FREE_HEAD, 2, 0, NULL},
		{"free head in the middle of a chain", OLD_FREE_HEAD, 2, 4, "in a chain in flight"},
		{"free list out of the region", PACKED(1, PACKED_NEXT), 2, 0xffff, "entry 65535 on its free list"},
		{"free list in a circle", PACKED(2, PACKED_NEXT), 2, 1, "entry 1 on its free list"},
		{"free list into itself", PACKED(15, PACKED_NEXT), 2, 15, "entry 15 on its free list"},
		{"free list into a chain", PACKED(2, PACKED_NEXT), 2, 4, "in a chain"},
		{"in flight: 2", PACKED(0, 0), 1, 2, "says 2 about entry 0"},
		{"in flight though free", PACKED(9, 0), 1, 1, NULL},
		{"in flight twice", PACKED(4, 0), 1, 1, "chain of 0 descriptors"},
		{"a chain of nothing", PACKED(3, PACKED_NUM), 2, 0, "chain of 0 descriptors"},
		{"a chain longer than the ring", PACKED(3, PACKED_NUM), 2, RIG_SIZE + 1, "chain of 9 descriptors"},
		{"a shorter chain", PACKED(3, PACKED_NUM), 2, 2, "does not end where it says"},
		{"a chain into the free list", PACKED(3, PACKED_NUM), 2, 4, "in a chain in flight"},
		{"a chain out of the region", PACKED(3, PACKED_NEXT), 2, 16, "entry 16 in a chain"},
		{"a chain in a circle", PACKED(4, PACKED_NEXT), 2, 3, "entry 3 in a chain"},
		{"last", PACKED(3, PACKED_LAST), 2, 0xffff, "does not end where it says"},
		{"counters that are equal", PACKED(3, PACKED_COUNTER), 8, 0, NULL},
		{"the largest counter", PACKED(0, PACKED_COUNTER), 8, UINT64_MAX, NULL},
		{"an id beyond the ring", PACKED(0, PACKED_ID), 2, RIG_SIZE, NULL},
		{"an id beyond everything", PACKED(5, PACKED_ID), 2, 0xffff, NULL},
		{"an address outside memory", PACKED(0, PACKED_ADDR), 8, GUEST_HOLE, NULL},
		{"a length", PACKED(0, PACKED_LEN), 4, UINT32_MAX, NULL},
		{"flags", PACKED(0, PACKED_FLAGS), 2, 0xffff, NULL},
	};

	each(*state, true, changes, COUNT(changes));
}

/* What was read of a chain's descriptors when it was taken may be something else when it is taken again. */
static void descriptors_break_the_queue(void **state)
{
	static const struct change changes[] = {
		{"id", PACKED(0, PACKED_ID), 2, RIG_SIZE, "buffer id"},
		{"address", PACKED(0, PACKED_ADDR), 8, GUEST_HOLE, "outside guest memory"},
		{"length", PACKED(0, PACKED_LEN), 4, 0, "length 0"},
	};
	struct fixture *f = *state;
	struct error err = {0};
	uint32_t ticket;

	for (unsigned i = 0; i < COUNT(changes); i++) {
		leave_behind(f, true);
		apply(f, &changes[i]);
		assert_int_equal(device_open(&f->device, &f->world, &err), 0);
		assert_int_equal(device_take(&f->device, &ticket), -EPROTO);
		assert_contains(f->device.vq.broken, changes[i].complaint);
		device_close(&f->device);
	}
}

/* A region for queues of other sizes. */
static void sizes(void **state)
{
	static const struct {
		uint32_t entries;
		bool good;
	} cases[] = {{0, false},         {1, false},          {RIG_SIZE - 1, false},
		     {RIG_SIZE, true},   {RIG_ENTRIES, true}, {VIRTQ_MAX_SIZE + 1, false},
		     {UINT32_MAX, false}};
	struct fixture *f = *state;

	for (unsigned layout = 0; layout < 2; layout++) {
		for (unsigned i = 0; i < COUNT(cases); i++) {
			struct virtq_setup setup;
			struct error err = {0};
			struct virtq vq;

			world_create(&f->world, &f->guest, layout, 0);
			setup = world_setup(&f->world);
			setup.inflight.entries = cases[i].entries;
			assert_int_equal(virtq_init(&vq, &setup, &err), cases[i].good ? 0 : -EINVAL);
			if (!cases[i].good)
				assert_contains(err.text, "entries, expected 8 to 32768");
			virtq_destroy(&vq);
		}
	}
}

/* Any bytes at all: nothing worse than an error or a broken queue comes of them. */
static void noise(void **state)
{
	struct fixture *f = *state;
	unsigned opened = 0;

	for (unsigned i = 0; i < 4000; i++) {
		struct error err = {0};
		const unsigned changes = 1 + i % 4;

		leave_behind(f, i % 2);
		f->world.random = i;
		for (unsigned c = 0; c < changes; c++) {
			const unsigned at = 12 + world_random(&f->world, 32 + 6 * 32);

			f->world.region[at] = (char)world_random(&f->world, i % 8 < 4 ? 18 : 256);
		}
		if (device_open(&f->device, &f->world, &err) < 0)
			continue;
		opened++;
		serve(f);
		device_close(&f->device);
	}
	assert_true(opened > 100);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(split_regions),  CASE(the_last_batch_of_a_split_region),
		CASE(packed_regions), CASE(descriptors_break_the_queue),
		CASE(sizes),          CASE(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
