/* SPDX-License-Identifier: Apache-2.0 */
/* From the first message to running rings, in the orders in which front ends come along. */
#include "stage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

#define PROTOCOL (1ull << VHOST_USER_F_PROTOCOL_FEATURES)

static void assert_ring(const struct stage *stage, uint32_t index, uint16_t base)
{
	const struct vhost_queue_setup *setup = &stage->queue[index].setup;
	const struct vhost_msg addr = message_addr(index);

	assert_true(stage->queue[index].running);
	assert_int_equal(setup->ring.size, RING_SIZE);
	assert_int_equal(setup->ring.base, base);
	assert_int_equal(setup->ring.desc, addr.payload.addr.desc_user);
	assert_int_equal(setup->ring.avail, addr.payload.addr.avail_user);
	assert_int_equal(setup->ring.used, addr.payload.addr.used_user);
	assert_ptr_equal(setup->ring.map, &stage->session->memory);
}

/* What QEMU's vhost-user-blk asks when it connects. */
static void qemu_connects(struct stage *stage)
{
	static const uint64_t offered = 1ull << VHOST_PROTOCOL_F_MQ | 1ull << VHOST_PROTOCOL_F_LOG_SHMFD |
					1ull << VHOST_PROTOCOL_F_REPLY_ACK | 1ull << VHOST_PROTOCOL_F_BACKEND_REQ |
					1ull << VHOST_PROTOCOL_F_CONFIG | 1ull << VHOST_PROTOCOL_F_INFLIGHT_SHMFD |
					1ull << VHOST_PROTOCOL_F_RESET_DEVICE |
					1ull << VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS | 1ull << VHOST_PROTOCOL_F_STATUS;

	say(stage, VHOST_GET_FEATURES);
	assert_int_equal(hear_u64(stage, VHOST_GET_FEATURES), STAGE_FEATURES | STAGE_LOG_ALL | PROTOCOL);
	say(stage, VHOST_GET_PROTOCOL_FEATURES);
	assert_int_equal(hear_u64(stage, VHOST_GET_PROTOCOL_FEATURES), offered);
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, offered);
	say(stage, VHOST_GET_QUEUE_NUM);
	assert_int_equal(hear_u64(stage, VHOST_GET_QUEUE_NUM), 2);
}

/* SET_BACKEND_REQ_FD has no payload. */
static void backend_channel(struct stage *stage)
{
	struct vhost_msg msg = message(VHOST_SET_BACKEND_REQ_FD, NULL, 0);

	msg.fds[0] = eventfd(0, EFD_CLOEXEC);
	msg.fd_count = 1;
	assert_int_equal(say_and_ask(stage, msg), 0);
	close(msg.fds[0]);
}

static void qemu_prepares(struct stage *stage)
{
	const struct vhost_config_msg wanted = {.size = STAGE_CONFIG_SIZE};
	struct vhost_msg reply;

	say(stage, VHOST_GET_MAX_MEM_SLOTS);
	assert_true(hear_u64(stage, VHOST_GET_MAX_MEM_SLOTS) >= 64);
	say(stage, VHOST_SET_OWNER);
	say(stage, VHOST_GET_FEATURES);
	hear_u64(stage, VHOST_GET_FEATURES);
	say_fd(stage, VHOST_SET_VRING_CALL, 0);
	say_fd(stage, VHOST_SET_VRING_CALL, 1);
	reply = message(VHOST_GET_CONFIG, &wanted, VHOST_CONFIG_HEADER_SIZE + STAGE_CONFIG_SIZE);
	say_message(stage, &reply);
	reply = hear(stage, VHOST_GET_CONFIG);
	assert_int_equal(reply.header.size, VHOST_CONFIG_HEADER_SIZE + STAGE_CONFIG_SIZE);
	assert_memory_equal(reply.payload.config.data, stage->config, STAGE_CONFIG_SIZE);
}

/* The guest's driver is there: QEMU's vhost_dev_start(). */
static void qemu_starts(struct stage *stage, uint16_t base)
{
	say_u64(stage, VHOST_SET_FEATURES, STAGE_FEATURES | PROTOCOL);
	assert_int_equal(stage->features, STAGE_FEATURES);
	assert_int_equal(say_and_ask(stage, message_u64(VHOST_SET_STATUS, 0xb)), 0);
	assert_int_equal(
		say_and_ask(stage, message_region(VHOST_ADD_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, stage->ram_fd)),
		0);
	for (uint32_t i = 0; i < 2; i++) {
		const struct vhost_msg addr = message_addr(i);

		say_state(stage, VHOST_SET_VRING_NUM, i, RING_SIZE);
		say_state(stage, VHOST_SET_VRING_BASE, i, base);
		say_message(stage, &addr);
		say_fd(stage, VHOST_SET_VRING_KICK, i);
		say_fd(stage, VHOST_SET_VRING_CALL, i);
	}
	assert_false(stage->queue[0].running || stage->queue[1].running);
	for (uint32_t i = 0; i < 2; i++)
		say_state(stage, VHOST_SET_VRING_ENABLE, i, 1);
	assert_int_equal(say_and_ask(stage, message_u64(VHOST_SET_STATUS, 0xf)), 0);
	say(stage, VHOST_GET_STATUS);
	assert_int_equal(hear_u64(stage, VHOST_GET_STATUS), 0xf);
	for (uint32_t i = 0; i < 2; i++) {
		assert_ring(stage, i, base);
		assert_true(stage->queue[i].setup.ring.event_idx);
		assert_true(stage->queue[i].setup.ring.indirect);
	}
	assert_heard(stage, "features; add; start 0; start 1");
}

