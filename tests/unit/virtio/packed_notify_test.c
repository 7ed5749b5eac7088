/* SPDX-License-Identifier: Apache-2.0 */
/* Packed rings: where they are, where they go on, and who wakes whom. */
#include "hand_packed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct fixture {
	struct guest guest;
	struct hand_packed ring;
	struct virtq vq;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

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

static void begin(struct fixture *f, uint32_t size, uint16_t start, bool wrap, bool event_idx)
{
	struct virtq_setup setup;
	struct error err;

	hand_packed_create(&f->ring, &f->guest, 0, size, start, wrap);
	setup = hand_packed_setup(&f->ring);
	setup.event_idx = event_idx;
	assert_int_equal(virtq_init(&f->vq, &setup, &err), 0);
}

static void sizes(void **state)
{
	static const struct {
		uint32_t size;
		bool good;
	} cases[] = {
		{0, false},    {1, true},      {2, true},      {3, true},      {127, true},       {128, true},
		{32767, true}, {32768, true},  {32769, false}, {65536, false}, {65537, false},    {1u << 31, false},
		{256, true},   {32769, false}, {49152, false}, {1000, true},   {1u << 16, false}, {UINT32_MAX, false},
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct virtq_setup setup;
		struct error err = {0};

		hand_packed_create(&f->ring, &f->guest, 0, cases[i].good ? cases[i].size : 256, 0, true);
		setup = hand_packed_setup(&f->ring);
		setup.size = cases[i].size;
		assert_int_equal(virtq_init(&f->vq, &setup, &err), cases[i].good ? 0 : -EINVAL);
		if (!cases[i].good)
			assert_contains(err.text, "expected 1 to 32768");
	}
}

/* Each part of the ring in turn where it cannot be; and at the last place where it can. */
static void places(void **state)
{
	enum { SIZE = 63 };
	struct fixture *f = *state;
	const uint64_t end = guest_user(&f->guest, GUEST_LOW) + GUEST_LOW_SIZE;
	const uint64_t bytes[] = {16 * SIZE, 4, 4};
	const uint64_t align[] = {16, 4, 4};
	static const char *const part[] = {"descriptor ring", "driver event", "device event"};

	for (unsigned i = 0; i < 3; i++) {
		const uint64_t last = end - bytes[i];
		const struct {
			uint64_t user;
			bool good;
		} cases[] = {
			{last, true},
			{last + align[i], false},
			{last - align[i] / 2, false},
			{guest_user(&f->guest, GUEST_LOW), true},
			{end, false},
			{0, false},
			{UINT64_MAX - align[i] + 1, false},
		};

		for (unsigned k = 0; k < COUNT(cases); k++) {
			struct virtq_setup setup;
			struct error err = {0};

			hand_packed_create(&f->ring, &f->guest, MIB, SIZE, 0, true);
			setup = hand_packed_setup(&f->ring);
			*(uint64_t *[]){&setup.desc, &setup.avail, &setup.used}[i] = cases[k].user;
			assert_int_equal(virtq_init(&f->vq, &setup, &err), cases[k].good ? 0 : -EINVAL);
			if (!cases[k].good)
				assert_contains(err.text, part[i]);
		}
	}
}

