/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

/* No answer is that long; what sends more is no straitd. */
#define MAX_ANSWER (64u << 20)
#define READ_SIZE  (64u << 10)
#define MAX_FDS    2

struct client {
	int socket;
	char *path;
	unsigned timeout;
	json_int_t next_id;
	bool refused;
	char *input;
	size_t input_length, input_room;
};

const char *client_default_socket(void)
{
	const char *path = getenv("STRAIT_SOCKET");

	return path && path[0] ? path : CLIENT_DEFAULT_SOCKET;
}

static int connect_error(const char *path, int code, struct error *err)
{
	switch (code) {
	case ENOENT:
	case ECONNREFUSED:
		return error_set(err, -code,
				 "%s: no straitd listens there: start one that has it as rpc-socket in its "
				 "configuration, or say where with --socket",
				 path);
	case EACCES:
	case EPERM:
		return error_set(err, -code,
				 "%s: permission denied: connect as root, as who runs straitd, or as whom "
				 "rpc-socket-group and rpc-socket-mode in its configuration let in",
				 path);
	case EAGAIN:
		return error_set(err, -ETIMEDOUT, "%s: straitd has not taken the connection for %d seconds", path,
				 CLIENT_TIMEOUT);
	default:
		return error_set(err, -code, "%s: %s", path, strerror(code));
	}
}

static int open_socket(const char *path, struct error *err)
{
	const struct timeval patience = {.tv_sec = CLIENT_TIMEOUT};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, code;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG, "%s: expected the path of a socket, at most %zu bytes", path,
				 sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, -errno, "no socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	code = errno;
	close(fd);
	return connect_error(path, code, err);
}

struct client *client_connect(const char *path, struct error *err)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!path)
		path = client_default_socket();
	if (client)
		client->path = strdup(path);
	if (!client || !client->path) {
		free(client);
		error_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	client->timeout = CLIENT_TIMEOUT;
	client->socket = open_socket(path, err);
	if (client->socket >= 0)
		return client;
	client_free(client);
	return NULL;
}

void client_set_timeout(struct client *client, unsigned seconds)
{
	client->timeout = seconds;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	if (client->socket >= 0)
		close(client->socket);
	free(client->path);
	free(client->input);
	free(client);
}

int client_was_refused(const struct client *client)
{
	return client->refused;
}

/* 0, or -ETIMEDOUT. */
static int wait_for(const struct client *client, short events, uint64_t deadline_ns)
{
	struct pollfd poll_fd = {.fd = client->socket, .events = events};

	for (;;) {
		const uint64_t now_ns = clock_monotonic_ns();
		int ret;

		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		ret = poll(&poll_fd, 1, (int)((deadline_ns - now_ns) / 1000000) + 1);
		if (ret > 0)
			return 0;
		if (ret < 0 && errno != EINTR)
			return -errno;
	}
}

/* The descriptors go with the first bytes. */
static int send_all(struct client *client, char *text, size_t length, const int *fds, unsigned fd_count,
		    uint64_t deadline_ns)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MAX_FDS * sizeof(int))] = {0};
	struct iovec part = {text, length};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd_count) {
		struct cmsghdr *entry;

		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		entry = CMSG_FIRSTHDR(&header);
		*entry = (struct cmsghdr){.cmsg_len = CMSG_LEN(fd_count * sizeof(int)),
					  .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(entry), fds, fd_count * sizeof(int));
	}
	while (part.iov_len > 0) {
		ssize_t sent = sendmsg(client->socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
		int ret = 0;

		if (sent < 0 && errno == EAGAIN)
			ret = wait_for(client, POLLOUT, deadline_ns);
		else if (sent < 0 && errno != EINTR)
			ret = -errno;
		if (ret < 0)
			return ret;
		if (sent <= 0)
			continue;
		part.iov_base = (char *)part.iov_base + sent;
		part.iov_len -= (size_t)sent;
		header.msg_control = NULL;
		header.msg_controllen = 0;
	}
	return 0;
}

