/* SPDX-License-Identifier: Apache-2.0 */
#include "host/qmp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "host/document.h"
#include "host/tree.h"

/* For the greeting, which comes at once unless another client is there, and for all questions until it is hung up. */
#define GREETING_MS     700
#define CONVERSATION_MS 3000
#define ANSWER_MAX      (4u << 20)
#define ALL_ANSWERS_MAX (8u << 20)
/* Lost to all those who do not answer: then less, and at last no time is left for others. */
#define LOST_MUCH_MS (30 * 1000)
#define LOST_MAX_MS  (120 * 1000)

struct qmp {
	struct tree *tree;
	int pid;
	const char *socket;
	int fd, error;
	int64_t deadline_ms;
	char buffer[4096];
	size_t at, filled, taken, all;
	int64_t began_ms;
};

/* Anybody can start processes that are called like QEMU, thousands of them. One thread. */
static int64_t lost_ms;

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct qmp *qmp_new(struct tree *tree, const struct guest *guest)
{
	struct qmp *qmp = tree_alloc(tree, sizeof(*qmp));

	qmp->tree = tree;
	qmp->pid = guest->pid;
	qmp->socket = guest->qmp;
	qmp->fd = -1;
	return qmp;
}

static int64_t patience(int64_t ms)
{
	return lost_ms < LOST_MUCH_MS ? ms : lost_ms < LOST_MAX_MS ? ms / 10 : 0;
}

/* It is of no use any more. */
static void give_up(struct qmp *qmp)
{
	if (qmp->error == -ETIMEDOUT)
		lost_ms += now_ms() - qmp->began_ms;
	qmp_hang_up(qmp);
}

int qmp_error(const struct qmp *qmp)
{
	return qmp->error;
}

void qmp_hang_up(struct qmp *qmp)
{
	if (qmp->fd >= 0)
		close(qmp->fd);
	qmp->fd = -1;
}

