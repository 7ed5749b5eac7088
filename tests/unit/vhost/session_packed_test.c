/* SPDX-License-Identifier: Apache-2.0 */
/* What VIRTIO_F_RING_PACKED changes in a session: sizes, bases, and what a queue is started with. */
#include "stage.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PACKED       (1ull << VIRTIO_F_RING_PACKED)
#define PROTOCOL     (1ull << VHOST_USER_F_PROTOCOL_FEATURES)

static void negotiate(struct stage *stage, uint64_t features)
{
	stage->more = PACKED;
	say(stage, VHOST_GET_PROTOCOL_FEATURES);
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, hear_u64(stage, VHOST_GET_PROTOCOL_FEATURES));
	say_u64(stage, VHOST_SET_FEATURES, STAGE_FEATURES | PROTOCOL | features);
	stage->trace[0] = '\0';
}

/* All of ring 0 but its base. */
static void set_up_ring(struct stage *stage, uint32_t size)
{
	const struct vhost_msg addr = message_addr(0);

	say_state(stage, VHOST_SET_VRING_NUM, 0, size);
	say_message(stage, &addr);
	say_fd(stage, VHOST_SET_VRING_CALL, 0);
	say_fd(stage, VHOST_SET_VRING_KICK, 0);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
}

static void stop_at(struct stage *stage, uint32_t base)
{
	say_state(stage, VHOST_GET_VRING_BASE, 0, 0);
	stage_drain(stage, base);
}

static uint32_t told_base(struct stage *stage)
{
	return hear(stage, VHOST_GET_VRING_BASE).payload.state.num;
}

/* Any size up to the largest, which of a split ring only some are. */
static void sizes(void **state)
{
	static const uint32_t good[] = {1, 2, 3, 100, 127, 32767, 32768};
	static const uint32_t bad[] = {0, 32769, 65536, UINT32_MAX};
	struct stage *stage = *state;

	negotiate(stage, PACKED);
	for (unsigned i = 0; i < COUNT(good); i++)
		assert_int_equal(say_and_ask(stage, message_state(VHOST_SET_VRING_NUM, 1, good[i])), 0);
	said_begin();
	for (unsigned i = 0; i < COUNT(bad); i++)
		assert_int_equal(say_and_ask(stage, message_state(VHOST_SET_VRING_NUM, 1, bad[i])), 1);
	assert_contains(said_end(), "expected 1 up to 32768");
	/* The same front end without it. */
	say_u64(stage, VHOST_SET_FEATURES, STAGE_FEATURES | PROTOCOL);
	said_begin();
	assert_int_equal(say_and_ask(stage, message_state(VHOST_SET_VRING_NUM, 1, 100)), 1);
	assert_int_equal(say_and_ask(stage, message_state(VHOST_SET_VRING_BASE, 1, 0x80008000)), 1);
	assert_contains(said_end(), "expected a power of two");
}

/*
 * A ring whose base nobody has told begins at its beginning, with both wrap
 * counters 1 (virtio 1.2, 2.8.1). What a queue stopped with is what the front
 * end is told, all 32 bits of it, and what it starts with again.
 */
