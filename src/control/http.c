/* SPDX-License-Identifier: Apache-2.0 */
#include "control/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/http_routes.h"
#include "control/limiter.h"

/* Connections, and what headers and an answer's beginning may take of each, bytes. */
#define MAX_CONNECTIONS   64
#define CONNECTION_MEMORY 16384

/* Seconds: without a word; for one request and its answer; the same while others wait for a place. */
#define SILENCE_MAX         10
#define REQUEST_MAX         30
#define REQUEST_MAX_CROWDED 5

/* How often those that have left are looked for while others wait for a place. */
#define CROWDED_MS 50

/* Answers a second. A dashboard asks for ten. */
#define ANSWER_RATE 200

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000

struct connection {
	struct connection *next, *previous;
	int fd;
	uint64_t since_ns; /* it was made, or its last request answered */
};

struct http {
	struct daemon *daemon;
	struct metrics *metrics;
	struct loop *loop;
	struct MHD_Daemon *server;
	struct loop_source listener; /* not watched while there is no place */
	struct loop_source events;   /* the server's epoll */
	struct loop_source timer;    /* runs while there are connections */
	bool local;
	bool timed;
	struct connection *connections;
	unsigned connection_count;
	uint64_t looked_ns; /* for slow ones, last */
	struct limiter answers;
};

bool http_is_built(void)
{
	return true;
}

const char *http_describe_build(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "HTTP by libmicrohttpd %s", MHD_get_version());
	return text;
}

static void add_security_headers(struct MHD_Response *response, const struct http_answer *answer)
{
	static const char *const headers[][2] = {
		/* Nothing from elsewhere, and no script or style that is written into a page. */
		{"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "
					    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
					    "form-action 'none'; frame-ancestors 'none'"},
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		MHD_add_response_header(response, headers[i][0], headers[i][1]);
	MHD_add_response_header(response, "Content-Type", answer->type);
	MHD_add_response_header(response, "Cache-Control", answer->kept ? "no-cache" : "no-store");
	if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	if (answer->status == MHD_HTTP_TOO_MANY_REQUESTS)
		MHD_add_response_header(response, "Retry-After", "1");
}

static void drop_body(void *body)
{
	http_body_drop(body);
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct http_answer *answer)
{
	struct http_body *body = answer->body;
	struct MHD_Response *response;
	enum MHD_Result ret;

	if (!body)
		return MHD_NO;
	response = MHD_create_response_from_buffer_with_free_callback_cls(body->length, body->data, drop_body, body);
	if (!response) {
		http_body_drop(body);
		return MHD_NO;
	}
	add_security_headers(response, answer);
	ret = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return ret;
}

struct query {
	json_t *values;
	bool ambiguous;
};

static enum MHD_Result take_parameter(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct query *query = context;

	(void)kind;
	if (json_object_get(query->values, key))
		query->ambiguous = true;
	/* What is no UTF-8 is no text, and no parameter has it. */
	if (json_object_set_new(query->values, key, json_string(value ? value : "")) < 0)
		query->ambiguous = true;
	return MHD_YES;
}

static void answer_request(struct http *http, struct MHD_Connection *connection, struct http_request *request,
			   struct http_answer *answer)
{
	struct query query = {.values = json_object()};

	if (limiter_take(&http->answers, clock_monotonic_ns())) {
		http_answer_error(request, MHD_HTTP_TOO_MANY_REQUESTS, "too many requests a second: ask less often",
				  answer);
	} else {
		MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_parameter, &query);
		request->query = query.values;
		request->query_ambiguous = query.ambiguous;
		http_route(http->daemon, http->metrics, request, answer);
	}
	json_decref(query.values);
}

