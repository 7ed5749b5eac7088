/* SPDX-License-Identifier: Apache-2.0 */
/* Who wakes whom, and when not: flags, event indices, and the gap between looking and sleeping. */
#include "hand_ring.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct fixture {
	struct guest guest;
	struct hand_ring ring;
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

static void begin(struct fixture *f, uint32_t size, uint16_t start, bool event_idx)
{
	struct virtq_setup setup;
	struct error err;

	hand_ring_create(&f->ring, &f->guest, 0, size, start);
	setup = hand_ring_setup(&f->ring);
	setup.event_idx = event_idx;
	assert_int_equal(virtq_init(&f->vq, &setup, &err), 0);
}

/* The driver offers so many chains and the device gives them all back, in one batch. */
static bool serve(struct fixture *f, unsigned count)
{
	uint16_t head;

	for (unsigned i = 0; i < count; i++) {
		hand_ring_offer(&f->ring, (uint16_t)(i % f->ring.size));
		assert_int_equal(virtq_next(&f->vq, &head), 1);
		hand_push(&f->vq, head, 0);
	}
	virtq_publish(&f->vq);
	return virtq_wants_call(&f->vq);
}

/*
 * After the used index went from before to before + count, the driver is
 * called where the entry it waits for, number used_event, was among them
 * (2.7.7.2). The distance in the circle is written out here by hand.
 */
static void calls_with_event_idx(void **state)
{
	static const struct {
		uint16_t before;
		unsigned count;
		uint16_t used_event;
		bool call;
	} cases[] = {
		{10, 1, 10, true},        /* the next one */
		{10, 1, 9, false},        /* has passed */
		{10, 1, 11, false},       /* is yet to come */
		{10, 5, 10, true},        /* first of the batch */
		{10, 5, 12, true},        /* in its middle */
		{10, 5, 14, true},        /* its last */
		{10, 5, 15, false},       /* just after */
		{10, 5, 9, false},        /* just before */
		{10, 5, 32778, false},    /* half the circle away */
		{65535, 1, 65535, true},  /* the wrap itself */
		{65535, 1, 0, false},     /* after it */
		{65535, 1, 65534, false}, /* before it */
		{65533, 6, 65533, true},  /* a batch across the wrap: first, */
		{65533, 6, 65535, true},  /* last before it, */
		{65533, 6, 0, true},      /* first after it, */
		{65533, 6, 2, true},      /* last, */
		{65533, 6, 3, false},     /* just after, */
		{65533, 6, 65532, false}, /* just before */
		{0, 1, 65535, false},     /* a wish left over from before the wrap */
		{0, 1, 0, true},
		{10, 0, 10, false}, /* nothing was given back, nothing to call for */
		{10, 0, 9, false},
		{60000, 256, 60255, true}, /* all of the ring */
		{60000, 256, 60256, false},
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		begin(f, 256, (uint16_t)(cases[i].before - 1), true);
		/* The first publication always calls; it is not what is looked at. */
		assert_true(serve(f, 1));
		assert_int_equal(f->ring.used->idx, cases[i].before);
		*hand_ring_used_event(&f->ring) = cases[i].used_event;
		assert_int_equal(serve(f, cases[i].count), cases[i].call);
	}
}

/* What used_event was compared with before a reconnection is not known: one call too many does no harm. */
static void the_first_publication_calls(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 100, true);
	*hand_ring_used_event(&f->ring) = 99;
	assert_true(serve(f, 1));
	assert_false(serve(f, 1));
}

static void calls_with_flags(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 65535, false);
	/* The field of the other scheme is not looked at. */
	*hand_ring_used_event(&f->ring) = 1000;
	assert_true(serve(f, 1));
	assert_true(serve(f, 1));
	f->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_false(serve(f, 1));
	assert_false(serve(f, 5));
	f->ring.avail->flags = 0;
	assert_true(serve(f, 1));
	/* Other bits mean nothing. */
	f->ring.avail->flags = (uint16_t)~VRING_AVAIL_F_NO_INTERRUPT;
	assert_true(serve(f, 1));
}

/* With EVENT_IDX the flags are not looked at (2.7.7.1). */
static void flags_mean_nothing_with_event_idx(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 0, true);
	f->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_true(serve(f, 1));
	*hand_ring_used_event(&f->ring) = 1;
	assert_true(serve(f, 1));
	virtq_disable_kicks(&f->vq);
	assert_int_equal(f->ring.used->flags, 0);
}

