/* SPDX-License-Identifier: Apache-2.0 */
/* The RPC server over a pair of sockets, with methods of the test's own under names that the schema has. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "control/rpc_connection.h"

struct fixture {
	struct loop loop;
	struct rpc_server server;
	int client;
	char heard[1 << 16];
};

static struct rpc_deferred *deferred;
static unsigned calls, fds_seen;
static int kept_fd = -1;

static int echo(struct rpc_call *call, struct error *err)
{
	(void)err;
	calls++;
	fds_seen = (call->fds[0] >= 0) + (call->fds[1] >= 0);
	call->result = json_deep_copy(call->params);
	return 0;
}

static int keep(struct rpc_call *call, struct error *err)
{
	kept_fd = call->fds[0];
	call->fds[0] = -1;
	return echo(call, err);
}

static int much(struct rpc_call *call, struct error *err)
{
	char *text = calloc(1, 4 << 20);

	(void)err;
	memset(text, 'x', (4 << 20) - 1);
	call->result = json_string(text);
	free(text);
	return 0;
}

static int later(struct rpc_call *call, struct error *err)
{
	(void)err;
	deferred = rpc_defer(call);
	return deferred ? RPC_LATER : -1;
}

static const struct rpc_method methods[] = {
	{"disk.get", echo}, {"version", keep}, {"disk.list", later}, {"schema.get", much}, {NULL, NULL},
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const struct rpc_admins admins = {.owner = geteuid(), .group = (gid_t)-1};
	struct error err;
	int ends[2];

	assert_int_equal(loop_init(&fixture->loop), 0);
	rpc_server_init(&fixture->server, &fixture->loop, NULL, methods, NULL);
	assert_int_equal(rpc_server_open(&fixture->server, -1, "nowhere", &admins, &err), 0);
	assert_int_equal(rpc_server_start(&fixture->server, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	rpc_server_admit(&fixture->server, ends[0]);
	fixture->client = ends[1];
	calls = 0;
	deferred = NULL;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->client);
	rpc_server_close(&fixture->server, false);
	assert_int_equal(fixture->server.count, 0);
	loop_destroy(&fixture->loop);
	free(fixture);
	return 0;
}

/* Turn the loop until nothing is left to do but to wait; how often. */
static unsigned settle(struct fixture *fixture)
{
	unsigned turns = 0;

	for (;; turns++) {
		struct pollfd ready = {.fd = fixture->loop.epoll_fd, .events = POLLIN};

		if (poll(&ready, 1, 0) != 1)
			return turns;
		assert_true(turns < 1000000);
		loop_turn(&fixture->loop);
	}
}

static void say(struct fixture *fixture, const char *text)
{
	size_t length = strlen(text);

	while (length) {
		ssize_t sent = send(fixture->client, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);

		settle(fixture);
		if (sent < 0)
			return;
		text += sent;
		length -= (size_t)sent;
	}
}

/* All that has come, "" for nothing; ends with "(end)" where the connection does. */
static const char *hear(struct fixture *fixture)
{
	size_t length = 0;

	settle(fixture);
	for (;;) {
		ssize_t more = recv(fixture->client, fixture->heard + length, sizeof(fixture->heard) - length - 8,
				    MSG_DONTWAIT);

		if (more > 0)
			length += (size_t)more;
		settle(fixture);
		if (more > 0)
			continue;
		fixture->heard[length] = '\0';
		return more == 0 || errno == ECONNRESET ? strcat(fixture->heard, "(end)") : fixture->heard;
	}
}

#define CALL(id)   "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"disk.get\",\"params\":{\"name\":\"a\"}}"
#define ANSWER(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{\"name\":\"a\"}}"

static void messages_come_in_any_pieces(void **state)
{
	struct fixture *fixture = *state;
	const char *text = CALL("1") "\n\r\n  \n" CALL("\"b\"") "\n";

	for (const char *at = text; *at; at++) {
		char piece[2] = {*at, '\0'};

		say(fixture, piece);
	}
	assert_string_equal(hear(fixture), ANSWER("1") "\n" ANSWER("\"b\"") "\n");
	say(fixture, CALL("1") "\n" CALL("2") "\n" CALL("null") "\n");
	assert_string_equal(hear(fixture), ANSWER("1") "\n" ANSWER("2") "\n" ANSWER("null") "\n");
}

