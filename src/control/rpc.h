/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_RPC_H
#define STRAIT_CONTROL_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct daemon;

/* What a client may do. Who it is comes from SO_PEERCRED; see straitd.yaml(5). */
enum rpc_role {
	RPC_READER,
	RPC_ADMIN,
};

#define RPC_MAX_FDS 2

/*
 * One call of a method (JSON-RPC 2.0). Parameters have been compared with the
 * schema (rpc.schema.json) before the method is called: there are none that it
 * does not know, each has its type and range, those that must be there are.
 */
struct rpc_call {
	struct daemon *daemon;
	enum rpc_role role;
	uid_t uid;
	pid_t pid;
	const json_t *params; /* an object */
	int fds[RPC_MAX_FDS]; /* that came with the call, -1: none; the method sets those to -1 that it keeps */
	char field[128];      /* on an error: the parameter that is to blame, "": none. With -EINVAL it is -32602 */
	char expected[256];   /* and what was expected of it; "": only the sentence says */
	json_t *result;       /* set by the method; the call's from there on */

	/* rpc_defer()'s: who waits for the answer, one of the two */
	struct rpc_connection *connection;
	const struct rpc_inner *inner;
};

/* Name the parameter that is to blame: return rpc_blame(call, "disk.queues", err), with err set. Its result is
 * err->code. */
int rpc_blame(struct rpc_call *call, const char *field, const struct error *err);

/* A method's answer: it comes later, by rpc_answer(). */
#define RPC_LATER 1

/*
 * Control thread. 0 with call->result set, a negative errno with err set, or
 * RPC_LATER after rpc_defer(). Must not block.
 */
typedef int rpc_method_fn(struct rpc_call *call, struct error *err);

struct rpc_method {
	const char *name; /* as in the schema, which says the role, too */
	rpc_method_fn *run;
};

/* Ends with a NULL name. */
extern const struct rpc_method rpc_methods[];

/*
 * For a method that takes long, and has role RPC_ADMIN: keep what is needed to
 * answer after it has returned RPC_LATER. The client's next call waits for
 * that. NULL: no memory.
 */
struct rpc_deferred;
typedef void rpc_done_fn(void *context, const struct error *err);
struct rpc_deferred *rpc_defer(struct rpc_call *call);

/* Once. result is taken; or NULL, and err says why. The client may be gone meanwhile. */
void rpc_answer(struct rpc_deferred *deferred, json_t *result, const struct error *err);

/*
 * Call another method on behalf of a call that was deferred: with its rights, and in the log under its name.
 * done(context, err) is called when that is through, perhaps before this returns; err is NULL where it went well, and
 * what the method answers is of no interest. One at a time.
 */
void rpc_call_for(struct rpc_deferred *deferred, const char *method, const json_t *params, rpc_done_fn *done,
		  void *context);

/*
 * For the dashboard: call a method of role RPC_READER by name. params is an
 * object, or NULL for none, and is compared with the schema. 0 with *result,
 * which is the caller's, or a negative errno with err set: -ENOSYS where there
 * is no such method, -EPERM where it takes an admin, -EINVAL for parameters.
 */
int rpc_call_reader(struct daemon *daemon, const char *method, const json_t *params, json_t **result,
		    struct error *err);

#endif
