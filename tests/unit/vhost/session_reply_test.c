/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets an answer: REPLY_ACK, questions, and the front end's own ear for changes of the configuration. */
#include "stage.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOFD         VHOST_VRING_NOFD

static struct vhost_msg config_message(uint32_t request, uint32_t offset, uint32_t size)
{
	struct vhost_config_msg config = {.offset = offset, .size = size};

	memset(config.data, 0xcc, sizeof(config.data));
	return message(request, &config, VHOST_CONFIG_HEADER_SIZE + (size < 256 ? size : 256));
}

static void what_is_done_is_acknowledged(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg messages[] = {
		message(VHOST_SET_OWNER, NULL, 0),
		message_u64(VHOST_SET_FEATURES, STAGE_FEATURES | 1ull << VHOST_USER_F_PROTOCOL_FEATURES),
		message_region(VHOST_ADD_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, stage->ram_fd),
		message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, -1),
		message_state(VHOST_SET_VRING_NUM, 0, 16),
		message_state(VHOST_SET_VRING_BASE, 0, 16),
		message_addr(0),
		message_u64(VHOST_SET_VRING_KICK, 0 | NOFD),
		message_u64(VHOST_SET_VRING_CALL, 0 | NOFD),
		message_u64(VHOST_SET_VRING_ERR, 0 | NOFD),
		message_state(VHOST_SET_VRING_ENABLE, 0, 1),
		config_message(VHOST_SET_CONFIG, 0, 1),
		message_u64(VHOST_SET_STATUS, 15),
		message(VHOST_RESET_DEVICE, NULL, 0),
		message(VHOST_RESET_OWNER, NULL, 0),
	};

	stage_negotiate(stage);
	for (unsigned i = 0; i < COUNT(messages); i++) {
		/* Asked for, there is one; not asked for, there is none. */
		assert_int_equal(say_and_ask(stage, messages[i]), 0);
		if (messages[i].header.request == VHOST_ADD_MEM_REG || messages[i].header.request == VHOST_REM_MEM_REG)
			continue;
		say_message(stage, &messages[i]);
		assert_true(stage->alive);
		hear_nothing(stage);
	}
}

/* Refused with a reason in the log; the front end knows, and may go on. */
static void what_is_refused_is_said(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg messages[] = {
		message_u64(VHOST_SET_FEATURES, 1ull << 63),
		message_u64(VHOST_SET_PROTOCOL_FEATURES, 1ull << 14),
		message(VHOST_SET_MEM_TABLE, "\1\0\0\0\0\0\0", 8),
		message_region(VHOST_ADD_MEM_REG, RAM_GUEST, RAM_SIZE + 1, RAM_USER, 0, stage->ram_fd),
		message_region(VHOST_ADD_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, -1),
		message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, -1),
		message_state(VHOST_SET_VRING_NUM, 0, 15),
		message_state(VHOST_SET_VRING_NUM, 2, 16),
		message_state(VHOST_SET_VRING_BASE, 0, 65536),
		message_u64(VHOST_SET_VRING_KICK, 0),
		message_u64(VHOST_SET_VRING_CALL, 2 | NOFD),
		message_state(VHOST_SET_VRING_ENABLE, 0, 2),
		config_message(VHOST_SET_CONFIG, STAGE_CONFIG_SIZE, 1),
		message_u64(VHOST_SET_STATUS, 256),
		message(VHOST_SET_BACKEND_REQ_FD, NULL, 0),
		message(VHOST_SET_LOG_FD, NULL, 0),
	};

	stage_negotiate(stage);
	for (unsigned i = 0; i < COUNT(messages); i++) {
		said_begin();
		assert_int_not_equal(say_and_ask(stage, messages[i]), 0);
		assert_int_equal(said_lines(said_end(), "refused"), 1);
		assert_int_equal(said_lines(said_end(), vhost_msg_rule(messages[i].header.request)->name), 1);
		assert_int_equal(said_lines(said_end(), ""), 1);
		say(stage, VHOST_GET_QUEUE_NUM);
		assert_int_equal(hear_u64(stage, VHOST_GET_QUEUE_NUM), 2);
	}
	assert_heard(stage, "features");
}

/* A running ring is stopped for a message that is refused, and runs again. */
static void refused_while_running(void **state)
{
	struct stage *stage = *state;
	struct vhost_msg msg = message_state(VHOST_SET_VRING_NUM, 1, 3);

	stage_run(stage);
	msg.header.flags |= VHOST_FLAG_NEED_REPLY;
	said_begin();
	say_message(stage, &msg);
	stage_drain(stage, 55);
	said_end();
	assert_int_not_equal(hear_u64(stage, VHOST_SET_VRING_NUM), 0);
	assert_heard(stage, "stop 1; start 1");
	assert_int_equal(stage->queue[1].setup.ring.base, 55);
	assert_int_equal(stage->queue[1].setup.ring.size, RING_SIZE);
}

