/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/nearest.h"
#include "control/rpc_connection.h"
#include "control/rpc_deferred.h"
#include "control/rpc_schema.h"

/* Who changed what. Those who may not are told of more rarely: they are not to keep what others change out of the log.
 */
static void log_change(struct rpc_server *server, const struct rpc_peer *peer, const char *what, const char *outcome)
{
	struct limiter *limiter = peer->role == RPC_ADMIN ? &server->log_limiter : &server->refusal_limiter;
	unsigned *unsaid = peer->role == RPC_ADMIN ? &server->unsaid : &server->unsaid_refusals;

	if (limiter_take(limiter, clock_monotonic_ns()) > 0) {
		(*unsaid)++;
		return;
	}
	if (*unsaid)
		log_warning("rpc: %u more %s, too many at once for the log", *unsaid,
			    peer->role == RPC_ADMIN ? "changes" : "refused calls");
	*unsaid = 0;
	log_info("rpc: user %u, process %d%s%s%s: %s: %s", (unsigned)peer->uid, (int)peer->pid,
		 peer->command[0] ? " (" : "", peer->command, peer->command[0] ? ")" : "", what, outcome);
}

/* A call as the log has it: bounded, printable. Whole files ("text") are left out. */
static void describe(const char *method, const json_t *params, char *text, size_t size)
{
	json_t *shown = json_copy((json_t *)(uintptr_t)params);
	char *dump;
	int written;

	json_object_del(shown, "text");
	dump = json_object_size(shown) ? json_dumps(shown, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	written = snprintf(text, size, "%s %s", method, dump ? dump : "");
	if (written >= (int)size)
		snprintf(text + size - 4, 4, "...");
	free(dump);
	json_decref(shown);
}

static const struct rpc_method *find_method(const struct rpc_method *methods, const char *name)
{
	for (; methods->name; methods++) {
		if (strcmp(methods->name, name) == 0)
			return methods;
	}
	return NULL;
}

static int no_method(const struct rpc_method *methods, const char *name, struct error *err)
{
	const char *best = NULL;
	char printable[64];

	snprintf(printable, sizeof(printable), "%.60s", name);
	for (char *at = printable; *at; at++) {
		if (*at < 0x20 || *at >= 0x7f)
			*at = '?';
	}
	for (; methods->name; methods++)
		best = nearest_of(printable, best, methods->name);
	return error_set(err, -ENOSYS, "%s: no such method%s%s%s", printable,
			 best ? ": did you mean " : ", see schema.get", best ? best : "", best ? "?" : "");
}

int rpc_blame(struct rpc_call *call, const char *field, const struct error *err)
{
	snprintf(call->field, sizeof(call->field), "%s", field);
	return err->code;
}

/* The method, its role, its parameters; then itself. As rpc_method_fn, and -ENOSYS where there is none. */
static int run(const struct rpc_method *methods, const char *name, const char *busy, struct rpc_call *call,
	       struct error *err)
{
	const struct rpc_method *method = find_method(methods, name);
	const json_t *description = rpc_schema_method(name);
	struct rpc_schema_fault fault;

	if (!method || !description)
		return no_method(methods, name, err);
	if (call->role < rpc_schema_role(description))
		return error_set(err, -EPERM,
				 "%s: expected root, the user who started straitd or a member of rpc-admin-group "
				 "(straitd.yaml(5)); others may only read",
				 name);
	if (busy && rpc_schema_role(description) == RPC_ADMIN)
		return error_set(err, -EBUSY, "%s: %s, nothing can be changed now", name, busy);
	if (rpc_schema_check(description, call->params, &fault, err) < 0) {
		snprintf(call->expected, sizeof(call->expected), "%s", fault.expected);
		return rpc_blame(call, fault.field, err);
	}
	return method->run(call, err);
}

static char *answer_text(const struct rpc_call *call, const json_t *id, int ret, const struct error *err,
			 size_t *length)
{
	json_t *data = NULL;
	int code = RPC_OWN_ERROR + ret;
	char *text;

	if (ret == 0)
		return rpc_message_result(id, call->result, length);
	if (call->field[0]) {
		data = json_pack("{s:s,s:s}", "field", call->field, "expected",
				 call->expected[0] ? call->expected : err->text);
		if (ret == -EINVAL)
			code = RPC_INVALID_PARAMS;
	}
	if (ret == -ENOSYS)
		code = RPC_METHOD_NOT_FOUND;
	text = rpc_message_error(id, code, err->text, data, length);
	json_decref(data);
	return text;
}

int rpc_server_call(struct rpc_connection *connection, const struct rpc_request *request, int fds[RPC_MAX_FDS])
{
	struct rpc_server *server = connection->server;
	const json_t *description = rpc_schema_method(request->method);
	const bool changes = description && rpc_schema_role(description) == RPC_ADMIN;
	const char *busy = server->busy ? server->busy(server->daemon) : NULL;
	json_t *none = request->params ? NULL : json_object();
	struct rpc_call call = {.daemon = server->daemon,
				.role = connection->peer.role,
				.uid = connection->peer.uid,
				.pid = connection->peer.pid,
				.params = request->params ? request->params : none,
				.connection = connection};
	struct error err = {0};
	char what[RPC_WHAT_SIZE] = "";
	int ret;

	memcpy(call.fds, fds, sizeof(call.fds));
	if (changes)
		describe(request->method, request->params, what, sizeof(what));
	/* rpc_defer() needs to know which request it answers. */
	connection->request = request;
	connection->what = what;
	ret = run(server->methods, request->method, busy, &call, &err);
	connection->request = NULL;
	memcpy(fds, call.fds, sizeof(call.fds));
	json_decref(none);
	if (ret != RPC_LATER) {
		if (changes)
			log_change(server, &connection->peer, what, ret < 0 ? err.text : "done");
		if (request->id) {
			size_t length = 0;
			char *text = answer_text(&call, request->id, ret, &err, &length);

			rpc_connection_answer(connection, request->id, text, length);
		}
	}
	json_decref(call.result);
	return ret;
}

struct rpc_deferred *rpc_defer(struct rpc_call *call)
{
	struct rpc_connection *connection = call->connection;
	const struct rpc_inner *inner = call->inner;
	struct rpc_deferred *deferred = connection || inner ? calloc(1, sizeof(*deferred)) : NULL;

	if (!deferred)
		return NULL;
	if (inner) {
		deferred->server = inner->outer->server;
		deferred->peer = inner->outer->peer;
		deferred->done = inner->done;
		deferred->context = inner->context;
	} else {
		deferred->server = connection->server;
		deferred->peer = connection->peer;
		deferred->connection = connection;
		deferred->id = json_deep_copy(connection->request->id);
		connection->deferred = deferred;
	}
	snprintf(deferred->what, sizeof(deferred->what), "%s", inner ? inner->what : connection->what);
	return deferred;
}

void rpc_answer(struct rpc_deferred *deferred, json_t *result, const struct error *err)
{
	struct rpc_connection *connection = deferred->connection;
	struct rpc_call call = {.result = result};

	if (deferred->what[0]) /* a change */
		log_change(deferred->server, &deferred->peer, deferred->what, result ? "done" : err->text);
	if (deferred->done)
		deferred->done(deferred->context, result ? NULL : err);
	if (connection) {
		connection->deferred = NULL;
		if (deferred->id) {
			size_t length = 0;
			char *text = answer_text(&call, deferred->id, result ? 0 : err->code, err, &length);

			rpc_connection_answer(connection, deferred->id, text, length);
		}
		rpc_connection_go_on(connection);
	}
	json_decref(result);
	json_decref(deferred->id);
	free(deferred);
}

void rpc_call_for(struct rpc_deferred *deferred, const char *method, const json_t *params, rpc_done_fn *done,
		  void *context)
{
	char what[RPC_WHAT_SIZE];
	const struct rpc_inner inner = {.outer = deferred, .what = what, .done = done, .context = context};
	struct rpc_call call = {.daemon = deferred->server->daemon,
				.role = deferred->peer.role,
				.uid = deferred->peer.uid,
				.pid = deferred->peer.pid,
				.fds = {-1, -1},
				.params = params,
				.inner = &inner};
	struct error err = {0};
	int ret;

	describe(method, params, what, sizeof(what));
	ret = run(deferred->server->methods, method, NULL, &call, &err);
	json_decref(call.result);
	if (ret == RPC_LATER)
		return;
	log_change(deferred->server, &deferred->peer, what, ret < 0 ? err.text : "done");
	done(context, ret < 0 ? &err : NULL);
}

int rpc_call_reader(struct daemon *daemon, const char *method, const json_t *params, json_t **result, struct error *err)
{
	json_t *none = params ? NULL : json_object();
	struct rpc_call call = {.daemon = daemon,
				.role = RPC_READER,
				.uid = (uid_t)-1,
				.fds = {-1, -1},
				.params = params ? params : none};
	int ret = run(rpc_methods, method, NULL, &call, err);

	json_decref(none);
	*result = ret == 0 ? call.result : NULL;
	if (ret != 0)
		json_decref(call.result);
	return ret;
}
