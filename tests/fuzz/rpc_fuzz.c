/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever bytes a client of the RPC server sends, in whatever pieces: the
 * server answers with lines of JSON-RPC or hangs up, and a client that goes
 * leaves nothing behind. Methods answer with what they were given.
 */
#include "input.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/rpc_connection.h"
#include "control/rpc_schema.h"

static int echo(struct rpc_call *call, struct error *err)
{
	(void)err;
	call->result = json_deep_copy(call->params);
	return 0;
}

/* Of each shape of parameters one; none changes anything, so that nothing is logged. */
static const struct rpc_method methods[] = {
	{"version", echo}, {"disk.get", echo}, {"stats.get", echo}, {"budget.get", echo}, {NULL, NULL},
};

static void settle(struct loop *loop)
{
	struct pollfd ready = {.fd = loop->epoll_fd, .events = POLLIN};

	for (unsigned turns = 0; poll(&ready, 1, 0) == 1; turns++) {
		MUST(turns < 1000000);
		loop_turn(loop);
	}
}

static void check_answer(const char *line, size_t length)
{
	json_t *answer = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);

	MUST(json_is_object(answer) || json_is_array(answer));
	if (json_is_object(answer))
		MUST(json_object_get(answer, "id") &&
		     !json_object_get(answer, "result") == !!json_object_get(answer, "error"));
	json_decref(answer);
}

/* All that has come; each line is an answer. */
static void hear(struct loop *loop, int client, char **heard, size_t *length)
{
	char *end;

	for (;;) {
		ssize_t more;

		*heard = realloc(*heard, *length + 65536);
		MUST(*heard);
		more = recv(client, *heard + *length, 65536, MSG_DONTWAIT);
		if (more <= 0)
			break;
		*length += (size_t)more;
		settle(loop);
	}
	while ((end = memchr(*heard, '\n', *length))) {
		check_answer(*heard, (size_t)(end - *heard));
		*length -= (size_t)(end + 1 - *heard);
		memmove(*heard, end + 1, *length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rpc_admins admins = {.owner = geteuid(), .group = (gid_t)-1};
	struct rpc_server server;
	struct loop loop;
	struct error err;
	char *heard = NULL;
	size_t length = 0, piece;
	int ends[2];

	MUST(loop_init(&loop) == 0);
	rpc_server_init(&server, &loop, NULL, methods, NULL);
	MUST(rpc_server_open(&server, -1, "", &admins, &err) == 0 && rpc_server_start(&server, &err) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	rpc_server_admit(&server, ends[0]);
	/* The first byte says how long the pieces are. */
	piece = size ? 1 + data[0] * 16u : 1;
	for (size_t at = 1; at < size; at += piece) {
		if (send(ends[1], data + at, size - at < piece ? size - at : piece, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		settle(&loop);
		hear(&loop, ends[1], &heard, &length);
	}
	shutdown(ends[1], SHUT_WR);
	settle(&loop);
	hear(&loop, ends[1], &heard, &length);
	MUST(length == 0 && server.count == 0);
	close(ends[1]);
	rpc_server_close(&server, false);
	loop_destroy(&loop);
	free(heard);
	return 0;
}
