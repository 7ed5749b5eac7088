/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>

#include "control/http.h"

/* http.h where there is no libmicrohttpd. */

bool http_is_built(void)
{
	return false;
}

const char *http_describe_build(void)
{
	return "no HTTP";
}

struct http *http_open(struct daemon *daemon, struct metrics *metrics, int listen_fd, bool local, struct error *err)
{
	(void)daemon;
	(void)metrics;
	(void)listen_fd;
	(void)local;
	error_set(err, -EOPNOTSUPP,
		  "http-listen: this straitd was built without libmicrohttpd: expected one that was built with it");
	return NULL;
}

int http_start(struct http *http, struct loop *loop, struct error *err)
{
	(void)http;
	(void)loop;
	return error_set(err, -EOPNOTSUPP, "this straitd was built without libmicrohttpd");
}

void http_close(struct http *http)
{
	(void)http;
}