/* Wait until it is ready; -ETIMEDOUT at the deadline. */
static int wait_for(struct qmp *qmp, short events)
{
	struct pollfd ready = {.fd = qmp->fd, .events = events};
	int ret;

	do {
		const int64_t left = qmp->deadline_ms - now_ms();

		ret = left > 0 ? poll(&ready, 1, (int)left) : 0;
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret == 0 ? -ETIMEDOUT : 0;
}

/* Through a descriptor, since a path may be longer than an address has room for. */
static int connect_path(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int place = open(path, O_PATH | O_CLOEXEC);
	int ret;

	if (place < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place);
	ret = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	close(place);
	return ret;
}

static int connect_unix(struct qmp *qmp)
{
	char *inside;
	int ret;

	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (qmp->fd < 0)
		return -errno;
	/* It may have a root of its own. */
	if (asprintf(&inside, "/proc/%d/root%s", qmp->pid, qmp->socket) < 0)
		return -ENOMEM;
	ret = connect_path(qmp->fd, inside);
	free(inside);
	if (ret == -ENOENT || ret == -EACCES)
		ret = connect_path(qmp->fd, qmp->socket);
	return ret;
}

/* "localhost:4444": who listens at all addresses or at this machine's own is found there. */
static int connect_tcp(struct qmp *qmp)
{
	static const char *const here[] = {"localhost:", "127.0.0.1:", "0.0.0.0:", "[::]:", ":::"};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	unsigned long port = 0;
	int error = 0;

	for (unsigned i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
		if (strncmp(qmp->socket, here[i], strlen(here[i])) == 0)
			port = strtoul(qmp->socket + strlen(here[i]), NULL, 10);
	}
	if (!port || port > UINT16_MAX)
		return -EADDRNOTAVAIL;
	address.sin_port = htons((uint16_t)port);
	qmp->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (qmp->fd < 0)
		return -errno;
	if (connect(qmp->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		error = errno == EINPROGRESS ? wait_for(qmp, POLLOUT) : -errno;
		if (error == 0) {
			socklen_t length = sizeof(error);

			getsockopt(qmp->fd, SOL_SOCKET, SO_ERROR, &error, &length);
			error = -error;
		}
	}
	return error;
}

/*
 * For json_load_callback(), which reads on to the end of what it gets: so it gets what belongs to one answer, byte for
 * byte.
 */
static size_t feed(void *buffer, size_t length, void *context)
{
	struct qmp *qmp = context;

	if (!length || ++qmp->taken > ANSWER_MAX || ++qmp->all > ALL_ANSWERS_MAX)
		return 0;
	while (qmp->at == qmp->filled) {
		ssize_t got;

		qmp->error = wait_for(qmp, POLLIN);
		if (qmp->error < 0)
			return 0;
		got = recv(qmp->fd, qmp->buffer, sizeof(qmp->buffer), 0);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		qmp->error = got < 0 ? -errno : got == 0 ? -ECONNRESET : 0;
		if (got <= 0)
			return 0;
		qmp->at = 0;
		qmp->filled = (size_t)got;
	}
	*(char *)buffer = qmp->buffer[qmp->at++];
	return 1;
}

/* One message; NULL with qmp->error. */
static json_t *receive(struct qmp *qmp)
{
	json_t *message;

	qmp->taken = 0;
	message = json_load_callback(feed, qmp, JSON_DISABLE_EOF_CHECK, NULL);
	if (!message && qmp->error == 0)
		qmp->error = -EPROTO;
	return message;
}

static int transmit(struct qmp *qmp, const char *text)
{
	size_t length = strlen(text);

	while (length && qmp->error == 0) {
		const ssize_t sent = send(qmp->fd, text, length, MSG_NOSIGNAL);

		if (sent > 0) {
			text += sent;
			length -= (size_t)sent;
		} else {
			qmp->error = errno == EAGAIN ? wait_for(qmp, POLLOUT) : errno == EINTR ? 0 : -errno;
		}
	}
	return qmp->error;
}

/* "return" of the answer, to be given back; events that come between are left out. NULL with *error. */
static json_t *exchange(struct qmp *qmp, const char *text, int *error)
{
	transmit(qmp, text);
	while (qmp->error == 0) {
		json_t *message = receive(qmp);
		json_t *value = json_incref(json_object_get(message, "return"));
		const bool refused = json_object_get(message, "error") != NULL;

		json_decref(message);
		if (value)
			return value;
		if (refused) {
			/* older ones have no such command, others no such property */
			*error = -ENOENT;
			return NULL;
		}
	}
	*error = qmp->error;
	return NULL;
}

static int converse(struct qmp *qmp)
{
	json_t *message;
	int error = 0;

	if (qmp->fd >= 0 || qmp->error < 0)
		return qmp->error;
	qmp->at = qmp->filled = 0;
	qmp->all = 0;
	qmp->began_ms = now_ms();
	qmp->deadline_ms = qmp->began_ms + patience(GREETING_MS);
	/* of a relative path the directory could not be known */
	qmp->error = *qmp->socket == '/' ? connect_unix(qmp) : strchr(qmp->socket, ':') ? connect_tcp(qmp) : -EACCES;
	/* a full backlog: somebody is there, and others wait */
	if (qmp->error == -EAGAIN)
		qmp->error = -ETIMEDOUT;
	message = qmp->error == 0 ? receive(qmp) : NULL;
	if (qmp->error == 0 && !json_is_object(json_object_get(message, "QMP")))
		qmp->error = -EPROTO;
	json_decref(message);
	qmp->deadline_ms = now_ms() + patience(CONVERSATION_MS);
	if (qmp->error == 0)
		json_decref(exchange(qmp, "{\"execute\":\"qmp_capabilities\"}\n", &error));
	if (qmp->error < 0)
		give_up(qmp);
	return qmp->error;
}

struct question {
	struct qmp *qmp;
	const char *command, *arguments;
};

/* Indented, what is nested deeply is a thousand times what came. */
struct written {
	char *text;
	size_t length, room;
};

static int put(const char *part, size_t length, void *context)
{
	struct written *written = context;

	if (length >= ANSWER_MAX - written->length)
		return -1;
	if (written->room - written->length <= length) {
		const size_t room = 2 * written->room + length + 1024;
		char *more = realloc(written->text, room);

		if (!more)
			return -1;
		written->text = more;
		written->room = room;
	}
	memcpy(written->text + written->length, part, length);
	written->length += length;
	written->text[written->length] = '\0';
	return 0;
}

static ssize_t write_down(const json_t *value, char **text)
{
	struct written written = {0};

	if (json_dump_callback(value, put, &written, JSON_INDENT(1) | JSON_ENCODE_ANY) < 0) {
		free(written.text);
		return -E2BIG;
	}
	*text = written.text;
	return (ssize_t)written.length;
}

static ssize_t provide(void *context, char **text)
{
	struct question *question = context;
	struct qmp *qmp = question->qmp;
	int error = converse(qmp);
	json_t *value;
	char *request;
	ssize_t length;

	if (error < 0)
		return error;
	if (asprintf(&request, "{\"execute\":\"%s\"%s%s}\n", question->command,
		     question->arguments ? ",\"arguments\":" : "", question->arguments ? question->arguments : "") < 0)
		return -ENOMEM;
	value = exchange(qmp, request, &error);
	free(request);
	if (!value) {
		if (qmp->error < 0)
			give_up(qmp);
		return error;
	}
	length = write_down(value, text);
	json_decref(value);
	return length;
}

static json_t *ask(struct qmp *qmp, const char *command, const char *arguments, const char *name, bool again)
{
	struct question question = {qmp, command, arguments};
	const char *text;
	ssize_t length;

	if (strncmp(command, "query-", 6) != 0 && strcmp(command, "qom-get") != 0 && strcmp(command, "qom-list") != 0)
		return NULL;
	length = again ? tree_ask_again(qmp->tree, &text, provide, &question, "qmp/%d/%s.json", qmp->pid, name)
		       : tree_ask(qmp->tree, &text, provide, &question, "qmp/%d/%s.json", qmp->pid, name);
	return length < 0 ? NULL : json_loadb(text, (size_t)length, JSON_DECODE_ANY, NULL);
}

json_t *qmp_ask(struct qmp *qmp, const char *command, const char *arguments, const char *name)
{
	return ask(qmp, command, arguments, name, false);
}

json_t *qmp_ask_again(struct qmp *qmp, const char *command, const char *arguments, const char *name)
{
	return ask(qmp, command, arguments, name, true);
}

/* What can be the name of a file and needs no escape in JSON. */
static bool is_plain(const char *text)
{
	return *text && strlen(text) < 200 && !strstr(text, "..") &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./[]")] == '\0';
}

json_t *qmp_property(struct qmp *qmp, const char *path, const char *property)
{
	if (path[0] != '/' || !is_plain(path) || !is_plain(property) || strstr(path, "//"))
		return NULL;
	return ask(qmp, "qom-get", tree_format(qmp->tree, "{\"path\":\"%s\",\"property\":\"%s\"}", path, property),
		   tree_format(qmp->tree, "qom%s/%s", path, property), false);
}