/* A client that says all it has to say and then listens has its answers. */
static void the_last_line_needs_no_end(void **state)
{
	struct fixture *fixture = *state;

	say(fixture, CALL("1") "\n" CALL("2"));
	shutdown(fixture->client, SHUT_WR);
	assert_string_equal(hear(fixture), ANSWER("1") "\n" ANSWER("2") "\n(end)");
}

static void a_call_a_turn(void **state)
{
	struct fixture *fixture = *state;
	char text[50 * sizeof(CALL("1")) + 1] = "";

	for (unsigned i = 0; i < 50; i++)
		strcat(text, CALL("1") "\n");
	assert_int_equal(send(fixture->client, text, strlen(text), 0), strlen(text));
	for (unsigned before = 0; calls < 50; before = calls) {
		loop_turn(&fixture->loop);
		assert_true(calls - before <= 1);
	}
}

static void batches(void **state)
{
	struct fixture *fixture = *state;

	say(fixture, "[" CALL("1") ",{\"jsonrpc\":\"2.0\",\"method\":\"disk.get\",\"params\":{\"name\":\"a\"}}," CALL(
			     "2") "]\n" CALL("3") "\n");
	assert_string_equal(hear(fixture), "[" ANSWER("1") "," ANSWER("2") "]\n" ANSWER("3") "\n");
	assert_int_equal(calls, 4);
	say(fixture, "[{\"jsonrpc\":\"2.0\",\"method\":\"disk.get\",\"params\":{\"name\":\"a\"}}]\n");
	assert_string_equal(hear(fixture), "");
	assert_int_equal(calls, 5);
	say(fixture, "[]\n[1]\n");
	assert_non_null(strstr(hear(fixture), "a batch of 0 requests"));
	assert_non_null(strstr(fixture->heard, "\n[{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600"));
}

/* What is wrong with a message, and the code that says so. Afterwards the next one is heard. */
static void wrong_messages(void **state)
{
	static const struct {
		const char *text, *answer;
	} cases[] = {
		{"{", "-32700"},
		{"nonsense", "-32700"},
		{"{\"a\":1,\"a\":2}", "duplicate"},
		{"{\"a\":1} {}", "-32700"},
		{"{\"a\":\"\xff\xfe\"}", "decode byte 0xff"},
		{"{\"a\":99999999999999999999}", "-32700"},
		{"\"text\"", "-32600"},
		{"{}", "\"id\":null,\"error\":{\"code\":-32600"},
		{"{\"jsonrpc\":\"1.0\",\"id\":4,\"method\":\"version\"}", "\"id\":4,\"error\":{\"code\":-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"version\"}", "\"id\":null,\"error\":{\"code\":-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"version\"}", "\"id\":null,\"error\":{\"code\":-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":7}", "\"id\":4,\"error\":{\"code\":-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"disk.gte\"}",
		 "-32601,\"message\":\"disk.gte: no such method: did "
		 "you mean disk.get?"},
		{"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"rpc\\u0001\\u00e9\"}", "-32601"},
		{"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"disk.get\",\"params\":[\"a\"]}", "-32602"},
		{"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"disk.get\",\"params\":7}", "-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"disk.get\"}",
		 "\"data\":{\"field\":\"name\",\"expected\":\"a string"},
		{"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"disk.get\",\"params\":{\"name\":\"a\",\"b\":1}}",
		 "\"field\":\"b\""},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(fixture, cases[i].text);
		say(fixture, "\n");
		if (!strstr(hear(fixture), cases[i].answer) || fixture->heard[strlen(fixture->heard) - 1] != '\n')
			fail_msg("%s: %s", cases[i].text, fixture->heard);
	}
	assert_int_equal(calls, 0);
	/* A NUL is no JSON, and no end of what is looked at. */
	assert_int_equal(send(fixture->client, "{}\0{}\n", 6, 0), 6);
	assert_non_null(strstr(hear(fixture), "-32700"));
	say(fixture, CALL("1") "\n");
	assert_string_equal(hear(fixture), ANSWER("1") "\n");
}

