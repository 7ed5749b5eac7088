/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_RPC_PEER_H
#define STRAIT_CONTROL_RPC_PEER_H

#include <sys/types.h>

#include "base/error.h"
#include "control/rpc.h"

/* Who is an admin, beside root. */
struct rpc_admins {
	uid_t owner; /* who started the daemon */
	gid_t group; /* whose members are; (gid_t)-1: none */
};

/* Who is at the other end of a socket, at the time of connect(2). */
struct rpc_peer {
	uid_t uid;
	pid_t pid;
	enum rpc_role role;
	char command[16]; /* what its process is called, "" where that is not to be seen */
};

/* 0 or a negative errno. */
int rpc_peer_look(int socket, const struct rpc_admins *admins, struct rpc_peer *peer);

/* The number of a group by name or number. NULL: (gid_t)-1. -EINVAL with err set where there is none. */
int rpc_peer_find_group(const char *name, gid_t *gid, struct error *err);

#endif