/* Bases of a ring of 8, as SET_VRING_BASE brings them: from which position each side goes on, or that none can. */
static void bases(void **state)
{
	static const struct {
		uint32_t base;
		uint32_t then; /* what virtq_base() makes of it; 0: refused */
	} cases[] = {
		{0x80008000, 0x80008000},                                            /* a new ring */
		{0x80078007, 0x80078007}, {0x00030003, 0x00030003},                  /* an odd round */
		{0x80038005, 0x80038005},                                            /* two entries in flight */
		{0x80070001, 0x80070001},                                            /* likewise, across the end */
		{0x80030003, 0x80030003},                                            /* as many as there are */
		{0x00008000, 0x80008000},                                            /* the available half alone */
		{0x00008005, 0x80058005}, {0x00000005, 0x00050005}, {0x80088000, 0}, /* beyond the ring, */
		{0x80008008, 0},                                                     /* either one, */
		{0x00008008, 0},          {0xffffffff, 0},          {0x80058003, 0}, /* used ahead of available */
		{0x80030005, 0},                                                     /* more in flight than there are */
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct virtq_setup setup;
		struct error err = {0};

		hand_packed_create(&f->ring, &f->guest, 0, 8, 0, true);
		setup = hand_packed_setup(&f->ring);
		setup.base = cases[i].base;
		assert_int_equal(virtq_init(&f->vq, &setup, &err), cases[i].then ? 0 : -EINVAL);
		if (cases[i].then)
			assert_int_equal(virtq_base(&f->vq), cases[i].then);
		else
			assert_contains(err.text, "vring base 0x");
	}
	assert_int_equal(virtq_first_base(true), 0x80008000);
	assert_int_equal(virtq_first_base(false), 0);
}

/* The driver offers so many chains of one and the device gives them all back, in one batch. */
static bool serve(struct fixture *f, unsigned count)
{
	struct vring_packed_desc element;
	uint16_t id;

	for (unsigned i = 0; i < count; i++) {
		struct virtq_chain chain = {.slots = 1};

		hand_packed_offer_byte(&f->ring, (uint16_t)i);
		assert_int_equal(virtq_next(&f->vq, &id), 1);
		chain.head = id;
		virtq_push(&f->vq, &chain, 0);
	}
	virtq_publish(&f->vq);
	for (unsigned i = 0; i < count; i++)
		assert_true(hand_packed_collect(&f->ring, &element));
	return virtq_wants_call(&f->vq);
}

/*
 * After the used position went from before by count, the driver is called
 * where the entry it waits for was among them (2.8.10). Positions are numbers
 * in two rounds of a ring of 10: 0 to 9 with wrap counter 1, 10 to 19 with 0.
 */
static void calls_with_event_idx(void **state)
{
	static const struct {
		uint16_t before, count, event;
		bool call;
	} cases[] = {
		{1, 1, 1, true},                     /* the next one */
		{1, 1, 0, false},                    /* has passed */
		{1, 1, 2, false},                    /* is yet to come */
		{1, 5, 1, true},                     /* first of the batch */
		{1, 5, 3, true},                     /* in its middle */
		{1, 5, 5, true},                     /* its last */
		{1, 5, 6, false},                    /* just after */
		{1, 5, 0, false},                    /* just before */
		{1, 5, 11, false},                   /* the same place one round on */
		{9, 1, 9, true},                     /* the last of the ring */
		{9, 1, 10, false},                   /* after it */
		{9, 1, 8, false},                    /* before it */
		{19, 1, 19, true},                   /* likewise in the other round */
		{19, 1, 0, false},  {7, 6, 7, true}, /* a batch across the end: first, */
		{7, 6, 9, true},                     /* last before it, */
		{7, 6, 10, true},                    /* first after it, */
		{7, 6, 12, true},                    /* last, */
		{7, 6, 13, false},                   /* just after, */
		{7, 6, 6, false},                    /* just before */
		{17, 6, 17, true},                   /* the same in the other round */
		{17, 6, 0, true},   {17, 6, 2, true},   {17, 6, 3, false},
		{17, 6, 16, false}, {4, 10, 4, true}, /* all of the ring */
		{4, 10, 13, true},  {4, 10, 14, false}, {4, 10, 3, false},
		{0, 10, 0, true},   {0, 10, 9, true},   {0, 10, 10, false},
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		/* The first publication always calls; it is not what is looked at. */
		const uint16_t start = (uint16_t)((cases[i].before + 19) % 20);

		begin(f, 10, start % 10, start < 10, true);
		f->ring.driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
		assert_true(serve(f, 1));
		f->ring.driver->off_wrap = (uint16_t)(cases[i].event % 10 | (cases[i].event < 10 ? 0x8000 : 0));
		if (serve(f, cases[i].count) != cases[i].call)
			fail_msg("%u used from %u on, the driver waits for %u: expected %s", cases[i].count,
				 cases[i].before, cases[i].event, cases[i].call ? "a call" : "none");
	}
}

