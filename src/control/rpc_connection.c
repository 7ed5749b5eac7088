/* SPDX-License-Identifier: Apache-2.0 */
#include "control/rpc_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/rpc_deferred.h"

/* What a turn reads at most. */
#define READ_SIZE (64u << 10)

/* Linux 6.16. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static void connection_ready(struct loop_source *source);

static void close_fds(struct rpc_connection *connection)
{
	for (unsigned i = 0; i < connection->fd_count; i++)
		close(connection->fds[i]);
	connection->fd_count = 0;
}

int rpc_connection_create(struct rpc_server *server, int fd, const struct rpc_peer *peer, struct rpc_connection **out)
{
	struct rpc_connection *connection = calloc(1, sizeof(*connection));
	const int none = 0;
	int ret;

	if (!connection)
		return -ENOMEM;
	connection->source = (struct loop_source){.fd = fd, .ready = connection_ready};
	connection->server = server;
	connection->peer = *peer;
	ret = loop_watch(&server->loop, &connection->source);
	if (ret < 0) {
		free(connection);
		return ret;
	}
	/* A descriptor can be one whose closing takes as long as somebody likes. Where the kernel does not know this:
	 */
	if (peer->role == RPC_READER) /* read_some() does not take them, the kernel drops them. */
		setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &none, sizeof(none));
	connection->next = server->connections;
	connection->link = &server->connections;
	if (connection->next)
		connection->next->link = &connection->next;
	server->connections = connection;
	server->count++;
	*out = connection;
	return 0;
}

void rpc_connection_destroy(struct rpc_connection *connection)
{
	struct rpc_server *server = connection->server;

	if (connection->deferred)
		connection->deferred->connection = NULL;
	loop_unwatch(&server->loop, &connection->source);
	close(connection->source.fd);
	close_fds(connection);
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	server->count--;
	json_decref(connection->message);
	free(connection->input);
	free(connection->output);
	free(connection);
}

static void start_clock(struct rpc_connection *connection)
{
	if (connection->deadline_ns)
		return;
	connection->deadline_ns = clock_monotonic_ns() + connection->server->patience * 1000000000ull;
	rpc_server_watch_time(connection->server);
}

static void put_output(struct rpc_connection *connection, char *text, size_t length)
{
	connection->output = text;
	connection->output_length = length;
	connection->output_sent = 0;
	connection->deadline_ns = 0;
	start_clock(connection);
}

/* An answer of a batch is preceded by what parts it from the one before; the line ends with the batch. */
static char *as_part(struct rpc_connection *connection, char *text, size_t length)
{
	memmove(text + 1, text, length - 1);
	text[0] = connection->batch_begun ? ',' : '[';
	connection->batch_begun = true;
	return text;
}

void rpc_connection_answer(struct rpc_connection *connection, const json_t *id, char *text, size_t length)
{
	if (!text)
		text = rpc_message_error(id, RPC_OWN_ERROR - EMSGSIZE,
					 "the answer is too long or there is no memory for it: ask for less", NULL,
					 &length);
	if (!text) {
		connection->doomed = true;
		return;
	}
	if (connection->in_batch)
		text = as_part(connection, text, length);
	put_output(connection, text, length);
}

void rpc_connection_dismiss(struct rpc_connection *connection, int code, const char *reason)
{
	size_t length;
	char *text = rpc_message_error(json_null(), code, reason, NULL, &length);

	connection->doomed = true;
	if (text && !connection->output)
		put_output(connection, text, length);
	else
		free(text);
}

/* False: the connection has ended. */
static bool send_some(struct rpc_connection *connection)
{
	const size_t left = connection->output_length - connection->output_sent;
	const ssize_t sent = send(connection->source.fd, connection->output + connection->output_sent, left,
				  MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR;
	connection->output_sent += (size_t)sent;
	if (connection->output_sent == connection->output_length) {
		free(connection->output);
		connection->output = NULL;
		connection->deadline_ns = 0;
	}
	return true;
}

static void take_fds(struct rpc_connection *connection, struct msghdr *header)
{
	for (struct cmsghdr *entry = CMSG_FIRSTHDR(header); entry; entry = CMSG_NXTHDR(header, entry)) {
		if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (entry->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(entry) + i * sizeof(int), sizeof(fd));
			if (connection->fd_count == RPC_MAX_FDS) {
				close(fd);
				connection->excess_end = connection->input_end;
				continue;
			}
			connection->fds_end[connection->fd_count] = connection->input_end;
			connection->fds[connection->fd_count++] = fd;
		}
	}
	if (header->msg_flags & MSG_CTRUNC && connection->peer.role == RPC_ADMIN)
		connection->excess_end = connection->input_end;
}

