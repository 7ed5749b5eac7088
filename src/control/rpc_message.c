/* SPDX-License-Identifier: Apache-2.0 */
#include "control/rpc_message.h"

#include <stdlib.h>
#include <string.h>

/* Before it is parsed, because the parser, and whoever takes its result apart, calls itself for each level. */
static bool too_deep(const char *text, size_t length)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < length; i++) {
		const char letter = text[i];

		if (in_string) {
			if (letter == '\\')
				i++;
			else if (letter == '"')
				in_string = false;
		} else if (letter == '"') {
			in_string = true;
		} else if (letter == '{' || letter == '[') {
			if (++depth > RPC_MAX_DEPTH)
				return true;
		} else if ((letter == '}' || letter == ']') && depth) {
			depth--;
		}
	}
	return false;
}

json_t *rpc_message_parse(const char *text, size_t length, struct error *err)
{
	json_error_t cause;
	json_t *message;

	if (too_deep(text, length)) {
		error_set(err, RPC_PARSE_ERROR, "nested too deep: expected at most %d levels", RPC_MAX_DEPTH);
		return NULL;
	}
	message = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &cause);
	if (!message)
		error_set(err, RPC_PARSE_ERROR, "not JSON: %s (at byte %d): expected one object or array a line",
			  cause.text, cause.position);
	return message;
}

static bool is_id(const json_t *id)
{
	return json_is_string(id) || json_is_number(id) || json_is_null(id);
}

/* A wrong request is answered, whatever it has for an id. */
static int invalid(struct rpc_request *request, struct error *err, const char *text)
{
	if (!request->id)
		request->id = json_null();
	return error_set(err, RPC_INVALID_REQUEST, "%s", text);
}

int rpc_message_read(const json_t *message, struct rpc_request *request, struct error *err)
{
	const json_t *version, *id, *method;

	*request = (struct rpc_request){.id = NULL};
	if (!json_is_object(message))
		return invalid(request, err, "a request is an object: expected {\"jsonrpc\":\"2.0\",\"method\":...}");
	id = json_object_get(message, "id");
	if (id && !is_id(id))
		return invalid(request, err, "id: expected a string, a number or null");
	request->id = id;
	version = json_object_get(message, "jsonrpc");
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return invalid(request, err, "jsonrpc: expected \"2.0\"");
	method = json_object_get(message, "method");
	if (!json_is_string(method))
		return invalid(request, err, "method: expected a string");
	request->method = json_string_value(method);
	request->params = json_object_get(message, "params");
	if (!request->params || json_is_object(request->params))
		return 0;
	/* By position is allowed by the specification where the server has positions. An empty list says nothing. */
	if (json_is_array(request->params) && json_array_size(request->params) == 0) {
		request->params = NULL;
		return 0;
	}
	if (!json_is_array(request->params))
		return invalid(request, err, "params: expected an object");
	return error_set(err, RPC_INVALID_PARAMS, "params: expected an object, parameters have names here");
}

/* One line of message, which is given up. */
static char *line_of(json_t *message, size_t *length)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL, *longer;

	json_decref(message);
	if (!text)
		return NULL;
	*length = strlen(text);
	longer = *length < RPC_MAX_ANSWER ? realloc(text, *length + 2) : NULL;
	if (!longer) {
		free(text);
		return NULL;
	}
	longer[(*length)++] = '\n';
	longer[*length] = '\0';
	return longer;
}

char *rpc_message_result(const json_t *id, const json_t *result, size_t *length)
{
	return line_of(json_pack("{s:s,s:O,s:O}", "jsonrpc", "2.0", "id", id, "result", result), length);
}

char *rpc_message_error(const json_t *id, int code, const char *text, const json_t *data, size_t *length)
{
	json_t *error = json_pack("{s:i,s:s}", "code", code, "message", text);

	/* A sentence that quotes what is no text: an error without its words is still an error. */
	if (!error)
		error = json_pack("{s:i,s:s}", "code", code, "message", "see the log of straitd");
	if (error && data)
		json_object_set(error, "data", (json_t *)data);
	return line_of(json_pack("{s:s,s:O,s:o}", "jsonrpc", "2.0", "id", id, "error", error), length);
}
