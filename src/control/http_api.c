/* SPDX-License-Identifier: Apache-2.0 */
#include "control/http_api.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/rpc.h"
#include "control/rpc_schema.h"

#define JSON_TYPE "application/json"

/* json is taken. */
static void answer_json(unsigned status, json_t *json, struct http_answer *answer)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	*answer = (struct http_answer){.status = status,
				       .type = JSON_TYPE,
				       .body = http_body_new(text, text ? strlen(text) : 0, http_body_free_data)};
}

void http_api_error(unsigned status, const char *sentence, struct http_answer *answer)
{
	answer_json(status, json_pack("{s: {s: s}}", "error", "message", sentence), answer);
}

static unsigned status_of(int code)
{
	switch (code) {
	case -EINVAL:
	case -ERANGE:
		return 400;
	case -EPERM:
	case -EACCES:
		return 403;
	case -ENOSYS:
	case -ENOENT:
		return 404;
	case -ENOMEM:
	case -EBUSY:
	case -EAGAIN:
		return 503;
	default:
		return 500;
	}
}

/* Texts become what the schema wants of them. False: one is no text, or there is no memory. */
static bool read_parameters(const json_t *method, const json_t *query, json_t *params)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)query, name, value)
	{
		if (json_object_set_new(params, name, rpc_schema_read(method, name, json_string_value(value))) < 0)
			return false;
	}
	return true;
}

void http_api(struct daemon *daemon, const char *name, const struct http_request *request, struct http_answer *answer)
{
	const json_t *method = rpc_schema_method(name);
	json_t *params = json_object(), *result = NULL;
	struct error err = {0};
	int ret;

	if (!method) {
		http_api_error(404, "there is no method of this name: expected one of docs/rpc.md", answer);
	} else if (request->query_ambiguous || !read_parameters(method, request->query, params)) {
		http_api_error(400, "expected each parameter once, as text in UTF-8", answer);
	} else {
		ret = rpc_call_reader(daemon, name, params, &result, &err);
		if (ret < 0)
			http_api_error(status_of(ret), err.text, answer);
		else
			answer_json(200, result, answer);
	}
	json_decref(params);
}
