/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of a session: at each step of the way, in the middle of a message, while rings drain, by flood and by silence.
 */
#include "stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEPS = 17 };

/* The way from connecting to running rings and back, step by step. */
static void one_step(struct stage *stage, unsigned step)
{
	const struct vhost_msg addr[] = {message_addr(0), message_addr(1)};

	switch (step) {
	case 0:
		say(stage, VHOST_GET_FEATURES);
		break;
	case 1:
		say(stage, VHOST_GET_PROTOCOL_FEATURES);
		break;
	case 2:
		say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, 1ull << VHOST_PROTOCOL_F_REPLY_ACK);
		break;
	case 3:
		say(stage, VHOST_SET_OWNER);
		break;
	case 4:
		say_u64(stage, VHOST_SET_FEATURES, STAGE_FEATURES | 1ull << VHOST_USER_F_PROTOCOL_FEATURES);
		break;
	case 5:
		say_fd(stage, VHOST_SET_VRING_CALL, 0);
		break;
	case 6:
		say_memory(stage);
		break;
	case 7:
	case 8:
		say_state(stage, VHOST_SET_VRING_NUM, step - 7, RING_SIZE);
		break;
	case 9:
	case 10:
		say_message(stage, &addr[step - 9]);
		break;
	case 11:
	case 12:
		say_fd(stage, VHOST_SET_VRING_KICK, step - 11);
		break;
	case 13:
		say_fd(stage, VHOST_SET_VRING_ERR, 1);
		break;
	case 14:
	case 15:
		say_state(stage, VHOST_SET_VRING_ENABLE, step - 14, 1);
		break;
	default:
		/* Its ring is to stop now, and does not for a while. */
		say_state(stage, VHOST_GET_VRING_BASE, 0, 0);
		break;
	}
}

/* How a front end goes: quietly, or in the middle of a word that carries a descriptor. */
static void leave(struct stage *stage, bool in_a_message)
{
	struct vhost_msg msg = message_u64(VHOST_SET_VRING_KICK, 0);

	if (in_a_message) {
		struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg.header) + 3};
		char control[CMSG_SPACE(sizeof(int))] = {0};
		struct msghdr header = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &stage->ram_fd, sizeof(int));
		assert_int_equal(sendmsg(stage->front, &header, 0), iov.iov_len);
	}
	close(stage->front);
	stage->front = -1;
}

static unsigned words(const char *trace, const char *word)
{
	unsigned count = 0;

	for (const char *at = strstr(trace, word); at; at = strstr(at + 1, word))
		count++;
	return count;
}

static void after_each_step(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 2 * (STEPS + 1); n++) {
		const unsigned fds = count_open_fds();
		struct stage stage;

		stage_create(&stage, 2);
		for (unsigned step = 0; step < n / 2; step++)
			one_step(&stage, step);
		leave(&stage, n % 2);
		said_begin();
		if (vhost_session_busy(stage.session))
			stage_drain(&stage, 0);
		else
			stage.alive = vhost_session_readable(stage.session);
		assert_false(stage.alive);
		stage_end(&stage);
		/* Going is no offence, unless it is found by the answer to a question. */
		assert_int_equal(said_lines(said_end(), ""), n / 2 == STEPS);
		assert_int_equal(words(stage.trace, "start"), words(stage.trace, "stop"));
		assert_int_equal(words(stage.trace, "add"), words(stage.trace, "remove"));
		assert_int_equal(words(stage.trace, "reset"), 1);
		/* After all else. */
		assert_string_equal(strstr(stage.trace, "reset"), "reset");
		stage_destroy(&stage);
		assert_int_equal(count_open_fds(), fds);
	}
}

/* Closed by us (the daemon ends) while a message waits for rings: its work is not done any more. */
static void closed_while_a_message_waits(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg region =
		message_region(VHOST_ADD_MEM_REG, 0, RAM_SIZE, RAM_USER + RAM_SIZE, 0, stage->ram_fd);

	stage_run(stage);
	say_message(stage, &region);
	assert_true(vhost_session_busy(stage->session));
	assert_false(vhost_session_close(stage->session));
	/* Asking again does not stop them twice. */
	assert_false(vhost_session_close(stage->session));
	stage_drain(stage, 0);
	assert_false(stage->alive);
	assert_heard(stage, "stop 0; stop 1");
	assert_true(vhost_session_close(stage->session));
	stage_end(stage);
	assert_heard(stage, "remove; reset");
}

/* Only some rings are stopping for the message: the others stop for the end. */
static void closed_while_one_ring_stops(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	say_state(stage, VHOST_GET_VRING_BASE, 1, 0);
	assert_heard(stage, "stop 1");
	assert_false(vhost_session_close(stage->session));
	stage_drain(stage, 0);
	assert_false(stage->alive);
	hear_nothing(stage);
	assert_false(vhost_session_close(stage->session));
	assert_heard(stage, "stop 0");
	stage_drain(stage, 0);
	assert_false(stage->alive);
	assert_true(vhost_session_close(stage->session));
}

/* One that never stops talking lets others have their turn, and gets all its answers in the end. */
static void a_flood_of_messages(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg question = message(VHOST_SET_OWNER, NULL, 0);
	unsigned sent = 0, turns = 0;

	while (vhost_send(stage->front, &question) == 0)
		sent++;
	assert_true(sent > 100);
	while (recv(stage->session->socket, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
		assert_true(vhost_session_readable(stage->session));
		turns++;
	}
	assert_true(turns >= sent / 64);
	say(stage, VHOST_GET_QUEUE_NUM);
	assert_int_equal(hear_u64(stage, VHOST_GET_QUEUE_NUM), 2);
}

/* One that asks and never listens is not waited for. */
static void a_peer_that_does_not_read(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg question = message(VHOST_GET_FEATURES, NULL, 0);

	stage_run(stage);
	said_begin();
	for (unsigned i = 0; stage->alive; i++) {
		assert_true(i < 1000000);
		put_message(stage, &question);
		stage->alive = vhost_session_readable(stage->session);
	}
	assert_int_equal(said_lines(said_end(), "does not take the reply to GET_FEATURES"), 1);
	assert_int_equal(said_lines(said_end(), ""), 1);
}

/* A peer that sends the last message and goes: the answer has nowhere to go, which is no crash. */
static void gone_before_the_answer(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg question = message(VHOST_GET_FEATURES, NULL, 0);

	put_message(stage, &question);
	close(stage->front);
	stage->front = -1;
	said_begin();
	assert_false(vhost_session_readable(stage->session));
	assert_int_equal(said_lines(said_end(), "GET_FEATURES"), 1);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_each_step), CASE(closed_while_a_message_waits),
		CASE(closed_while_one_ring_stops), CASE(a_flood_of_messages),
		CASE(a_peer_that_does_not_read),   CASE(gone_before_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