static void deep_nesting_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char text[100001];

	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 2] = '\n';
	text[sizeof(text) - 1] = '\0';
	say(fixture, text);
	assert_non_null(strstr(hear(fixture), "nested too deep"));
	/* Brackets within a string are none, also behind a quote that is escaped. */
	say(fixture, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"disk.get\",\"params\":{\"name\":\"\\\"[[[[[[[[[[[[[[[["
		     "[[[[[[[[[[[[["
		     "[[[[[[[[[[[\"}}\n");
	assert_non_null(strstr(hear(fixture), "result"));
}

/* As long as allowed, and a byte longer. */
static void long_messages_end_the_connection(void **state)
{
	struct fixture *fixture = *state;
	char *text = calloc(1, RPC_MAX_MESSAGE + 2);

	memset(text, ' ', RPC_MAX_MESSAGE);
	memcpy(text, CALL("1"), strlen(CALL("1")));
	text[RPC_MAX_MESSAGE - 1] = '\n';
	say(fixture, text);
	assert_string_equal(hear(fixture), ANSWER("1") "\n");
	text[RPC_MAX_MESSAGE - 1] = text[RPC_MAX_MESSAGE] = ' ';
	say(fixture, text);
	hear(fixture);
	assert_non_null(strstr(fixture->heard, "too long"));
	assert_non_null(strstr(fixture->heard, "(end)"));
	assert_int_equal(fixture->server.count, 0);
	free(text);
}

/* Whoever does not read gets nothing more done, and is cut off in the end. */
static void answers_that_nobody_reads(void **state)
{
	struct fixture *fixture = *state;
	const char *call = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"schema.get\"}\n";

	fixture->server.patience = 1;
	for (unsigned i = 0; i < 3; i++)
		assert_true(send(fixture->client, call, strlen(call), MSG_DONTWAIT) > 0);
	assert_true(settle(fixture) < 1000);
	assert_int_equal(fixture->server.count, 1);
	for (const uint64_t end_ns = clock_monotonic_ns() + 20000000000ull; fixture->server.count;) {
		struct pollfd ready = {.fd = fixture->loop.epoll_fd, .events = POLLIN};

		assert_true(clock_monotonic_ns() < end_ns);
		poll(&ready, 1, 1000);
		loop_turn(&fixture->loop);
	}
	/* Nor does the timer run on without reason. */
	settle(fixture);
	for (unsigned i = 0; fixture->server.timed && i < 3; i++) {
		struct pollfd ready = {.fd = fixture->loop.epoll_fd, .events = POLLIN};

		poll(&ready, 1, 5000);
		loop_turn(&fixture->loop);
	}
	assert_false(fixture->server.timed);
}

static void messages_that_never_end(void **state)
{
	struct fixture *fixture = *state;

	fixture->server.patience = 1;
	for (const uint64_t end_ns = clock_monotonic_ns() + 20000000000ull; fixture->server.count;) {
		struct pollfd ready = {.fd = fixture->loop.epoll_fd, .events = POLLIN};

		assert_true(clock_monotonic_ns() < end_ns);
		send(fixture->client, "{", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		poll(&ready, 1, 100);
		settle(fixture);
	}
	assert_int_equal(calls, 0);
}

static void send_fds(struct fixture *fixture, const char *text, const int *fds, unsigned count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {0};
	struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *entry = CMSG_FIRSTHDR(&header);

	*entry = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))};
	memcpy(CMSG_DATA(entry), fds, count * sizeof(int));
	assert_int_equal(sendmsg(fixture->client, &header, 0), strlen(text));
}