static void bases_go_there_and_back(void **state)
{
	static const uint32_t bases[] = {0x80008000, 0x80078007, 0x00090009, 0x80088003};
	struct stage *stage = *state;

	negotiate(stage, PACKED);
	say_memory(stage);
	say_state(stage, VHOST_GET_VRING_BASE, 0, 0);
	assert_int_equal(told_base(stage), 0x80008000);
	set_up_ring(stage, 10);
	assert_true(stage->queue[0].running);
	assert_true(stage->queue[0].setup.ring.packed);
	assert_int_equal(stage->queue[0].setup.ring.size, 10);
	assert_int_equal(stage->queue[0].setup.ring.base, 0x80008000);
	for (unsigned i = 0; i < COUNT(bases); i++) {
		stop_at(stage, bases[i]);
		assert_int_equal(told_base(stage), bases[i]);
		say_fd(stage, VHOST_SET_VRING_KICK, 0);
		assert_int_equal(stage->queue[0].setup.ring.base, bases[i]);
		/* What the front end says counts for more. */
		stop_at(stage, 0x80058005);
		told_base(stage);
		say_state(stage, VHOST_SET_VRING_BASE, 0, bases[i]);
		say_fd(stage, VHOST_SET_VRING_KICK, 0);
		assert_int_equal(stage->queue[0].setup.ring.base, bases[i]);
	}
	/* Status 0 lets it be asked for once more, a reset forgets it. */
	say_u64(stage, VHOST_SET_STATUS, 0);
	stage_drain(stage, 0x80058005);
	say_state(stage, VHOST_GET_VRING_BASE, 0, 0);
	assert_int_equal(told_base(stage), bases[COUNT(bases) - 1]);
	say(stage, VHOST_RESET_DEVICE);
	say_state(stage, VHOST_GET_VRING_BASE, 0, 0);
	assert_int_equal(told_base(stage), 0x80008000);
}

/* A base that no ring of this size has: said once, and another one helps. */
static void a_base_beyond_the_ring(void **state)
{
	struct stage *stage = *state;

	negotiate(stage, PACKED);
	say_memory(stage);
	say_state(stage, VHOST_SET_VRING_BASE, 0, 0x800a800a);
	said_begin();
	set_up_ring(stage, 10);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
	assert_false(stage->queue[0].running);
	assert_int_equal(said_lines(said_end(), "vring base 0x800a800a"), 1);
	say_state(stage, VHOST_SET_VRING_BASE, 0, 0x80098009);
	assert_true(stage->queue[0].running);
}

/* A front end that leaves packed rings behind starts at a split ring's beginning. */
static void back_to_split(void **state)
{
	struct stage *stage = *state;

	negotiate(stage, PACKED);
	say_memory(stage);
	set_up_ring(stage, 16);
	say_u64(stage, VHOST_SET_STATUS, 0);
	stage_drain(stage, 0x80058005);
	say_u64(stage, VHOST_SET_FEATURES, STAGE_FEATURES | PROTOCOL);
	set_up_ring(stage, 16);
	assert_true(stage->queue[0].running);
	assert_false(stage->queue[0].setup.ring.packed);
	assert_int_equal(stage->queue[0].setup.ring.base, 0);
}

/* What a ring of the other layout had is forgotten: a split one has neither such bases nor such sizes. */
static void the_other_layout(void **state)
{
	struct stage *stage = *state;

	negotiate(stage, PACKED);
	say_memory(stage);
	set_up_ring(stage, 3);
	/* Its guest reboots, and the firmware knows split rings alone. */
	say_u64(stage, VHOST_SET_STATUS, 0);
	stage_drain(stage, 0x80018001);
	say_state(stage, VHOST_SET_VRING_NUM, 0, 3);
	say_state(stage, VHOST_SET_VRING_NUM, 1, 8);
	say_u64(stage, VHOST_SET_FEATURES, STAGE_FEATURES | PROTOCOL);
	assert_int_equal(stage->session->vring[0].size, 0);
	assert_int_equal(stage->session->vring[1].size, 8);
	assert_false(stage->session->vring[0].was_based);
	say_state(stage, VHOST_GET_VRING_BASE, 0, 0);
	assert_int_equal(told_base(stage), 0);
	/* The same features once more are no other layout. */
	say_state(stage, VHOST_SET_VRING_BASE, 1, 7);
	say_u64(stage, VHOST_SET_FEATURES, STAGE_FEATURES | PROTOCOL | STAGE_LOG_ALL);
	say_state(stage, VHOST_GET_VRING_BASE, 1, 0);
	assert_int_equal(told_base(stage), 7);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(sizes),         CASE(bases_go_there_and_back), CASE(a_base_beyond_the_ring),
		CASE(back_to_split), CASE(the_other_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