/* A call that was held back stands for all that was published since the last one. */
static void one_question_for_several_publications(void **state)
{
	struct fixture *f = *state;
	struct vring_packed_desc element;
	uint16_t id;

	for (unsigned place = 0; place < 11; place++) {
		begin(f, 10, 8, true, true);
		f->ring.driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
		assert_true(serve(f, 1));
		f->ring.driver->off_wrap = (uint16_t)((9 + place) % 10 | (place == 0 ? 0x8000 : 0));
		for (unsigned i = 0; i < 4; i++) {
			const struct virtq_chain chain = {.head = 0, .slots = 1};

			hand_packed_offer_byte(&f->ring, 0);
			assert_int_equal(virtq_next(&f->vq, &id), 1);
			virtq_push(&f->vq, &chain, 0);
			virtq_publish(&f->vq);
			assert_true(hand_packed_collect(&f->ring, &element));
		}
		assert_int_equal(virtq_wants_call(&f->vq), place < 4);
		/* Asked and answered. */
		assert_false(virtq_wants_call(&f->vq));
	}
}

static void calls_with_flags(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 6, true, false);
	assert_true(serve(f, 1));
	assert_true(serve(f, 3));
	f->ring.driver->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	assert_false(serve(f, 1));
	assert_false(serve(f, 5));
	f->ring.driver->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	assert_true(serve(f, 1));
	/* What was not negotiated, and what is reserved: better a call too many than one too few. */
	f->ring.driver->off_wrap = 7;
	f->ring.driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
	assert_true(serve(f, 1));
	f->ring.driver->flags = 3;
	assert_true(serve(f, 1));
	f->ring.driver->flags = 65535;
	assert_true(serve(f, 1));
}

/* With EVENT_IDX the other two flags mean what they do without. */
static void flags_with_event_idx(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 0, true, true);
	f->ring.driver->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	assert_false(serve(f, 3));
	f->ring.driver->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	assert_true(serve(f, 1));
	assert_true(serve(f, 1));
}

static void kicks(void **state)
{
	struct fixture *f = *state;

	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		begin(f, 8, 5, false, event_idx);
		for (unsigned i = 0; i < 20; i++) {
			assert_false(virtq_enable_kicks(&f->vq));
			if (event_idx) {
				assert_int_equal(f->ring.device->flags, VRING_PACKED_EVENT_FLAG_DESC);
				assert_int_equal(f->ring.device->off_wrap,
						 f->ring.avail | (f->ring.avail_wrap ? 0x8000 : 0));
			} else {
				assert_int_equal(f->ring.device->flags, VRING_PACKED_EVENT_FLAG_ENABLE);
			}
			virtq_disable_kicks(&f->vq);
			assert_int_equal(f->ring.device->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
			serve(f, 1);
		}
	}
}

/* Work that comes between the last look and the wish for kicks may come without one. */
static void work_that_comes_while_falling_asleep(void **state)
{
	struct fixture *f = *state;
	uint16_t id;

	for (unsigned i = 0; i < 32; i++) {
		begin(f, 8, i % 8, i / 8 % 2, i / 16);
		virtq_disable_kicks(&f->vq);
		assert_int_equal(virtq_next(&f->vq, &id), 0);
		hand_packed_offer_byte(&f->ring, 3);
		assert_true(virtq_enable_kicks(&f->vq));
		virtq_disable_kicks(&f->vq);
		assert_int_equal(virtq_next(&f->vq, &id), 1);
		assert_int_equal(id, 3);
		assert_int_equal(virtq_next(&f->vq, &id), 0);
		assert_false(virtq_enable_kicks(&f->vq));
	}
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(sizes),
		CASE(places),
		CASE(bases),
		CASE(calls_with_event_idx),
		CASE(one_question_for_several_publications),
		CASE(calls_with_flags),
		CASE(flags_with_event_idx),
		CASE(kicks),
		CASE(work_that_comes_while_falling_asleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
