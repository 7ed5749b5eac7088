/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a ring in guest memory: sizes, places, alignment, where it goes on. */
#include "hand_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int set_up(void **state)
{
	struct guest *guest = malloc(sizeof(*guest));

	guest_create(guest);
	*state = guest;
	return 0;
}

static int tear_down(void **state)
{
	guest_destroy(*state);
	free(*state);
	return 0;
}

static void sizes(void **state)
{
	static const struct {
		uint32_t size;
		bool good;
	} cases[] = {
		{0, false},     {1, true},      {2, true},         {3, false},          {127, false},
		{128, true},    {32768, true},  {32767, false},    {32769, false},      {49152, false},
		{65536, false}, {65537, false}, {1u << 31, false}, {UINT32_MAX, false},
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct hand_ring ring;
		struct virtq_setup setup;
		struct error err = {0};
		struct virtq vq;

		hand_ring_create(&ring, *state, 0, cases[i].good ? cases[i].size : 256, 0);
		setup = hand_ring_setup(&ring);
		setup.size = cases[i].size;
		assert_int_equal(virtq_init(&vq, &setup, &err), cases[i].good ? 0 : -EINVAL);
		if (cases[i].good)
			assert_int_equal(vq.size, cases[i].size);
		else
			assert_contains(err.text, "power of two");
	}
}

/* Each part of the ring in turn where it cannot be; and at the last place where it can. */
static void places(void **state)
{
	enum { SIZE = 64 };
	struct guest *guest = *state;
	const uint64_t end = guest_user(guest, GUEST_LOW) + GUEST_LOW_SIZE;
	const uint64_t bytes[] = {16 * SIZE, 6 + 2 * SIZE, 6 + 8 * SIZE};
	const uint64_t align[] = {16, 2, 4};
	static const char *const part[] = {"descriptor", "available", "used"};

	for (unsigned i = 0; i < 3; i++) {
		/* The last place at which all of it lies in the region. */
		const uint64_t last = (end - bytes[i]) & ~(align[i] - 1);
		const struct {
			uint64_t user;
			bool good;
		} cases[] = {
			{last, true},
			{last + align[i], false},
			{guest_user(guest, GUEST_LOW) - align[i], false}, /* from one region into the next */
			{guest_user(guest, GUEST_LOW) + align[i] / 2, false},
			{guest_user(guest, GUEST_LOW) + align[i], true},
			{end, false},
			{0, false},
			{0x1000, false}, /* the guest's address in place of the front end's */
			{UINT64_MAX - align[i] + 1, false},
			{UINT64_MAX - 15, false},
		};

		for (unsigned k = 0; k < COUNT(cases); k++) {
			struct hand_ring ring;
			struct virtq_setup setup;
			struct error err = {0};
			struct virtq vq;

			hand_ring_create(&ring, guest, MIB, SIZE, 0);
			setup = hand_ring_setup(&ring);
			*(uint64_t *[]){&setup.desc, &setup.avail, &setup.used}[i] = cases[k].user;
			assert_int_equal(virtq_init(&vq, &setup, &err), cases[k].good ? 0 : -EINVAL);
			if (!cases[k].good)
				assert_contains(err.text, part[i]);
		}
	}
}

/* After a stop the ring goes on where it was, and the used ring where the driver last saw it. */
static void goes_on_from_its_base(void **state)
{
	struct hand_ring ring;
	struct virtq_setup setup;
	struct vring_used_elem element;
	struct error err;
	struct virtq vq;
	uint16_t head;

	hand_ring_create(&ring, *state, 0, 8, 65534);
	hand_ring_offer(&ring, 5);
	hand_ring_offer(&ring, 6);
	setup = hand_ring_setup(&ring);
	setup.base = 65535; /* the first was served before */
	ring.used->idx = ring.seen = 65535;
	assert_int_equal(virtq_init(&vq, &setup, &err), 0);
	assert_false(virtq_unpublished(&vq));
	assert_int_equal(virtq_next(&vq, &head), 1);
	assert_int_equal(head, 6);
	assert_int_equal(virtq_next(&vq, &head), 0);
	assert_int_equal(vq.avail_next, 0);
	hand_push(&vq, head, 17);
	assert_true(virtq_unpublished(&vq));
	virtq_publish(&vq);
	assert_true(hand_ring_collect(&ring, &element));
	assert_int_equal(element.id, 6);
	assert_int_equal(element.len, 17);
	assert_false(hand_ring_collect(&ring, &element));
}

/* What was broken is whole again after it has been set up anew. */
static void a_broken_queue_starts_again(void **state)
{
	struct hand_ring ring;
	struct virtq_setup setup;
	struct error err;
	struct virtq vq;
	uint16_t head;

	hand_ring_create(&ring, *state, 0, 8, 0);
	setup = hand_ring_setup(&ring);
	assert_int_equal(virtq_init(&vq, &setup, &err), 0);
	assert_int_equal(virtq_break(&vq, "first cause"), -EPROTO);
	assert_int_equal(virtq_break(&vq, "second cause"), -EPROTO);
	assert_string_equal(vq.broken, "first cause");
	hand_ring_offer(&ring, 3);
	assert_int_equal(virtq_next(&vq, &head), -EPROTO);
	assert_int_equal(virtq_init(&vq, &setup, &err), 0);
	assert_null(vq.broken);
	assert_int_equal(virtq_next(&vq, &head), 1);
	assert_int_equal(head, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(places, set_up, tear_down),
		cmocka_unit_test_setup_teardown(goes_on_from_its_base, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_queue_starts_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