static bool make_room(struct rpc_connection *connection)
{
	const size_t used = connection->input_end - connection->input_start;
	char *longer;

	if (used && connection->input_start)
		memmove(connection->input, connection->input + connection->input_start, used);
	for (unsigned i = 0; i < connection->fd_count; i++)
		connection->fds_end[i] -= connection->input_start;
	if (connection->excess_end)
		connection->excess_end -= connection->input_start;
	connection->scanned -= connection->input_start;
	connection->input_start = 0;
	connection->input_end = used;
	if (connection->input_room - used >= READ_SIZE)
		return true;
	longer = realloc(connection->input, used + READ_SIZE);
	if (!longer)
		return false;
	connection->input = longer;
	connection->input_room = used + READ_SIZE;
	return true;
}

/* False: the connection has ended. */
static bool read_some(struct rpc_connection *connection)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(RPC_MAX_FDS * sizeof(int))];
	struct iovec part;
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t length;

	if (!make_room(connection))
		return false;
	part = (struct iovec){connection->input + connection->input_end, READ_SIZE};
	if (connection->peer.role == RPC_ADMIN) {
		header.msg_control = control;
		header.msg_controllen = sizeof(control);
	}
	length = recvmsg(connection->source.fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (length < 0)
		return errno == EAGAIN || errno == EINTR;
	connection->ended = length == 0;
	connection->input_end += (size_t)length;
	take_fds(connection, &header);
	return true;
}

/* Where the line ends that input begins with; 0: it has not come to its end. At the end of all, it is what there is. */
static size_t find_line(struct rpc_connection *connection)
{
	const char *end = NULL;

	if (connection->scanned < connection->input_end)
		end = memchr(connection->input + connection->scanned, '\n',
			     connection->input_end - connection->scanned);
	if (end)
		return (size_t)(end - connection->input) + 1;
	connection->scanned = connection->input_end;
	return connection->ended && connection->input_end > connection->input_start ? connection->input_end : 0;
}

static bool is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!strchr(" \t\r\n", text[i]) || !text[i])
			return false;
	}
	return true;
}

/* One answer that is an error of the message itself. */
static void answer_error(struct rpc_connection *connection, const json_t *id, int code, const char *sentence)
{
	size_t length;
	char *text = rpc_message_error(id, code, sentence, NULL, &length);

	rpc_connection_answer(connection, id, text, length);
}

/* One request. Descriptors that nobody has kept are closed by the caller. */
static void call(struct rpc_connection *connection, const json_t *message, int fds[RPC_MAX_FDS])
{
	struct rpc_request request;
	struct error err = {0};
	int code = rpc_message_read(message, &request, &err);

	if (code == 0)
		rpc_server_call(connection, &request, fds);
	else if (request.id)
		answer_error(connection, request.id, code, err.text);
}

/* Message is taken. */
static void begin_batch(struct rpc_connection *connection, json_t *message, bool has_fds)
{
	const size_t count = json_array_size(message);
	struct error err;

	if (count >= 1 && count <= RPC_MAX_BATCH && !has_fds) {
		connection->message = message;
		connection->in_batch = true;
		connection->batch_begun = false;
		connection->batch_next = 0;
		return;
	}
	json_decref(message);
	if (has_fds)
		error_set(&err, RPC_INVALID_REQUEST, "a batch with descriptors: expected them with a single request");
	else
		error_set(&err, RPC_INVALID_REQUEST, "a batch of %zu requests: expected 1 to %d", count, RPC_MAX_BATCH);
	answer_error(connection, json_null(), err.code, err.text);
}