static unsigned open_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void descriptors_belong_to_their_message(void **state)
{
	struct fixture *fixture = *state;
	const int fd = eventfd(0, EFD_CLOEXEC), fds[] = {fd, fd, fd, fd, fd};
	const unsigned before = open_fds();

	/* None is kept by these, and none stays open. */
	say(fixture, CALL("1"));
	send_fds(fixture, "\n", fds, 2);
	settle(fixture);
	assert_int_equal(fds_seen, 2);
	say(fixture, CALL("2") "\n");
	assert_int_equal(fds_seen, 0);
	send_fds(fixture, CALL("3") "\n", fds, 1);
	settle(fixture);
	assert_int_equal(fds_seen, 1);
	assert_string_equal(hear(fixture), ANSWER("1") "\n" ANSWER("2") "\n" ANSWER("3") "\n");
	/* Of two messages it is the one whose byte brought it. */
	assert_int_equal(send(fixture->client, CALL("4") "\n", strlen(CALL("4") "\n"), 0), strlen(CALL("4") "\n"));
	send_fds(fixture, CALL("5") "\n", fds, 2);
	while (calls < 4)
		loop_turn(&fixture->loop);
	assert_int_equal(fds_seen, 0);
	settle(fixture);
	assert_int_equal(fds_seen, 2);
	hear(fixture);
	/* Too many at once, and piecemeal; with a batch; with nothing; with what is no JSON. */
	send_fds(fixture, CALL("6") "\n", fds, 5);
	assert_non_null(strstr(hear(fixture), "too many descriptors"));
	send_fds(fixture, CALL("6"), fds, 2);
	settle(fixture);
	send_fds(fixture, "\n", fds, 1);
	assert_non_null(strstr(hear(fixture), "too many descriptors"));
	send_fds(fixture, "[" CALL("7") "]\n", fds, 1);
	assert_non_null(strstr(hear(fixture), "a batch with descriptors"));
	send_fds(fixture, "\n", fds, 2);
	send_fds(fixture, "{\n", fds, 2);
	hear(fixture);
	assert_int_equal(calls, 5);
	assert_int_equal(open_fds(), before);
	/* One that a method keeps stays; those of a message that does not end go with the connection. */
	send_fds(fixture, "{\"jsonrpc\":\"2.0\",\"method\":\"version\"}\n{", fds, 1);
	settle(fixture);
	assert_int_equal(open_fds(), before + 1);
	say(fixture, "\n{\"jsonrpc\":\"2.0\",\"method\":\"version\"}\n");
	send_fds(fixture, "{\"jsonrpc\":\"2.0\",\"method\":\"version\"}\n", fds, 2);
	settle(fixture);
	assert_true(kept_fd >= 0);
	close(kept_fd);
	close(fd);
}

static void answers_that_come_later(void **state)
{
	struct fixture *fixture = *state;
	const char *call = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"disk.list\"}\n";
	struct error err = {0};

	say(fixture, call);
	say(fixture, CALL("2") "\n");
	/* What comes behind it waits, and costs nothing meanwhile. */
	assert_string_equal(hear(fixture), "");
	assert_int_equal(settle(fixture), 0);
	rpc_answer(deferred, json_true(), NULL);
	assert_string_equal(hear(fixture), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}\n" ANSWER("2") "\n");
	say(fixture, call);
	error_set(&err, -EBUSY, "not now");
	rpc_answer(deferred, NULL, &err);
	assert_non_null(strstr(hear(fixture), "\"code\":-32016,\"message\":\"not now\""));
	/* Nobody is there any more when it comes. */
	say(fixture, call);
	shutdown(fixture->client, SHUT_RDWR);
	close(fixture->client);
	settle(fixture);
	assert_int_equal(fixture->server.count, 0);
	rpc_answer(deferred, json_true(), NULL);
	fixture->client = -1;
}

static void places_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	int others[RPC_MAX_CONNECTIONS];
	char text[512];

	for (unsigned i = 0; i < RPC_MAX_CONNECTIONS; i++) {
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		rpc_server_admit(&fixture->server, ends[0]);
		others[i] = ends[1];
	}
	assert_int_equal(fixture->server.count, RPC_MAX_CONNECTIONS);
	assert_true(recv(others[RPC_MAX_CONNECTIONS - 1], text, sizeof(text), 0) > 0);
	assert_non_null(strstr(text, "too many clients"));
	assert_int_equal(recv(others[RPC_MAX_CONNECTIONS - 1], text, sizeof(text), 0), 0);
	for (unsigned i = 0; i < RPC_MAX_CONNECTIONS; i++)
		close(others[i]);
	settle(fixture);
	assert_int_equal(fixture->server.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_come_in_any_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_last_line_needs_no_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_a_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(batches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deep_nesting_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_messages_end_the_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_that_nobody_reads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(messages_that_never_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(descriptors_belong_to_their_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_that_come_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(places_are_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