/* Called when the headers are there, for each piece of a body, and at the end of the request. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *upload, size_t *upload_size, void **state)
{
	static char headers_seen;
	struct http *http = context;
	struct http_answer answer = {.status = 0};
	struct http_request request = {
		.path = url,
		.host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
		.local = http->local,
		.host_needed = strcmp(version, MHD_HTTP_VERSION_1_0) != 0,
	};

	(void)upload;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		http_answer_error(&request, MHD_HTTP_METHOD_NOT_ALLOWED,
				  "expected GET or HEAD: nothing can be changed here", &answer);
		return send_answer(connection, &answer);
	}
	/* A body that was announced or not: the connection ends. */
	if (*upload_size)
		return MHD_NO;
	if (!*state) {
		*state = &headers_seen;
		return MHD_YES;
	}
	answer_request(http, connection, &request, &answer);
	return send_answer(connection, &answer);
}

static void request_completed(void *context, struct MHD_Connection *connection, void **state,
			      enum MHD_RequestTerminationCode how)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *entry = info ? info->socket_context : NULL;

	(void)context;
	(void)state;
	(void)how;
	if (entry)
		entry->since_ns = clock_monotonic_ns();
}

static void connection_begun(struct http *http, struct MHD_Connection *connection, void **entry_of)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *entry = calloc(1, sizeof(*entry));

	http->connection_count++;
	*entry_of = entry;
	/* One that cannot be watched over is none. */
	if (!entry) {
		shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	*entry = (struct connection){
		.next = http->connections, .fd = info->connect_fd, .since_ns = clock_monotonic_ns()};
	if (entry->next)
		entry->next->previous = entry;
	http->connections = entry;
}

static void connection_ended(struct http *http, struct connection *entry)
{
	http->connection_count--;
	if (!entry)
		return;
	if (entry->next)
		entry->next->previous = entry->previous;
	if (entry->previous)
		entry->previous->next = entry->next;
	else
		http->connections = entry->next;
	free(entry);
}

static void connection_changed(void *context, struct MHD_Connection *connection, void **entry,
			       enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		connection_begun(context, connection, entry);
	else
		connection_ended(context, *entry);
}

/*
 * The server closes what is shut down. It does not notice a client that has
 * left right after a part of a request, since its epoll tells it once.
 */
static void end_abandoned_connections(struct http *http)
{
	char byte;

	for (struct connection *entry = http->connections; entry; entry = entry->next) {
		if (recv(entry->fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) == 0)
			shutdown(entry->fd, SHUT_RDWR);
	}
}

/* Once a second. */
static void end_slow_connections(struct http *http)
{
	const bool crowded = http->connection_count >= MAX_CONNECTIONS;
	const uint64_t now = clock_monotonic_ns(), longest = NS_PER_S * (crowded ? REQUEST_MAX_CROWDED : REQUEST_MAX);

	if (now - http->looked_ns < NS_PER_S)
		return;
	http->looked_ns = now;
	for (struct connection *entry = http->connections; entry; entry = entry->next) {
		if (now - entry->since_ns > longest)
			shutdown(entry->fd, SHUT_RDWR);
	}
}

/* Once a second while there are connections, more often while there is no place, or as soon as the server wants. */
static void set_timer(struct http *http)
{
	struct itimerspec when = {.it_value = {0}};
	const unsigned longest_ms = http->connection_count < MAX_CONNECTIONS ? 1000 : CROWDED_MS;
	MHD_UNSIGNED_LONG_LONG ms;

	if (!http->connection_count && !http->timed)
		return;
	http->timed = http->connection_count > 0;
	if (http->timed) {
		if (MHD_get_timeout(http->server, &ms) != MHD_YES || ms > longest_ms)
			ms = longest_ms;
		when.it_value.tv_sec = (time_t)(ms / 1000);
		when.it_value.tv_nsec = ms ? (long)(ms % 1000) * NS_PER_MS : 1;
	}
	timerfd_settime(http->timer.fd, 0, &when, NULL);
}

static void run(struct http *http)
{
	/* Here and not at the timer, which is set anew whenever anything happens. */
	end_slow_connections(http);
	if (http->connection_count >= MAX_CONNECTIONS)
		end_abandoned_connections(http);
	MHD_run(http->server);
	/* Where there is no place those that come wait to be accepted, and cost nothing. */
	if (http->connection_count < MAX_CONNECTIONS)
		loop_watch(http->loop, &http->listener);
	set_timer(http);
}

