/* SPDX-License-Identifier: Apache-2.0 */
/* When a ring runs: what starts it, what stops it, and where it goes on. */
#include "stage.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void both_started_and_enabled(void **state)
{
	struct stage *stage = *state;

	stage_negotiate(stage);
	say_memory(stage);
	stage_set_up_ring(stage, 0);
	/* Started, but not enabled. */
	assert_heard(stage, "features; add");
	/* Another ring is enabled, but not started. */
	say_state(stage, VHOST_SET_VRING_ENABLE, 1, 1);
	assert_heard(stage, "");
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
	assert_heard(stage, "start 0");
	/* The other way round. */
	stage_set_up_ring(stage, 1);
	assert_heard(stage, "start 1; call 1");
}

/* Off and on again: the ring goes on where it stopped. */
static void disabled_and_enabled(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 0);
	stage_drain(stage, 1234);
	assert_heard(stage, "stop 0");
	/* Twice changes nothing. */
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 0);
	assert_heard(stage, "");
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
	assert_heard(stage, "start 0");
	assert_int_equal(stage->queue[0].setup.ring.base, 1234);
}

/* What a ring was set up with may change while it runs: it is stopped before, and started after. */
static void messages_that_touch_one_running_ring(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg addr = message_addr(1);
	struct {
		const char *name;
		struct vhost_msg msg;
		uint16_t base; /* with which it starts again, having stopped at 100 */
	} cases[] = {
		{"SET_VRING_NUM", message_state(VHOST_SET_VRING_NUM, 1, RING_SIZE), 100},
		{"SET_VRING_BASE", message_state(VHOST_SET_VRING_BASE, 1, 7), 7},
		{"SET_VRING_ADDR", addr, 100},
		{"SET_VRING_ENABLE", message_state(VHOST_SET_VRING_ENABLE, 1, 1), 100},
		{"SET_VRING_KICK", message_u64(VHOST_SET_VRING_KICK, 1 | VHOST_VRING_NOFD), 100},
		{"SET_VRING_ERR", message_u64(VHOST_SET_VRING_ERR, 1 | VHOST_VRING_NOFD), 100},
	};

	stage_run(stage);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		cases[i].msg.header.flags |= VHOST_FLAG_NEED_REPLY;
		say_message(stage, &cases[i].msg);
		/* Not before the queue has drained. */
		assert_true(vhost_session_busy(stage->session));
		hear_nothing(stage);
		assert_heard(stage, "stop 1");
		stage_drain(stage, 100);
		if (strcmp(stage->trace, "start 1") != 0)
			fail_msg("after %s: %s", cases[i].name, stage->trace);
		assert_heard(stage, "start 1");
		assert_int_equal(hear_u64(stage, cases[i].msg.header.request), 0);
		assert_int_equal(stage->queue[1].setup.ring.base, cases[i].base);
	}
	assert_int_equal(stage->queue[0].starts, 1);
	assert_int_equal(stage->queue[1].setup.kick_fd, -1);
}

static void messages_that_touch_all_running_rings(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg region =
		message_region(VHOST_ADD_MEM_REG, 0, RAM_SIZE, RAM_USER + RAM_SIZE, 0, stage->ram_fd);
	const struct vhost_msg regions[] = {
		region,
		message_region(VHOST_REM_MEM_REG, 0, RAM_SIZE, RAM_USER + RAM_SIZE, 0, -1),
	};

	stage_run(stage);
	say_u64(stage, VHOST_SET_FEATURES, 1ull << VHOST_USER_F_PROTOCOL_FEATURES);
	assert_heard(stage, "stop 0; stop 1");
	stage_drain(stage, 5);
	assert_heard(stage, "features; start 0; start 1");
	assert_false(stage->queue[0].setup.ring.event_idx);
	say_memory(stage);
	assert_heard(stage, "stop 0; stop 1");
	stage_drain(stage, 6);
	assert_heard(stage, "remove; add; start 0; start 1");
	for (unsigned i = 0; i < 2; i++) {
		say_message(stage, &regions[i]);
		assert_heard(stage, "stop 0; stop 1");
		stage_drain(stage, 7);
		assert_heard(stage, i ? "remove; start 0; start 1" : "add; start 0; start 1");
		assert_int_equal(stage->queue[1].setup.ring.base, 7);
	}
	/* Only those that run are stopped. */
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 0);
	stage_drain(stage, 8);
	assert_heard(stage, "stop 0");
	say_memory(stage);
	stage_drain(stage, 9);
	assert_heard(stage, "stop 1; remove; add; start 1");
}

