/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_RPC_DEFERRED_H
#define STRAIT_CONTROL_RPC_DEFERRED_H

#include "control/rpc_server.h"

#define RPC_WHAT_SIZE 256

/* A call on behalf of another one. */
struct rpc_inner {
	const struct rpc_deferred *outer;
	const char *what; /* as the log has it */
	rpc_done_fn *done;
	void *context;
};

/* A call whose answer comes later: rpc_defer() to rpc_answer(). */
struct rpc_deferred {
	struct rpc_server *server;
	struct rpc_connection *connection; /* NULL: it has ended meanwhile */
	struct rpc_peer peer;
	json_t *id;        /* NULL: nobody waits for the answer */
	rpc_done_fn *done; /* or rpc_call_for()'s caller does; NULL: it was no such call */
	void *context;
	char what[RPC_WHAT_SIZE];
};

#endif
