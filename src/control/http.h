/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_HTTP_H
#define STRAIT_CONTROL_HTTP_H

#include <stdbool.h>

#include "base/error.h"
#include "control/loop.h"

struct daemon;
struct metrics;

/*
 * The daemon's HTTP server (libmicrohttpd, driven from the event loop): reads,
 * and answers what http_routes.h has. Whoever connects gets a bounded share of
 * memory and time: so many connections, so many bytes of headers, no bodies,
 * so many answers a second, and a connection on which no request is finished
 * in time is closed. Without a connection nothing wakes the daemon. Control
 * thread.
 */
struct http;

/* Whether this straitd was built with libmicrohttpd. */
bool http_is_built(void);

/* "HTTP by libmicrohttpd 0.9.75" or "no HTTP", for --version. */
const char *http_describe_build(void);

/*
 * What takes rights. listen_fd, a listening non-blocking socket of unix type
 * (local) or TCP, stays the caller's and open. NULL with err set.
 */
struct http *http_open(struct daemon *daemon, struct metrics *metrics, int listen_fd, bool local, struct error *err);

/* Begin to serve. 0, or a negative errno with err set. */
int http_start(struct http *http, struct loop *loop, struct error *err);

/* End all connections. NULL is allowed. */
void http_close(struct http *http);

#endif
