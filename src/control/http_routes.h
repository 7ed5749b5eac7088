/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_HTTP_ROUTES_H
#define STRAIT_CONTROL_HTTP_ROUTES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct daemon;
struct metrics;

/*
 * What the HTTP server answers, without the protocol:
 *
 *   GET /                  the dashboard: index.html, and beside it its other files
 *   GET /metrics           for Prometheus, see docs/metrics.md
 *   GET /api/v1/METHOD     a method of RPC for readers, parameters behind "?"
 *
 * Control thread.
 */

/* Bytes of an answer, shared by those that still send it. */
struct http_body {
	unsigned users;
	size_t length;
	void (*release)(struct http_body *body); /* of data; NULL: it stays for ever */
	void *data;
};

/* One user; NULL: no memory, and data was released. */
struct http_body *http_body_new(void *data, size_t length, void (*release)(struct http_body *body));

/* For release: data is from malloc(3). */
void http_body_free_data(struct http_body *body);

void http_body_keep(struct http_body *body);
void http_body_drop(struct http_body *body); /* NULL is allowed */

struct http_request {
	const char *path;     /* decoded, without what is behind "?" */
	const char *host;     /* the Host header, NULL: there is none */
	bool local;           /* by a unix socket, where a name says nothing */
	bool host_needed;     /* HTTP/1.1 */
	const json_t *query;  /* texts by name */
	bool query_ambiguous; /* a name was given twice */
};

struct http_answer {
	unsigned status;        /* of HTTP */
	const char *type;       /* Content-Type */
	struct http_body *body; /* one user is the caller's; NULL: no memory */
	bool kept;              /* a browser may keep it, and asks whether it has changed */
};

/*
 * A browser says in Host what its page believes to be talking to. A page of
 * somebody else's whose name was made to mean 127.0.0.1 gives itself away.
 */
bool http_host_allowed(const char *host);

void http_route(struct daemon *daemon, struct metrics *metrics, const struct http_request *request,
		struct http_answer *answer);

/* An answer that is one sentence: of JSON behind /api/, else plain text. */
void http_answer_error(const struct http_request *request, unsigned status, const char *sentence,
		       struct http_answer *answer);

#endif
