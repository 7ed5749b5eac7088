/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Front ends that break the protocol: the session ends with one line in the log
 * that says why, its rings stop, and nothing of it is left. Each offence is
 * committed twice: on a fresh session and on one whose rings run.
 */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOFD         VHOST_VRING_NOFD

/* Send a message on a session of its own. It must be the session's last, and the reason must be said. */
static void assert_fatal(const struct vhost_msg *msg, const char *reason)
{
	for (unsigned running = 0; running < 2; running++) {
		const unsigned fds = count_open_fds();
		struct stage stage;
		const char *said;

		stage_create(&stage, 2);
		if (running)
			stage_run(&stage);
		else
			say(&stage, VHOST_SET_OWNER);
		said_begin();
		say_message(&stage, msg);
		stage_drain(&stage, 0);
		said = said_end();
		if (stage.alive || said_lines(said, "") != 1 || !strstr(said, "connection closed") ||
		    !strstr(said, reason))
			fail_msg("request %u, %u bytes, %u descriptors, %s: %s, said \"%s\"", msg->header.request,
				 msg->header.size, msg->fd_count, running ? "running" : "fresh",
				 stage.alive ? "lives" : "over", said);
		stage_destroy(&stage);
		assert_int_equal(count_open_fds(), fds);
	}
}

static void vrings_that_do_not_exist(void **state)
{
	static const uint32_t by_state[] = {VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE,
					    VHOST_SET_VRING_ENABLE};
	static const uint32_t by_u64[] = {VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR};
	static const uint32_t indices[] = {2, 63, 64, 255, 256, 1u << 31, UINT32_MAX};
	static const uint64_t wide[] = {2, 63, 64, 255, 1ull << 9, 1ull << 32, 1ull << 63, UINT64_MAX & ~NOFD};

	(void)state;
	for (unsigned i = 0; i < COUNT(by_state); i++) {
		for (unsigned k = 0; k < COUNT(indices); k++) {
			const struct vhost_msg msg = message_state(by_state[i], indices[k], 1);

			assert_fatal(&msg, "does not exist");
		}
	}
	for (unsigned k = 0; k < COUNT(indices); k++) {
		const struct vhost_msg msg = message_addr(indices[k]);

		assert_fatal(&msg, "does not exist");
	}
	for (unsigned i = 0; i < COUNT(by_u64); i++) {
		for (unsigned k = 0; k < 2 * COUNT(wide); k++) {
			struct vhost_msg msg = message_u64(by_u64[i], wide[k / 2] | (k % 2 ? 0 : NOFD));

			msg.fds[0] = k % 2 ? STDIN_FILENO : -1;
			msg.fd_count = k % 2;
			assert_fatal(&msg, "does not exist");
		}
	}
}

static void values_out_of_range(void **state)
{
	struct vhost_config_msg config = {.size = 257};
	const struct vhost_msg messages[] = {
		message_state(VHOST_SET_VRING_NUM, 1, 0),
		message_state(VHOST_SET_VRING_NUM, 1, 3),
		message_state(VHOST_SET_VRING_NUM, 1, 65536),
		message_state(VHOST_SET_VRING_NUM, 1, UINT32_MAX),
		message_state(VHOST_SET_VRING_BASE, 1, 65536),
		message_state(VHOST_SET_VRING_BASE, 1, UINT32_MAX),
		message_state(VHOST_SET_VRING_ENABLE, 1, 2),
		message_state(VHOST_SET_VRING_ENABLE, 1, UINT32_MAX),
		message_u64(VHOST_SET_FEATURES, 1),
		message_u64(VHOST_SET_FEATURES, UINT64_MAX),
		message_u64(VHOST_SET_PROTOCOL_FEATURES, UINT64_MAX),
		message_u64(VHOST_SET_PROTOCOL_FEATURES, 1ull << 14),
		message_u64(VHOST_SET_STATUS, 256),
		message_u64(VHOST_SET_STATUS, UINT64_MAX),
		message(VHOST_GET_CONFIG, &config, VHOST_CONFIG_HEADER_SIZE + 256),
		message(VHOST_SET_CONFIG, &config, VHOST_CONFIG_HEADER_SIZE + 256),
	};
	struct vhost_msg msg;

	(void)state;
	for (unsigned i = 0; i < COUNT(messages); i++)
		assert_fatal(&messages[i], "refused");
	/* More bytes of configuration than the message has, and an offset beyond all. */
	for (unsigned i = 0; i < 2; i++) {
		config = (struct vhost_config_msg){.size = 5};
		msg = message(i ? VHOST_SET_CONFIG : VHOST_GET_CONFIG, &config, VHOST_CONFIG_HEADER_SIZE + 4);
		assert_fatal(&msg, "refused");
	}
	config = (struct vhost_config_msg){.offset = UINT32_MAX, .size = 256};
	msg = message(VHOST_SET_CONFIG, &config, sizeof(config));
	assert_fatal(&msg, "cannot be written");
}

/* One byte less than a message has at least, and one more than it has at most. */
static void sizes_that_do_not_fit(void **state)
{
	const char *wrong = "a payload of the wrong size";

	(void)state;
	for (uint32_t request = 0; request < VHOST_REQUEST_COUNT; request++) {
		const struct vhost_msg_rule *rule = vhost_msg_rule(request);
		struct vhost_msg msg = {.header = {.request = request, .flags = VHOST_FLAG_VERSION}};

		if (!rule->name)
			continue;
		if (rule->size_min > 0) {
			msg.header.size = rule->size_min - 1u;
			assert_fatal(&msg, wrong);
		}
		if (rule->size_max < sizeof(msg.payload)) {
			msg.header.size = rule->size_max + 1u;
			assert_fatal(&msg, wrong);
		}
	}
}

