/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "control/daemon_parts.h"
#include "control/listener.h"
#include "control/rpc_schema.h"
#include "control/upgrade_client.h"

/* Disks are numbered while two daemons talk about them, and theirs who takes them. */
static const char *busy(struct daemon *daemon)
{
	if (daemon->stopping)
		return "straitd is stopping";
	if (daemon->taking || daemon->upgrades.connection.fd >= 0)
		return "an upgrade is under way";
	return NULL;
}

void daemon_init_rpc(struct daemon *daemon)
{
	rpc_server_init(&daemon->rpc, &daemon->loop, daemon, rpc_methods, busy);
}

/* A predecessor's socket, if it is the one; there may be none, or another that the configuration had. */
static int inherit(struct daemon *daemon)
{
	const char *path = daemon->config->rpc_socket;
	int fd = daemon->taking ? upgrade_client_take_listener(daemon->taking, UPGRADE_LISTENER_RPC) : -1;

	if (fd >= 0 && !listener_is(fd, path)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int daemon_open_rpc(struct daemon *daemon, struct error *err)
{
	const struct config *config = daemon->config;
	struct rpc_admins admins = {.owner = daemon->owner};
	int fd, ret;

	if (!config->rpc_socket)
		return 0;
	/* Hashes of clients' keys are not to be foretold; behind the sandbox there is no file to take chance from. */
	json_object_seed(0);
	rpc_schema();
	ret = rpc_peer_find_group(config->rpc_admin_group, &admins.group, err);
	if (ret < 0)
		return ret;
	fd = inherit(daemon);
	if (fd < 0)
		fd = listener_open(config->rpc_socket, SOCK_STREAM, &config->rpc_access, err);
	return fd < 0 ? error_prefix(err, "rpc-socket")
		      : rpc_server_open(&daemon->rpc, fd, config->rpc_socket, &admins, err);
}

int daemon_serve_rpc(struct daemon *daemon, struct error *err)
{
	if (daemon->rpc.listener.fd < 0)
		return 0;
	daemon->upgrades.listeners[UPGRADE_LISTENER_RPC] = daemon->rpc.listener.fd;
	return rpc_server_start(&daemon->rpc, err);
}

void daemon_close_rpc(struct daemon *daemon)
{
	daemon->upgrades.listeners[UPGRADE_LISTENER_RPC] = -1;
	/* Of two daemons the socket is the one's that serves. */
	rpc_server_close(&daemon->rpc, !daemon->handed_over && !daemon->taking);
}