static void kicks_with_flags(void **state)
{
	struct fixture *f = *state;
	const uint16_t *avail_event;

	begin(f, 8, 0, false);
	avail_event = hand_ring_avail_event(&f->ring);
	virtq_disable_kicks(&f->vq);
	assert_int_equal(f->ring.used->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(virtq_enable_kicks(&f->vq));
	assert_int_equal(f->ring.used->flags, 0);
	assert_int_equal(*avail_event, 0);
	virtq_disable_kicks(&f->vq);
	assert_int_equal(f->ring.used->flags, VRING_USED_F_NO_NOTIFY);
}

/* Would a driver that raised idx from old to new kick? (2.7.10.1) */
static bool would_kick(struct fixture *f, uint16_t from, uint16_t to)
{
	return vring_need_event(*hand_ring_avail_event(&f->ring), to, from);
}

static void kicks_with_event_idx(void **state)
{
	struct fixture *f = *state;
	uint16_t head;

	begin(f, 8, 65534, true);
	for (unsigned i = 0; i < 6; i++) {
		const uint16_t at = (uint16_t)(65534 + i);

		assert_false(virtq_enable_kicks(&f->vq));
		assert_int_equal(*hand_ring_avail_event(&f->ring), at);
		assert_true(would_kick(f, at, (uint16_t)(at + 1)));
		assert_true(would_kick(f, at, (uint16_t)(at + 5)));
		/* The device is awake: the next ones are quiet. */
		virtq_disable_kicks(&f->vq);
		hand_ring_offer(&f->ring, 0);
		assert_int_equal(virtq_next(&f->vq, &head), 1);
		assert_false(would_kick(f, (uint16_t)(at + 1), (uint16_t)(at + 2)));
		hand_push(&f->vq, head, 0);
		virtq_publish(&f->vq);
	}
}

/* Work that comes between the last look and the wish for kicks may come without one. */
static void work_that_comes_while_falling_asleep(void **state)
{
	static const uint16_t starts[] = {0, 65535};
	struct fixture *f = *state;
	uint16_t head;

	for (unsigned i = 0; i < 4; i++) {
		begin(f, 8, starts[i % 2], i / 2);
		virtq_disable_kicks(&f->vq);
		assert_int_equal(virtq_next(&f->vq, &head), 0);
		hand_ring_offer(&f->ring, 3);
		assert_true(virtq_enable_kicks(&f->vq));
		virtq_disable_kicks(&f->vq);
		assert_int_equal(virtq_next(&f->vq, &head), 1);
		assert_int_equal(head, 3);
		assert_int_equal(virtq_next(&f->vq, &head), 0);
		assert_false(virtq_enable_kicks(&f->vq));
	}
}

/* Entries that were seen but not taken yet are work as well. */
static void work_that_was_left(void **state)
{
	struct fixture *f = *state;
	uint16_t head;

	begin(f, 8, 0, true);
	hand_ring_offer(&f->ring, 1);
	hand_ring_offer(&f->ring, 2);
	assert_int_equal(virtq_next(&f->vq, &head), 1);
	assert_true(virtq_enable_kicks(&f->vq));
}

/* Who asks late is told about all publications since it last asked. */
static void several_publications_asked_about_at_once(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 65534, true);
	(void)virtq_wants_call(&f->vq);
	*hand_ring_used_event(&f->ring) = 65535;
	for (unsigned i = 0; i < 4; i++) {
		hand_push(&f->vq, 0, 0);
		virtq_publish(&f->vq);
	}
	assert_true(virtq_wants_call(&f->vq));
	assert_false(virtq_wants_call(&f->vq));
	hand_push(&f->vq, 0, 0);
	virtq_publish(&f->vq);
	assert_false(virtq_wants_call(&f->vq));
}

/* Nothing shows before it is published, then all of it does. */
static void what_is_published(void **state)
{
	struct fixture *f = *state;

	begin(f, 8, 65535, true);
	assert_false(virtq_unpublished(&f->vq));
	hand_push(&f->vq, 4, 100);
	hand_push(&f->vq, 2, 0);
	assert_true(virtq_unpublished(&f->vq));
	assert_int_equal(f->ring.used->idx, 65535);
	virtq_publish(&f->vq);
	assert_false(virtq_unpublished(&f->vq));
	assert_int_equal(f->ring.used->idx, 1);
	assert_int_equal(f->ring.used->ring[7].id, 4);
	assert_int_equal(f->ring.used->ring[7].len, 100);
	assert_int_equal(f->ring.used->ring[0].id, 2);
	assert_int_equal(f->ring.used->ring[0].len, 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(calls_with_event_idx),
		CASE(the_first_publication_calls),
		CASE(calls_with_flags),
		CASE(flags_mean_nothing_with_event_idx),
		CASE(kicks_with_flags),
		CASE(kicks_with_event_idx),
		CASE(work_that_comes_while_falling_asleep),
		CASE(work_that_was_left),
		CASE(several_publications_asked_about_at_once),
		CASE(what_is_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
