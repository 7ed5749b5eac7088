/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_RPC_SERVER_H
#define STRAIT_CONTROL_RPC_SERVER_H

#include <stdint.h>

#include "control/limiter.h"
#include "control/loop.h"
#include "control/rpc.h"
#include "control/rpc_peer.h"

/*
 * Serves JSON-RPC 2.0, a message a line, on a unix stream socket. Control
 * thread.
 *
 * Its clients may be hostile. All of them together have one source in the
 * daemon's loop, and so get no more than one turn after every other source has
 * had its own; a turn is one read of a part of a message, or one call, or one
 * write. Memory is bounded by the number of clients, of which only a part may
 * be readers (of which one user has a part); who does not finish a message or
 * does not read its answer is cut off.
 */
#define RPC_MAX_MESSAGE      (256u << 10)
#define RPC_MAX_CONNECTIONS  64
#define RPC_MAX_READERS      48
#define RPC_MAX_READERS_EACH 16 /* of one user */
#define RPC_PATIENCE         10 /* seconds that a message may take to arrive, and an answer to be taken */

struct rpc_connection;

struct rpc_server {
	struct daemon *daemon;
	const struct rpc_method *methods;
	/* Why nothing may be changed now, NULL: it may be. May be NULL. */
	const char *(*busy)(struct daemon *daemon);

	struct loop *outer;          /* the daemon's */
	struct loop_source turns;    /* in it: one of ours is ready; fd -1: the server is not open */
	struct loop loop;            /* of ours */
	struct loop_source listener; /* fd -1: there is none */
	struct loop_source timer;    /* looks for clients that are late */
	bool timed;                  /* it runs */
	bool full;                   /* no descriptor was left for a client: the timer listens again */
	const char *path;
	struct rpc_admins admins;
	struct rpc_connection *connections;
	unsigned count;
	unsigned patience; /* RPC_PATIENCE, or less in a test */

	struct limiter log_limiter, refusal_limiter; /* lines that changes make, and calls that may not be made */
	unsigned unsaid, unsaid_refusals;            /* since, that are not in the log */
};

/* Where nothing is served yet. Everything given outlives the server. */
void rpc_server_init(struct rpc_server *server, struct loop *loop, struct daemon *daemon,
		     const struct rpc_method *methods, const char *(*busy)(struct daemon *daemon));

/*
 * Get ready to serve on fd, a listening socket that is the server's from here
 * on and whose file is path; before the sandbox closes. 0, or a negative errno
 * with err set.
 */
int rpc_server_open(struct rpc_server *server, int fd, const char *path, const struct rpc_admins *admins,
		    struct error *err);

/* Let clients in. 0, or a negative errno with err set. */
int rpc_server_start(struct rpc_server *server, struct error *err);

/* End all connections. The socket file goes where remove says so: it may have become a successor's. */
void rpc_server_close(struct rpc_server *server, bool remove);

/* For one more client, whose socket is the server's from here on. For tests, and for accept(2). */
void rpc_server_admit(struct rpc_server *server, int fd);

/* rpc_call.c: what a client may call, with an answer by rpc_connection_answer(), or RPC_LATER. */
struct rpc_request;
int rpc_server_call(struct rpc_connection *connection, const struct rpc_request *request, int fds[RPC_MAX_FDS]);

/* Wake up for deadlines. */
void rpc_server_watch_time(struct rpc_server *server);

#endif
