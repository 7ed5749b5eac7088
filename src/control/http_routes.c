/* SPDX-License-Identifier: Apache-2.0 */
#include "control/http_routes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/dashboard.h"
#include "control/http_api.h"
#include "control/metrics.h"

#define API_PREFIX "/api/v1/"

struct http_body *http_body_new(void *data, size_t length, void (*release)(struct http_body *body))
{
	struct http_body made = {.users = 1, .length = length, .release = release, .data = data};
	struct http_body *body = data ? malloc(sizeof(*body)) : NULL;

	if (body)
		*body = made;
	else if (data && release)
		release(&made);
	return body;
}

void http_body_free_data(struct http_body *body)
{
	free(body->data);
}

void http_body_keep(struct http_body *body)
{
	body->users++;
}

void http_body_drop(struct http_body *body)
{
	if (!body || --body->users)
		return;
	if (body->release)
		body->release(body);
	free(body);
}

bool http_host_allowed(const char *host)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const size_t length = strlen(names[i]);
		const char *port = host + length + 1;

		if (strncasecmp(host, names[i], length) != 0)
			continue;
		if (host[length] == '\0')
			return true;
		/* Any port: it may have been forwarded. */
		if (host[length] == ':' && *port && port[strspn(port, "0123456789")] == '\0')
			return true;
	}
	return false;
}

static bool is_api(const struct http_request *request)
{
	return strncmp(request->path, API_PREFIX, strlen(API_PREFIX)) == 0;
}

void http_answer_error(const struct http_request *request, unsigned status, const char *sentence,
		       struct http_answer *answer)
{
	if (is_api(request)) {
		http_api_error(status, sentence, answer);
		return;
	}
	*answer = (struct http_answer){.status = status,
				       .type = "text/plain; charset=utf-8",
				       .body = http_body_new(strdup(sentence), strlen(sentence), http_body_free_data)};
}

static bool answer_file(const char *name, struct http_answer *answer)
{
	if (!name[0])
		name = "index.html";
	for (const struct dashboard_file *file = dashboard_files; file->name; file++) {
		if (strcmp(file->name, name) != 0)
			continue;
		*answer = (struct http_answer){.status = 200,
					       .type = file->type,
					       .body = http_body_new((void *)(uintptr_t)file->data, file->length, NULL),
					       .kept = true};
		return true;
	}
	return false;
}

void http_route(struct daemon *daemon, struct metrics *metrics, const struct http_request *request,
		struct http_answer *answer)
{
	if (!request->local && (request->host ? !http_host_allowed(request->host) : request->host_needed)) {
		http_answer_error(request, 421,
				  "the Host header names another machine: expected localhost, 127.0.0.1 or [::1]",
				  answer);
		return;
	}
	if (is_api(request)) {
		http_api(daemon, request->path + strlen(API_PREFIX), request, answer);
		return;
	}
	if (metrics && strcmp(request->path, "/metrics") == 0) {
		*answer = (struct http_answer){.status = 200, .type = METRICS_TYPE, .body = metrics_body(metrics)};
		return;
	}
	if (request->path[0] == '/' && answer_file(request->path + 1, answer))
		return;
	http_answer_error(request, 404, "there is nothing of this name: expected /, /metrics or /api/v1/METHOD",
			  answer);
}
