/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_RPC_MESSAGE_H
#define STRAIT_CONTROL_RPC_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * JSON-RPC 2.0 (www.jsonrpc.org/specification) as text: what a request is, what
 * an answer is. No I/O.
 */
#define RPC_MAX_DEPTH 32
#define RPC_MAX_BATCH 64

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL_ERROR = -32603,
	RPC_OWN_ERROR = -32000, /* minus a positive errno */
};

/* One request; all but the text of an error is part of what it was read from. */
struct rpc_request {
	const json_t *id; /* a string, a number or null; NULL: a notification, which gets no answer */
	const char *method;
	const json_t *params; /* an object, or NULL */
};

/*
 * Text to JSON: UTF-8, no key twice in an object, not nested deeper than
 * RPC_MAX_DEPTH. NULL with err set, whose code is an rpc_code.
 */
json_t *rpc_message_parse(const char *text, size_t length, struct error *err);

/*
 * What a message asks for. 0, or an rpc_code with err set: request->id is what
 * could be found, so that an answer is due (null where there is none).
 */
int rpc_message_read(const json_t *message, struct rpc_request *request, struct error *err);

/* Answers, as text with a newline; NULL: no memory, or more than RPC_MAX_ANSWER bytes. result and data stay the
 * caller's. */
#define RPC_MAX_ANSWER (8u << 20)
char *rpc_message_result(const json_t *id, const json_t *result, size_t *length);
char *rpc_message_error(const json_t *id, int code, const char *text, const json_t *data, size_t *length);

#endif
