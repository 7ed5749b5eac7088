/* SPDX-License-Identifier: Apache-2.0 */
#include "control/rpc_server.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/listener.h"
#include "control/rpc_connection.h"

#define SERVER_OF(source, member) ((struct rpc_server *)((char *)(source)-offsetof(struct rpc_server, member)))

#define LOG_RATE     50 /* lines a second of changes */
#define REFUSAL_RATE 1  /* and of attempts */

static void turns_ready(struct loop_source *source)
{
	loop_turn(&SERVER_OF(source, turns)->loop);
}

static void set_timer(struct rpc_server *server, bool on)
{
	const struct itimerspec when = {.it_value = {.tv_sec = on}, .it_interval = {.tv_sec = on}};

	server->timed = on;
	timerfd_settime(server->timer.fd, 0, &when, NULL);
}

void rpc_server_watch_time(struct rpc_server *server)
{
	if (!server->timed)
		set_timer(server, true);
}

/* Once a second, while a client has something that is due: cut off who is late. */
static void timer_ready(struct loop_source *source)
{
	struct rpc_server *server = SERVER_OF(source, timer);
	const uint64_t now_ns = clock_monotonic_ns();
	struct rpc_connection *connection = server->connections, *next;
	bool due = false;
	uint64_t expirations;

	if (read(source->fd, &expirations, sizeof(expirations)) < 0)
		return;
	if (server->full && loop_watch(&server->loop, &server->listener) == 0)
		server->full = false;
	for (; connection; connection = next) {
		next = connection->next;
		if (!connection->deadline_ns)
			continue;
		if (connection->deadline_ns <= now_ns)
			rpc_connection_destroy(connection);
		else
			due = true;
	}
	if (!due && !server->full)
		set_timer(server, false);
}

/* Why this one cannot be let in; NULL: it can. */
static const char *no_place(const struct rpc_server *server, const struct rpc_peer *peer)
{
	unsigned readers = 0, same = 0;

	if (server->count >= RPC_MAX_CONNECTIONS)
		return "too many clients are connected: try later";
	if (peer->role == RPC_ADMIN)
		return NULL;
	for (const struct rpc_connection *other = server->connections; other; other = other->next) {
		readers += other->peer.role == RPC_READER;
		same += other->peer.role == RPC_READER && other->peer.uid == peer->uid;
	}
	if (same >= RPC_MAX_READERS_EACH)
		return "this user has too many connections: close some";
	return readers >= RPC_MAX_READERS ? "too many clients are connected: try later" : NULL;
}

/* Whoever gets no place hears why, if there is room in the socket. */
static void turn_away(int fd, const char *reason)
{
	size_t length;
	char *text = rpc_message_error(json_null(), RPC_OWN_ERROR - EAGAIN, reason, NULL, &length);

	if (text && send(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("rpc: a client that was turned away could not be told");
	free(text);
	close(fd);
}

void rpc_server_admit(struct rpc_server *server, int fd)
{
	struct rpc_connection *connection;
	struct rpc_peer peer;
	const char *reason;

	if (rpc_peer_look(fd, &server->admins, &peer) < 0) {
		close(fd);
		return;
	}
	reason = no_place(server, &peer);
	if (!reason && rpc_connection_create(server, fd, &peer, &connection) < 0)
		reason = "no memory for another client";
	if (reason)
		turn_away(fd, reason);
}

static void listener_ready(struct loop_source *source)
{
	struct rpc_server *server = SERVER_OF(source, listener);
	const int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		rpc_server_admit(server, fd);
		return;
	}
	/* It would be ready again at once, for ever. */
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		loop_unwatch(&server->loop, source);
		server->full = true;
		rpc_server_watch_time(server);
	}
}

void rpc_server_init(struct rpc_server *server, struct loop *loop, struct daemon *daemon,
		     const struct rpc_method *methods, const char *(*busy)(struct daemon *daemon))
{
	*server = (struct rpc_server){.daemon = daemon,
				      .methods = methods,
				      .busy = busy,
				      .outer = loop,
				      .turns.fd = -1,
				      .listener.fd = -1,
				      .timer.fd = -1,
				      .patience = RPC_PATIENCE,
				      .log_limiter.rate = LOG_RATE,
				      .refusal_limiter.rate = REFUSAL_RATE};
}

int rpc_server_open(struct rpc_server *server, int fd, const char *path, const struct rpc_admins *admins,
		    struct error *err)
{
	int ret = loop_init(&server->loop);

	server->path = path;
	server->admins = *admins;
	server->listener = (struct loop_source){.fd = fd, .ready = listener_ready};
	if (ret < 0)
		return error_set(err, ret, "rpc-socket %s: no event loop: %s", path, strerror(-ret));
	server->turns = (struct loop_source){.fd = server->loop.epoll_fd, .ready = turns_ready};
	server->timer = (struct loop_source){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
					     .ready = timer_ready};
	ret = server->timer.fd < 0 ? -errno : loop_watch(&server->loop, &server->timer);
	if (ret == 0 && fd >= 0)
		ret = loop_watch(&server->loop, &server->listener);
	return ret < 0 ? error_set(err, ret, "rpc-socket %s cannot be watched: %s", path, strerror(-ret)) : 0;
}

int rpc_server_start(struct rpc_server *server, struct error *err)
{
	const int ret = loop_watch(server->outer, &server->turns);

	return ret < 0 ? error_set(err, ret, "rpc-socket %s cannot be watched: %s", server->path, strerror(-ret)) : 0;
}

void rpc_server_close(struct rpc_server *server, bool remove)
{
	while (server->connections)
		rpc_connection_destroy(server->connections);
	if (server->listener.fd >= 0 && remove)
		listener_close(server->listener.fd, server->path);
	else if (server->listener.fd >= 0)
		close(server->listener.fd);
	server->listener.fd = -1;
	if (server->turns.fd < 0)
		return;
	loop_unwatch(server->outer, &server->turns);
	if (server->timer.fd >= 0)
		close(server->timer.fd);
	server->timer.fd = -1;
	loop_destroy(&server->loop);
	server->turns.fd = -1;
}