/* The guest resets or QEMU pauses it: vhost_dev_stop(); before 8.0 with the status first. */
static void qemu_stops(struct stage *stage, bool status_first, uint16_t base)
{
	if (status_first) {
		say_u64(stage, VHOST_SET_STATUS, 0);
		stage_drain(stage, base);
	}
	for (uint32_t i = 0; i < 2; i++) {
		say_state(stage, VHOST_SET_VRING_ENABLE, i, 0);
		hear_nothing(stage);
		if (!status_first)
			stage_drain(stage, base);
		assert_false(stage->queue[i].running);
	}
	for (uint32_t i = 0; i < 2; i++) {
		struct vhost_msg reply;

		say_state(stage, VHOST_GET_VRING_BASE, i, 0);
		reply = hear(stage, VHOST_GET_VRING_BASE);
		assert_int_equal(reply.header.size, sizeof(struct vhost_vring_state_msg));
		assert_int_equal(reply.payload.state.index, i);
		assert_int_equal(reply.payload.state.num, base);
	}
	if (!status_first)
		assert_int_equal(say_and_ask(stage, message_u64(VHOST_SET_STATUS, 0)), 0);
	assert_int_equal(say_and_ask(stage, message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, -1)),
			 0);
	assert_heard(stage, "stop 0; stop 1; remove");
}

static void as_qemu_does(void **state)
{
	struct stage *stage = *state;

	qemu_connects(stage);
	backend_channel(stage);
	qemu_prepares(stage);
	qemu_starts(stage, 0);
	qemu_stops(stage, false, 500);
	/* The guest boots again; then it goes on from where it was paused. */
	qemu_starts(stage, 0);
	qemu_stops(stage, false, 65530);
	qemu_starts(stage, 65530);
	qemu_stops(stage, true, 65531);
	qemu_starts(stage, 65531);
}

enum { STEPS = 6 };

static void one_step(struct stage *stage, unsigned step)
{
	const struct vhost_msg addr = message_addr(1);

	switch (step) {
	case 0:
		say_memory(stage);
		break;
	case 1:
		say_state(stage, VHOST_SET_VRING_NUM, 1, RING_SIZE);
		break;
	case 2:
		say_state(stage, VHOST_SET_VRING_BASE, 1, 77);
		break;
	case 3:
		say_message(stage, &addr);
		break;
	case 4:
		say_fd(stage, VHOST_SET_VRING_KICK, 1);
		break;
	default:
		say_state(stage, VHOST_SET_VRING_ENABLE, 1, 1);
		break;
	}
	/* A ring that runs already was stopped for it; base 77 is not known to it yet, or still is. */
	stage_drain(stage, stage->queue[1].setup.ring.base);
}

/* The six things that make a ring run, in every order. */
static void in_any_order(void **state)
{
	unsigned order[STEPS], permutations = 0;

	(void)state;
	log_set_level((enum log_level)0); /* that a ring is not complete yet is said each time */
	for (unsigned n = 0; n < 46656; n++) {
		unsigned used = 0, rest = n;
		struct stage stage;

		for (unsigned i = 0; i < STEPS; i++, rest /= STEPS) {
			order[i] = rest % STEPS;
			used |= 1u << order[i];
		}
		if (used != (1u << STEPS) - 1)
			continue;
		permutations++;
		stage_create(&stage, 2);
		stage_negotiate(&stage);
		for (unsigned i = 0; i < STEPS; i++)
			one_step(&stage, order[i]);
		assert_true(stage.alive);
		assert_ring(&stage, 1, 77);
		assert_false(stage.queue[0].running);
		stage_destroy(&stage);
	}
	assert_int_equal(permutations, 720);
	log_set_level(LOG_LEVEL_INFO);
}

/* A front end of the first days: no protocol features, and so no enabling. */
static void without_protocol_features(void **state)
{
	struct stage *stage = *state;
	struct vhost_msg msg = message(VHOST_SET_OWNER, NULL, 0);

	say(stage, VHOST_GET_FEATURES);
	hear_u64(stage, VHOST_GET_FEATURES);
	say(stage, VHOST_SET_OWNER);
	say_u64(stage, VHOST_SET_FEATURES, 1ull << VIRTIO_F_VERSION_1);
	say_memory(stage);
	stage_set_up_ring(stage, 0);
	assert_ring(stage, 0, 0);
	assert_false(stage->queue[0].setup.ring.event_idx);
	assert_false(stage->queue[0].setup.ring.indirect);
	assert_heard(stage, "features; add; start 0; call 0");
	/* need_reply was not negotiated either. */
	msg.header.flags |= VHOST_FLAG_NEED_REPLY;
	say_message(stage, &msg);
	hear_nothing(stage);
	assert_true(stage->alive);
}

/* Whoever comes next finds nothing of what the one before has left. */
static void one_front_end_after_the_other(void **state)
{
	struct stage *stage = *state;

	for (unsigned i = 0; i < 3; i++) {
		stage_run(stage);
		close(stage->front);
		stage->front = -1;
		assert_false(vhost_session_readable(stage->session));
		stage_destroy(stage);
		stage_create(stage, 2);
		assert_int_equal(stage->session->features, 0);
		assert_int_equal(stage->session->memory.count, 0);
	}
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(as_qemu_does),
		CASE(without_protocol_features),
		CASE(one_front_end_after_the_other),
		cmocka_unit_test(in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