/* More than any message has: nobody waits for it. */
static void sizes_that_no_message_has(void **state)
{
	static const uint32_t sizes[] = {sizeof(union vhost_payload) + 1, 65536, 1u << 31, UINT32_MAX};

	(void)state;
	for (unsigned i = 0; i < COUNT(sizes); i++) {
		const struct vhost_header header = {
			.request = VHOST_SET_MEM_TABLE, .flags = VHOST_FLAG_VERSION, .size = sizes[i]};
		struct stage stage;

		stage_create(&stage, 2);
		said_begin();
		assert_int_equal(send(stage.front, &header, sizeof(header), 0), sizeof(header));
		assert_false(vhost_session_readable(stage.session));
		assert_int_equal(said_lines(said_end(), "larger than any message"), 1);
		assert_int_equal(said_lines(said_end(), ""), 1);
		stage_destroy(&stage);
	}
}

static void unknown_requests(void **state)
{
	static const uint32_t far[] = {1000, 1u << 31, UINT32_MAX};

	(void)state;
	for (uint32_t i = 0; i < 64 + COUNT(far); i++) {
		const uint32_t request = i < 64 ? i : far[i - 64];
		const struct vhost_msg msg = message(request, NULL, 0);

		if (!vhost_msg_rule(request)->name)
			assert_fatal(&msg, "is not known");
	}
}

/* The codec knows them, since a front end may, but this back end has not offered them. */
static void requests_that_were_not_offered(void **state)
{
	const struct vhost_msg messages[] = {
		message(VHOST_POSTCOPY_ADVISE, NULL, 0),    message(VHOST_POSTCOPY_LISTEN, NULL, 0),
		message(VHOST_POSTCOPY_END, NULL, 0),       message_u64(VHOST_SET_DEVICE_STATE_FD, 0),
		message(VHOST_CHECK_DEVICE_STATE, NULL, 0),
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(messages); i++)
		assert_fatal(&messages[i], "not offered");
}

static void flags_that_no_request_has(void **state)
{
	static const uint32_t flags[] = {0, 2, 3, VHOST_FLAG_VERSION | VHOST_FLAG_REPLY,
					 VHOST_FLAG_VERSION | VHOST_FLAG_REPLY | VHOST_FLAG_NEED_REPLY};

	(void)state;
	for (unsigned i = 0; i < COUNT(flags); i++) {
		struct vhost_msg msg = message(VHOST_GET_FEATURES, NULL, 0);

		msg.header.flags = flags[i];
		assert_fatal(&msg, "flags");
	}
}

/* Each request with one descriptor more than it may have, if not more than any has. */
static void surplus_descriptors(void **state)
{
	(void)state;
	for (uint32_t request = 0; request < VHOST_REQUEST_COUNT; request++) {
		const struct vhost_msg_rule *rule = vhost_msg_rule(request);
		struct vhost_msg msg = {
			.header = {.request = request, .flags = VHOST_FLAG_VERSION, .size = rule->size_max}};

		if (!rule->name || rule->fds_max == VHOST_MSG_MAX_FDS)
			continue;
		msg.fd_count = rule->fds_max + 1u;
		for (unsigned i = 0; i < msg.fd_count; i++)
			msg.fds[i] = STDIN_FILENO;
		assert_fatal(&msg, "more file descriptors");
	}
}

static void missing_descriptors(void **state)
{
	static const uint32_t by_u64[] = {VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR};
	struct vhost_msg msg;

	(void)state;
	for (unsigned i = 0; i < COUNT(by_u64); i++) {
		msg = message_u64(by_u64[i], 1);
		assert_fatal(&msg, "0 file descriptors, expected one");
		/* One where there is to be none. */
		msg = message_u64(by_u64[i], 1 | NOFD);
		msg.fds[0] = STDIN_FILENO;
		msg.fd_count = 1;
		assert_fatal(&msg, "expected none");
	}
	msg = message(VHOST_SET_BACKEND_REQ_FD, NULL, 0);
	assert_fatal(&msg, "without a file descriptor");
	msg = message_region(VHOST_ADD_MEM_REG, 0, RAM_SIZE, RAM_USER, 0, -1);
	assert_fatal(&msg, "without a file descriptor");
}

/* A descriptor that only names a file cannot be made non-blocking. */
static void descriptors_good_for_nothing(void **state)
{
	struct vhost_msg messages[] = {
		message_u64(VHOST_SET_VRING_KICK, 1),
		message_u64(VHOST_SET_VRING_CALL, 1),
		message_u64(VHOST_SET_VRING_ERR, 1),
		message(VHOST_SET_BACKEND_REQ_FD, NULL, 0),
	};
	int path = open("/", O_PATH | O_CLOEXEC);

	(void)state;
	for (unsigned i = 0; i < COUNT(messages); i++) {
		messages[i].fds[0] = path;
		messages[i].fd_count = 1;
		assert_fatal(&messages[i], "non-blocking");
	}
	close(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vrings_that_do_not_exist),  cmocka_unit_test(values_out_of_range),
		cmocka_unit_test(sizes_that_do_not_fit),     cmocka_unit_test(sizes_that_no_message_has),
		cmocka_unit_test(unknown_requests),          cmocka_unit_test(requests_that_were_not_offered),
		cmocka_unit_test(flags_that_no_request_has), cmocka_unit_test(surplus_descriptors),
		cmocka_unit_test(missing_descriptors),       cmocka_unit_test(descriptors_good_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