/* A front end that is refused again and again does not fill the log. */
static void refused_without_end(void **state)
{
	struct stage *stage = *state;
	struct vhost_msg msg = message_state(VHOST_SET_VRING_NUM, 1, 3);

	stage_negotiate(stage);
	msg.header.flags |= VHOST_FLAG_NEED_REPLY;
	said_begin();
	for (unsigned i = 1; i < 64; i++) {
		say_message(stage, &msg);
		assert_int_not_equal(hear_u64(stage, VHOST_SET_VRING_NUM), 0);
	}
	assert_true(stage->alive);
	say_message(stage, &msg);
	assert_false(stage->alive);
	assert_int_equal(said_lines(said_end(), "refused"), 64);
}

/* The same for what is not refused: the log falls silent, the session goes on. */
static void wrong_without_end(void **state)
{
	static const struct vhost_config_msg beyond = {.offset = STAGE_CONFIG_SIZE, .size = 1};
	const struct vhost_msg question = message(VHOST_GET_CONFIG, &beyond, VHOST_CONFIG_HEADER_SIZE + 1);
	struct vhost_msg nowhere = message_addr(0);
	struct stage *stage = *state;

	nowhere.payload.addr.desc_user = 1;
	stage_negotiate(stage);
	say_memory(stage);
	stage_set_up_ring(stage, 0);
	say_state(stage, VHOST_SET_VRING_ENABLE, 0, 1);
	said_begin();
	for (unsigned i = 0; i < 20; i++) {
		say_message(stage, &question);
		assert_int_equal(hear(stage, VHOST_GET_CONFIG).header.size, 0);
	}
	for (unsigned i = 0; i < 100; i++) {
		say_message(stage, &nowhere);
		stage_drain(stage, 0);
	}
	assert_true(stage->alive);
	assert_int_equal(said_lines(said_end(), "which has fewer"), 20);
	assert_int_equal(said_lines(said_end(), "queue 0 cannot start"), 44);
	assert_int_equal(said_lines(said_end(), ""), 65);
	stage->trace[0] = '\0';
}

static void nothing_is_acknowledged_before_it_was_negotiated(void **state)
{
	struct stage *stage = *state;
	struct vhost_msg msg = message(VHOST_SET_OWNER, NULL, 0);

	msg.header.flags |= VHOST_FLAG_NEED_REPLY;
	say_message(stage, &msg);
	hear_nothing(stage);
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, 1ull << VHOST_PROTOCOL_F_MQ);
	say_message(stage, &msg);
	hear_nothing(stage);
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, 1ull << VHOST_PROTOCOL_F_REPLY_ACK);
	say_message(stage, &msg);
	assert_int_equal(hear_u64(stage, VHOST_SET_OWNER), 0);
	/* Where it is not, a refusal ends the session. */
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, 0);
	msg = message_state(VHOST_SET_VRING_NUM, 0, 0);
	msg.header.flags |= VHOST_FLAG_NEED_REPLY;
	said_begin();
	say_message(stage, &msg);
	assert_int_equal(said_lines(said_end(), "connection closed"), 1);
	assert_false(stage->alive);
	hear_nothing(stage);
}

/* A question has one answer, its own, whether need_reply is set or not. */
static void questions_have_one_answer(void **state)
{
	struct stage *stage = *state;
	static const uint32_t questions[] = {VHOST_GET_FEATURES, VHOST_GET_PROTOCOL_FEATURES, VHOST_GET_QUEUE_NUM,
					     VHOST_GET_MAX_MEM_SLOTS, VHOST_GET_STATUS};

	stage_negotiate(stage);
	say_u64(stage, VHOST_SET_STATUS, 7);
	for (unsigned i = 0; i < COUNT(questions); i++) {
		uint64_t answer;

		say(stage, questions[i]);
		answer = hear_u64(stage, questions[i]);
		assert_int_not_equal(answer, 0);
		assert_int_equal(say_and_ask(stage, message(questions[i], NULL, 0)), answer);
	}
}

/* One that cannot be answered ends the session: an acknowledgement in its place would pass for an answer. */
static void questions_without_an_answer(void **state)
{
	struct vhost_msg messages[] = {
		message_state(VHOST_GET_VRING_BASE, 2, 0),
		config_message(VHOST_GET_CONFIG, 0, 257),
	};

	(void)state;
	for (unsigned i = 0; i < 2 * COUNT(messages); i++) {
		struct vhost_msg msg = messages[i / 2];
		struct stage stage;

		stage_create(&stage, 2);
		stage_negotiate(&stage);
		if (i % 2)
			msg.header.flags |= VHOST_FLAG_NEED_REPLY;
		said_begin();
		say_message(&stage, &msg);
		assert_int_equal(said_lines(said_end(), "connection closed"), 1);
		assert_false(stage.alive);
		hear_nothing(&stage);
		stage_destroy(&stage);
	}
}