static void events_ready(struct loop_source *source)
{
	run((struct http *)((char *)source - offsetof(struct http, events)));
}

static void timer_ready(struct loop_source *source)
{
	struct http *http = (struct http *)((char *)source - offsetof(struct http, timer));
	uint64_t expirations;

	if (read(source->fd, &expirations, sizeof(expirations)) < 0)
		return;
	run(http);
}

/* Out of descriptors, say: the next one is looked for in a second. */
static void rest(struct http *http)
{
	const struct itimerspec when = {.it_value = {.tv_sec = 1}};

	loop_unwatch(http->loop, &http->listener);
	http->timed = true;
	timerfd_settime(http->timer.fd, 0, &when, NULL);
}

static void listener_ready(struct loop_source *source)
{
	struct http *http = (struct http *)((char *)source - offsetof(struct http, listener));
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	int fd = accept4(source->fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			rest(http);
		return;
	}
	/* It is closed where it cannot be taken. */
	if (MHD_add_connection(http->server, fd, (struct sockaddr *)&address, length) != MHD_YES)
		log_debug("http: a connection was not taken: %s", strerror(errno));
	if (http->connection_count >= MAX_CONNECTIONS)
		loop_unwatch(http->loop, &http->listener);
	run(http);
}

static void log_complaint(void *context, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void log_complaint(void *context, const char *format, va_list args)
{
	char text[256];

	(void)context;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

/* What ends a text in C is not to end one here: "d%00.." is not "d". */
static size_t unescape(void *context, struct MHD_Connection *connection, char *text)
{
	const size_t length = MHD_http_unescape(text);

	(void)context;
	(void)connection;
	for (size_t i = 0; i < length; i++) {
		if (!text[i])
			text[i] = '\1';
	}
	return length;
}

static struct MHD_Daemon *start_server(struct http *http)
{
	const unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;

	return MHD_start_daemon(flags, 0, NULL, NULL, handle, http, MHD_OPTION_EXTERNAL_LOGGER, log_complaint, NULL,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1,
				MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED,
				request_completed, http, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, http,
				MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
}

struct http *http_open(struct daemon *daemon, struct metrics *metrics, int listen_fd, bool local, struct error *err)
{
	struct http *http = calloc(1, sizeof(*http));
	const union MHD_DaemonInfo *info;

	if (!http) {
		error_set(err, -ENOMEM, "no memory for HTTP");
		return NULL;
	}
	http->daemon = daemon;
	http->metrics = metrics;
	http->local = local;
	http->answers.rate = ANSWER_RATE;
	http->listener = (struct loop_source){.fd = listen_fd, .ready = listener_ready};
	http->timer = (struct loop_source){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
					   .ready = timer_ready};
	http->server = http->timer.fd < 0 ? NULL : start_server(http);
	info = http->server ? MHD_get_daemon_info(http->server, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info || info->epoll_fd < 0) {
		error_set(err, -ENOMEM, "the HTTP server cannot be started: %s", strerror(errno));
		http_close(http);
		return NULL;
	}
	http->events = (struct loop_source){.fd = info->epoll_fd, .ready = events_ready};
	return http;
}

int http_start(struct http *http, struct loop *loop, struct error *err)
{
	http->loop = loop;
	if (loop_watch(loop, &http->events) < 0 || loop_watch(loop, &http->timer) < 0 ||
	    loop_watch(loop, &http->listener) < 0)
		return error_set(err, -errno, "the HTTP server cannot be watched: %s", strerror(errno));
	return 0;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	if (http->loop) {
		loop_unwatch(http->loop, &http->listener);
		loop_unwatch(http->loop, &http->events);
		loop_unwatch(http->loop, &http->timer);
	}
	if (http->server)
		MHD_stop_daemon(http->server);
	if (http->timer.fd >= 0)
		close(http->timer.fd);
	free(http);
}