static void messages_that_touch_no_ring(void **state)
{
	struct stage *stage = *state;
	const struct vhost_config_msg config = {.size = 4};
	const struct vhost_msg get_config = message(VHOST_GET_CONFIG, &config, VHOST_CONFIG_HEADER_SIZE + 4);
	static const uint32_t questions[] = {VHOST_GET_FEATURES, VHOST_GET_PROTOCOL_FEATURES, VHOST_GET_QUEUE_NUM,
					     VHOST_GET_MAX_MEM_SLOTS, VHOST_GET_STATUS};

	stage_run(stage);
	for (unsigned i = 0; i < COUNT(questions); i++) {
		say(stage, questions[i]);
		hear_u64(stage, questions[i]);
	}
	say_message(stage, &get_config);
	hear(stage, VHOST_GET_CONFIG);
	say(stage, VHOST_SET_OWNER);
	say_u64(stage, VHOST_SET_STATUS, 0xf);
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, stage->session->protocol_features);
	assert_heard(stage, "");
	assert_true(stage->queue[0].running && stage->queue[1].running);
}

/* Guests mask and unmask interrupts as they like, which comes as SET_VRING_CALL: the ring must not stop for it. */
static void a_new_call_descriptor_does_not_stop(void **state)
{
	struct stage *stage = *state;
	struct vhost_msg msg = message_u64(VHOST_SET_VRING_CALL, 1);
	eventfd_t value;

	stage_run(stage);
	msg.fds[0] = eventfd(0, EFD_CLOEXEC);
	msg.fd_count = 1;
	assert_int_equal(say_and_ask(stage, msg), 0);
	assert_heard(stage, "call 1");
	/* What the queue has been given is that descriptor, and does not block. */
	assert_int_equal(fcntl(stage->queue[1].setup.call_fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(eventfd_write(stage->queue[1].setup.call_fd, 3), 0);
	assert_int_equal(eventfd_read(msg.fds[0], &value), 0);
	assert_int_equal(value, 3);
	close(msg.fds[0]);
	say_u64(stage, VHOST_SET_VRING_CALL, 1 | VHOST_VRING_NOFD);
	assert_heard(stage, "call 1");
	assert_int_equal(stage->queue[1].setup.call_fd, -1);
	/* A ring that does not run has it when it starts. */
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 0);
	stage_drain(stage, 0);
	say_fd(stage, VHOST_SET_VRING_CALL, 0);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
	assert_heard(stage, "stop 0; start 0");
	assert_true(stage->queue[0].setup.call_fd >= 0);
}

/* Descriptors that would block a worker are made not to. */
static void descriptors_do_not_block(void **state)
{
	struct stage *stage = *state;

	stage_negotiate(stage);
	say_memory(stage);
	stage_set_up_ring(stage, 0);
	say_fd(stage, VHOST_SET_VRING_ERR, 0);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
	assert_true(fcntl(stage->queue[0].setup.kick_fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(stage->queue[0].setup.call_fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(stage->queue[0].setup.err_fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(stage->queue[0].setup.kick_fd, F_GETFD) & FD_CLOEXEC);
}

static void ask_for_base(struct stage *stage, uint32_t index, bool running, uint16_t expected)
{
	struct vhost_msg reply;

	say_state(stage, VHOST_GET_VRING_BASE, index, 0);
	if (running) {
		hear_nothing(stage);
		stage_drain(stage, expected);
	}
	reply = hear(stage, VHOST_GET_VRING_BASE);
	assert_int_equal(reply.header.size, sizeof(reply.payload.state));
	assert_int_equal(reply.payload.state.index, index);
	assert_int_equal(reply.payload.state.num, expected);
}

/* GET_VRING_BASE stops a ring for good: only a new kick descriptor starts it. */
static void get_vring_base_stops(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg addr = message_addr(0);

	/* Of a ring that has never run it tells what was set. */
	stage_negotiate(stage);
	ask_for_base(stage, 0, false, 0);
	say_state(stage, VHOST_SET_VRING_BASE, 0, 65535);
	ask_for_base(stage, 0, false, 65535);
	stage_run(stage);
	ask_for_base(stage, 0, true, 40000);
	assert_heard(stage, "stop 0");
	ask_for_base(stage, 0, false, 40000);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
	say_state(stage, VHOST_SET_VRING_NUM, 0, RING_SIZE);
	say_message(stage, &addr);
	say_fd(stage, VHOST_SET_VRING_CALL, 0);
	say_memory(stage);
	stage_drain(stage, 0);
	assert_heard(stage, "stop 1; remove; add; start 1");
	say_fd(stage, VHOST_SET_VRING_KICK, 0);
	assert_heard(stage, "start 0");
	assert_int_equal(stage->queue[0].setup.ring.base, 40000);
}

/* While a ring drains, the session says and does nothing; what the front end has sent meanwhile follows after. */
static void messages_wait_for_the_drain(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg base[] = {message_state(VHOST_GET_VRING_BASE, 0, 0),
					 message_state(VHOST_GET_VRING_BASE, 1, 0)};
	const struct vhost_msg question = message(VHOST_GET_QUEUE_NUM, NULL, 0);

	stage_run(stage);
	put_message(stage, &base[0]);
	put_message(stage, &base[1]);
	put_message(stage, &question);
	stage->alive = vhost_session_readable(stage->session);
	assert_heard(stage, "stop 0");
	hear_nothing(stage);
	stage_drain(stage, 10);
	assert_int_equal(hear(stage, VHOST_GET_VRING_BASE).payload.state.num, 10);
	assert_heard(stage, "stop 1");
	hear_nothing(stage);
	stage_drain(stage, 11);
	assert_int_equal(hear(stage, VHOST_GET_VRING_BASE).payload.state.num, 11);
	assert_int_equal(hear_u64(stage, VHOST_GET_QUEUE_NUM), 2);
	hear_nothing(stage);
}

/* One that cannot start is said once, and tried again when something about it has changed. */
static void a_ring_that_cannot_start(void **state)
{
	struct stage *stage = *state;
	struct vhost_msg addr = message_addr(0);

	stage_run(stage);
	addr.payload.addr.used_user = RAM_USER - 4096;
	said_begin();
	say_message(stage, &addr);
	stage_drain(stage, 3);
	assert_heard(stage, "stop 0; refuse 0");
	say(stage, VHOST_SET_OWNER);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
	assert_int_equal(said_lines(said_end(), "queue 0 cannot start"), 1);
	assert_int_equal(said_lines(said_end(), ""), 1);
	assert_heard(stage, "");
	said_begin();
	/* A new size, memory, kick descriptor: each a reason to look again. */
	say_state(stage, VHOST_SET_VRING_NUM, 0, RING_SIZE / 2);
	assert_heard(stage, "refuse 0");
	say_memory(stage);
	stage_drain(stage, 3);
	assert_heard(stage, "stop 1; remove; add; refuse 0; start 1");
	say_fd(stage, VHOST_SET_VRING_KICK, 0);
	assert_heard(stage, "refuse 0");
	said_end();
	addr = message_addr(0);
	say_message(stage, &addr);
	assert_heard(stage, "start 0");
	assert_int_equal(stage->queue[0].setup.ring.base, 3);
	assert_true(stage->alive);
}

/* There is no descriptor left for a queue of its own: better it stands still than runs deaf or dumb. */
static void no_descriptors_left(void **state)
{
	struct stage *stage = *state;
	struct rlimit limit, none;

	stage_run(stage);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 0);
	stage_drain(stage, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	said_begin();
	/* Room for none, for the kick descriptor, for that and the call descriptor. */
	say_fd(stage, VHOST_SET_VRING_ERR, 0);
	assert_heard(stage, "stop 0");
	for (unsigned room = 0; room < 3; room++) {
		const unsigned fds = count_open_fds();
		const int lowest = dup(stage->ram_fd);

		close(lowest);
		none = (struct rlimit){.rlim_cur = (rlim_t)lowest + room, .rlim_max = limit.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_heard(stage, "");
		assert_int_equal(count_open_fds(), fds);
		/* Tried again because of this. */
		say_fd(stage, VHOST_SET_VRING_KICK, 0);
		assert_heard(stage, "start 0");
		say_state(stage, VHOST_SET_VRING_ENABLE, 0, 0);
		stage_drain(stage, 0);
		assert_heard(stage, "stop 0");
	}
	assert_int_equal(said_lines(said_end(), "queue 0 cannot start"), 3);
	assert_int_equal(said_lines(said_end(), "Too many open files"), 3);
}

/*
 * RESET_DEVICE, and status 0: back to the beginning, but for the call descriptors, which are not sent again. Status 0
 * leaves to be asked for where the rings were, and the configuration space as it is.
 */
static void reset(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg messages[] = {message(VHOST_RESET_DEVICE, NULL, 0), message_u64(VHOST_SET_STATUS, 0)};

	stage_run(stage);
	for (unsigned i = 0; i < COUNT(messages); i++) {
		const struct vhost_msg addr = message_addr(0);

		say_u64(stage, VHOST_SET_STATUS, 0xf);
		say_message(stage, &messages[i]);
		assert_heard(stage, i ? "stop 0" : "stop 0; stop 1");
		stage_drain(stage, 99);
		assert_heard(stage, i ? "" : "reset");
		assert_int_equal(stage->all_stopped, 2 * i); /* ask_for_base() makes it one more */
		say(stage, VHOST_GET_STATUS);
		assert_int_equal(hear_u64(stage, VHOST_GET_STATUS), 0);
		ask_for_base(stage, 0, false, i ? 99 : 0);
		/* All of it has to be said anew. */
		say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
		say_fd(stage, VHOST_SET_VRING_KICK, 0);
		assert_heard(stage, "");
		say_state(stage, VHOST_SET_VRING_NUM, 0, RING_SIZE);
		assert_heard(stage, "refuse 0");
		say_message(stage, &addr);
		assert_heard(stage, "start 0");
		assert_true(stage->queue[0].setup.call_fd >= 0);
	}
}

static void reset_owner_disables(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	say(stage, VHOST_RESET_OWNER);
	stage_drain(stage, 12);
	assert_heard(stage, "stop 0; stop 1");
	say_state(stage, VHOST_SET_VRING_ENABLE, 1, 1);
	assert_heard(stage, "start 1");
	assert_int_equal(stage->queue[1].setup.ring.base, 12);
}

/* As many queues as there may be; the last one is like the others. */
static void the_most_queues(void **state)
{
	struct stage stage;

	(void)state;
	stage_create(&stage, VHOST_MAX_QUEUES);
	stage_run(&stage);
	ask_for_base(&stage, VHOST_MAX_QUEUES - 1, true, 9);
	assert_heard(&stage, "stop 63");
	stage_destroy(&stage);
}

/* The device may be handed over when the last ring has stopped for good, and not for a moment only. */
static void the_last_ring_stops(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	say_memory(stage);
	stage_drain(stage, 3);
	say_state(stage, VHOST_GET_VRING_BASE, 1, 0);
	stage_drain(stage, 3);
	hear(stage, VHOST_GET_VRING_BASE);
	assert_int_equal(stage->all_stopped, 0);
	say_state(stage, VHOST_GET_VRING_BASE, 0, 0);
	assert_int_equal(stage->all_stopped, 0);
	stage_drain(stage, 3);
	assert_int_equal(stage->all_stopped, 1);
	hear(stage, VHOST_GET_VRING_BASE);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(the_last_ring_stops),
		CASE(both_started_and_enabled),
		CASE(disabled_and_enabled),
		CASE(messages_that_touch_one_running_ring),
		CASE(messages_that_touch_all_running_rings),
		CASE(messages_that_touch_no_ring),
		CASE(a_new_call_descriptor_does_not_stop),
		CASE(descriptors_do_not_block),
		CASE(get_vring_base_stops),
		CASE(messages_wait_for_the_drain),
		CASE(a_ring_that_cannot_start),
		CASE(no_descriptors_left),
		CASE(reset),
		CASE(reset_owner_disables),
		cmocka_unit_test(the_most_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