/* The next call of a batch, or its end. */
static void go_on_with_batch(struct rpc_connection *connection)
{
	int none[RPC_MAX_FDS] = {-1, -1};
	char *text;

	if (connection->batch_next < json_array_size(connection->message)) {
		call(connection, json_array_get(connection->message, connection->batch_next++), none);
		return;
	}
	json_decref(connection->message);
	connection->message = NULL;
	connection->in_batch = false;
	/* Notifications alone have no answer at all. */
	if (!connection->batch_begun)
		return;
	text = strdup("]\n");
	if (text)
		put_output(connection, text, 2);
	else
		connection->doomed = true;
}

/* The descriptors of the message that ends at this byte; how many. */
static unsigned fds_up_to(struct rpc_connection *connection, size_t end, int fds[RPC_MAX_FDS])
{
	unsigned count = 0, left = 0;

	for (unsigned i = 0; i < connection->fd_count; i++) {
		if (connection->fds_end[i] <= end) {
			fds[count++] = connection->fds[i];
			continue;
		}
		connection->fds[left] = connection->fds[i];
		connection->fds_end[left++] = connection->fds_end[i];
	}
	connection->fd_count = left;
	return count;
}

static void handle(struct rpc_connection *connection, const char *text, size_t length, unsigned fd_count,
		   int fds[RPC_MAX_FDS])
{
	struct error err = {0};
	json_t *message = rpc_message_parse(text, length, &err);

	if (!message) {
		answer_error(connection, json_null(), err.code, err.text);
	} else if (json_is_array(message)) {
		begin_batch(connection, message, fd_count > 0);
	} else {
		call(connection, message, fds);
		json_decref(message);
	}
}

/* The message that input begins with. */
static void work(struct rpc_connection *connection, size_t end)
{
	const char *text = connection->input + connection->input_start;
	const size_t length = end - connection->input_start;
	int fds[RPC_MAX_FDS] = {-1, -1};
	const unsigned fd_count = fds_up_to(connection, end, fds);

	connection->input_start = end;
	connection->scanned = end;
	connection->deadline_ns = 0;
	if (connection->excess_end && connection->excess_end <= end) {
		connection->excess_end = 0;
		answer_error(connection, json_null(), RPC_INVALID_REQUEST,
			     "too many descriptors with a request: expected at most 2");
	} else if (!is_blank(text, length)) {
		handle(connection, text, length, fd_count, fds);
	}
	for (unsigned i = 0; i < RPC_MAX_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* Read, until there is a message. False: the connection has ended. */
static bool wait_for_message(struct rpc_connection *connection)
{
	if (connection->ended || !read_some(connection))
		return false;
	if (connection->ended)
		return find_line(connection) > 0;
	if (connection->input_end - connection->input_start > RPC_MAX_MESSAGE && !find_line(connection))
		rpc_connection_dismiss(connection, RPC_INVALID_REQUEST,
				       "the message is too long: expected at most 256 KiB a line");
	else if (connection->input_end > connection->input_start)
		start_clock(connection);
	return true;
}

/* What is watched: for room for an answer, for the next part of a message, or only for the client's end. */
static void set_interest(struct rpc_connection *connection)
{
	const bool busy = connection->deferred != NULL;
	const bool writes = connection->output || connection->doomed || connection->message || find_line(connection);

	loop_want(&connection->server->loop, &connection->source, !busy && !writes, !busy && writes);
}

/*
 * One step, so that others have theirs. A call is carried out only when there
 * is nothing left to be sent, and that there is room is what is waited for.
 */
static bool step(struct rpc_connection *connection)
{
	size_t end;

	/* With an answer outstanding only its end can have woken us. */
	if (connection->deferred)
		return false;
	if (connection->output)
		return send_some(connection);
	if (connection->doomed)
		return false;
	end = connection->message ? 0 : find_line(connection);
	if (connection->message)
		go_on_with_batch(connection);
	else if (end)
		work(connection, end);
	else
		return wait_for_message(connection);
	return !connection->output || send_some(connection);
}

static void connection_ready(struct loop_source *source)
{
	struct rpc_connection *connection = (struct rpc_connection *)source;
	bool goes_on;

	connection->in_step = true;
	goes_on = step(connection);
	connection->in_step = false;
	if (goes_on)
		set_interest(connection);
	else
		rpc_connection_destroy(connection);
}

void rpc_connection_go_on(struct rpc_connection *connection)
{
	if (connection->in_step)
		return;
	if (!connection->output || send_some(connection))
		set_interest(connection);
	else
		rpc_connection_destroy(connection);
}
