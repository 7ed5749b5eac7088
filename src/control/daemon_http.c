/* SPDX-License-Identifier: Apache-2.0 */
#include "control/daemon_parts.h"

#include <unistd.h>

#include "base/log.h"
#include "control/http.h"
#include "control/http_address.h"
#include "control/metrics.h"
#include "control/rpc_schema.h"
#include "control/upgrade_client.h"

/*
 * Disks matter more than what is read about them: without HTTP the daemon says
 * why and goes on.
 */

/* The predecessor's, if it listens at the same place. */
static int inherited(struct daemon *daemon)
{
	int fd = daemon->taking ? upgrade_client_take_listener(daemon->taking, UPGRADE_LISTENER_HTTP) : -1;

	if (fd >= 0 && !http_address_is(daemon->config->http_listen, fd)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void daemon_open_http(struct daemon *daemon)
{
	const char *where = daemon->config->http_listen;
	struct error err;

	daemon->http_fd = -1;
	if (!where)
		return;
	/* As in daemon_open_rpc(). */
	json_object_seed(0);
	rpc_schema();
	daemon->http_fd = inherited(daemon);
	if (daemon->http_fd < 0 && http_is_built())
		daemon->http_fd = http_address_open(where, &daemon->config->access, &err);
	if (daemon->http_fd >= 0)
		daemon->metrics = metrics_new(daemon, &err);
	if (daemon->metrics || !http_is_built())
		daemon->http =
			http_open(daemon, daemon->metrics, daemon->http_fd, http_address_path(where) != NULL, &err);
	if (!daemon->http)
		log_error("%s; there is no HTTP", err.text);
}

void daemon_start_http(struct daemon *daemon)
{
	struct error err;

	if (!daemon->http)
		return;
	if (http_start(daemon->http, &daemon->loop, &err) < 0) {
		log_error("%s; there is no HTTP", err.text);
		return;
	}
	daemon->upgrades.listeners[UPGRADE_LISTENER_HTTP] = daemon->http_fd;
	log_info("HTTP on %s", daemon->config->http_listen);
}

void daemon_close_http(struct daemon *daemon)
{
	http_close(daemon->http);
	daemon->http = NULL;
	metrics_free(daemon->metrics);
	daemon->metrics = NULL;
	daemon->upgrades.listeners[UPGRADE_LISTENER_HTTP] = -1;
	if (daemon->http_fd < 0)
		return;
	/* A socket file may be the predecessor's still, or the successor's already. */
	if (daemon->handed_over || daemon->taking)
		close(daemon->http_fd);
	else
		http_address_close(daemon->config->http_listen, daemon->http_fd);
	daemon->http_fd = -1;
}