static int read_some(struct client *client, uint64_t deadline_ns)
{
	ssize_t length;
	int ret;

	if (client->input_room - client->input_length < READ_SIZE) {
		char *longer;

		if (client->input_room >= MAX_ANSWER)
			return -EMSGSIZE;
		longer = realloc(client->input, 2 * client->input_room + READ_SIZE);
		if (!longer)
			return -ENOMEM;
		client->input = longer;
		client->input_room = 2 * client->input_room + READ_SIZE;
	}
	ret = wait_for(client, POLLIN, deadline_ns);
	if (ret < 0)
		return ret;
	length = recv(client->socket, client->input + client->input_length, READ_SIZE, MSG_DONTWAIT);
	if (length == 0)
		return -ECONNRESET;
	if (length < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	client->input_length += (size_t)length;
	return 0;
}

/* The next line as JSON. -EPROTO: it is none. */
static int receive(struct client *client, uint64_t deadline_ns, json_t **answer)
{
	size_t looked = 0;
	char *end = NULL;

	while (!end) {
		if (client->input_length > looked)
			end = memchr(client->input + looked, '\n', client->input_length - looked);
		looked = client->input_length;
		if (!end) {
			int ret = read_some(client, deadline_ns);

			if (ret < 0)
				return ret;
		}
	}
	*answer = json_loadb(client->input, (size_t)(end - client->input), 0, NULL);
	client->input_length -= (size_t)(end + 1 - client->input);
	memmove(client->input, end + 1, client->input_length);
	return *answer ? 0 : -EPROTO;
}

static int exchange(struct client *client, char *text, const int *fds, unsigned fd_count, json_t **answer)
{
	const uint64_t deadline_ns = clock_monotonic_ns() + client->timeout * 1000000000ull;
	int ret = send_all(client, text, strlen(text), fds, fd_count, deadline_ns);

	/* One that turns us away says why before it leaves. */
	if (ret < 0 && ret != -EPIPE && ret != -ECONNRESET)
		return ret;
	return receive(client, deadline_ns, answer);
}

static int no_answer(const struct client *client, int ret, struct error *err)
{
	if (ret == -ETIMEDOUT)
		return error_set(err, ret, "%s: no answer for %u seconds", client->path, client->timeout);
	if (ret == -ECONNRESET)
		return error_set(err, ret, "%s: straitd has hung up", client->path);
	if (ret == -EPROTO)
		return error_set(err, ret, "%s: what listens there does not speak as a straitd does", client->path);
	return error_set(err, ret, "%s: %s", client->path, strerror(-ret));
}

int client_ask(struct client *client, const char *method, const json_t *params, const int *fds, unsigned fd_count,
	       json_t **answer, struct error *err)
{
	json_t *request = json_pack("{s:s,s:I,s:s}", "jsonrpc", "2.0", "id", client->next_id++, "method", method);
	char *text, *line;
	int ret;

	*answer = NULL;
	if (request && params)
		json_object_set(request, "params", (json_t *)params);
	text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	line = text ? realloc(text, strlen(text) + 2) : NULL;
	if (!line) {
		free(text);
		return error_set(err, -EINVAL, "%s: what was given is no UTF-8, or there is no memory", method);
	}
	strcat(line, "\n");
	ret = exchange(client, line, fds, fd_count, answer);
	free(line);
	if (ret == 0 && !json_object_get(*answer, "result") && !json_is_object(json_object_get(*answer, "error"))) {
		json_decref(*answer);
		*answer = NULL;
		ret = -EPROTO;
	}
	return ret < 0 ? no_answer(client, ret, err) : 0;
}

int client_call_fds(struct client *client, const char *method, const json_t *params, const int *fds, unsigned fd_count,
		    json_t **result, struct error *err)
{
	const json_t *error;
	json_t *answer;
	json_int_t code;
	int ret = client_ask(client, method, params, fds, fd_count, &answer, err);

	*result = NULL;
	client->refused = false;
	if (ret < 0)
		return ret;
	error = json_object_get(answer, "error");
	if (!error) {
		*result = json_incref(json_object_get(answer, "result"));
		json_decref(answer);
		return 0;
	}
	client->refused = true;
	code = json_integer_value(json_object_get(error, "code"));
	/* As in docs/rpc.md: the daemon's own are -32000 minus a positive errno. */
	ret = code < -32000 && code > -32400 ? (int)code + 32000 : -EINVAL;
	error_set(err, ret, "%s", json_string_value(json_object_get(error, "message")) ?: "an error without words");
	json_decref(answer);
	return ret;
}

int client_call(struct client *client, const char *method, const json_t *params, json_t **result, struct error *err)
{
	return client_call_fds(client, method, params, NULL, 0, result, err);
}