static void configuration_space(void **state)
{
	static const struct {
		uint32_t offset, size;
		bool good;
	} cases[] = {
		{0, STAGE_CONFIG_SIZE, true},
		{0, 0, true},
		{8, 4, true},
		{STAGE_CONFIG_SIZE - 1, 1, true},
		{STAGE_CONFIG_SIZE, 0, true},
		{STAGE_CONFIG_SIZE, 1, false},
		{1, STAGE_CONFIG_SIZE, false},
		{0, 256, false},
		{UINT32_MAX, 1, false},
		{UINT32_MAX, 256, false},
		{UINT32_MAX - 3, 8, false},
	};
	struct stage *stage = *state;

	stage_negotiate(stage);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct vhost_msg msg = config_message(VHOST_GET_CONFIG, cases[i].offset, cases[i].size);

		said_begin();
		say_message(stage, &msg);
		assert_true(stage->alive);
		msg = hear(stage, VHOST_GET_CONFIG);
		/* "the back-end uses zero length of payload to indicate an error" */
		assert_int_equal(msg.header.size, cases[i].good ? VHOST_CONFIG_HEADER_SIZE + cases[i].size : 0);
		assert_int_equal(said_lines(said_end(), "configuration space"), !cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(msg.payload.config.offset, cases[i].offset);
		assert_int_equal(msg.payload.config.size, cases[i].size);
		assert_memory_equal(msg.payload.config.data, stage->config + cases[i].offset, cases[i].size);
	}
	assert_int_equal(say_and_ask(stage, config_message(VHOST_SET_CONFIG, 10, 2)), 0);
	assert_memory_equal(stage->config + 9, "\x0a\xcc\xcc\x0d", 4);
	assert_heard(stage, "features; config");
}

/* The channel for our own requests, in a session that has one. */
static int open_backend_channel(struct stage *stage)
{
	struct vhost_msg msg = message(VHOST_SET_BACKEND_REQ_FD, NULL, 0);
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	msg.fds[0] = ends[1];
	msg.fd_count = 1;
	assert_int_equal(say_and_ask(stage, msg), 0);
	close(ends[1]);
	return ends[0];
}

static void changes_are_told(void **state)
{
	struct stage *stage = *state;
	struct vhost_reader reader;
	struct vhost_msg msg;
	int channel;

	stage_negotiate(stage);
	/* A channel in place of another. */
	close(open_backend_channel(stage));
	channel = open_backend_channel(stage);
	vhost_session_config_changed(stage->session);
	vhost_reader_init(&reader);
	assert_int_equal(vhost_recv(channel, &reader, &msg), 1);
	assert_int_equal(msg.header.request, VHOST_BACKEND_CONFIG_CHANGE_MSG);
	assert_int_equal(msg.header.flags, VHOST_FLAG_VERSION);
	assert_int_equal(msg.header.size, 0);
	close(channel);
	/* The listener has gone: that is its affair. */
	said_begin();
	vhost_session_config_changed(stage->session);
	assert_int_equal(said_lines(said_end(), ""), 1);
	say(stage, VHOST_GET_QUEUE_NUM);
	hear_u64(stage, VHOST_GET_QUEUE_NUM);
}

static void changes_that_nobody_hears(void **state)
{
	struct stage *stage = *state;
	int channel;

	said_begin();
	vhost_session_config_changed(stage->session);
	assert_int_equal(said_lines(said_end(), "does not listen"), 1);
	/* A listener that does not read cannot hold us up. */
	stage_negotiate(stage);
	channel = open_backend_channel(stage);
	said_begin();
	for (unsigned i = 0; i < 20000; i++)
		vhost_session_config_changed(stage->session);
	assert_true(said_lines(said_end(), "does not take the notice") > 0);
	say(stage, VHOST_GET_QUEUE_NUM);
	hear_u64(stage, VHOST_GET_QUEUE_NUM);
	close(channel);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(what_is_done_is_acknowledged),
		CASE(what_is_refused_is_said),
		CASE(refused_while_running),
		CASE(nothing_is_acknowledged_before_it_was_negotiated),
		CASE(questions_have_one_answer),
		CASE(questions_without_an_answer),
		CASE(configuration_space),
		CASE(changes_are_told),
		CASE(changes_that_nobody_hears),
		CASE(refused_without_end),
		CASE(wrong_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
