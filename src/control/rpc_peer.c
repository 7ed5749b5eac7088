/* SPDX-License-Identifier: Apache-2.0 */
#include "control/rpc_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/units.h"

/* Some system's users are in thousands of groups; the kernel's limit is this. */
#define MAX_GROUPS 65536

static bool has_group(int socket, gid_t group)
{
	socklen_t length = 64 * sizeof(gid_t);
	gid_t *groups = malloc(length);
	bool found = false;

	/* It says how long it is where there was too little room. */
	if (groups && getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0) {
		free(groups);
		groups = errno == ERANGE && length <= MAX_GROUPS * sizeof(gid_t) ? malloc(length) : NULL;
		if (groups && getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0)
			length = 0;
	}
	for (size_t i = 0; groups && i < length / sizeof(gid_t) && !found; i++)
		found = groups[i] == group;
	free(groups);
	return found;
}

/* Behind a sandbox there is no /proc but its own, and the number has to do. */
static void read_command(struct rpc_peer *peer)
{
	char path[32];
	ssize_t length = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)peer->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		length = read(fd, peer->command, sizeof(peer->command) - 1);
		close(fd);
	}
	peer->command[length > 0 ? length : 0] = '\0';
	for (char *at = peer->command; *at; at++) {
		if (*at == '\n')
			*at = '\0';
		else if (*at < 0x20 || *at >= 0x7f)
			*at = '?';
		if (!*at)
			break;
	}
}

int rpc_peer_look(int socket, const struct rpc_admins *admins, struct rpc_peer *peer)
{
	struct ucred credentials;
	socklen_t length = sizeof(credentials);
	bool member;

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
		return -errno;
	member = admins->group != (gid_t)-1 && (credentials.gid == admins->group || has_group(socket, admins->group));
	*peer = (struct rpc_peer){
		.uid = credentials.uid,
		.pid = credentials.pid,
		.role = credentials.uid == 0 || credentials.uid == admins->owner || member ? RPC_ADMIN : RPC_READER,
	};
	read_command(peer);
	return 0;
}

int rpc_peer_find_group(const char *name, gid_t *gid, struct error *err)
{
	const struct group *entry = name ? getgrnam(name) : NULL;
	uint64_t number = UINT32_MAX;

	if (name && !entry && (units_parse_uint(name, &number) < 0 || number >= UINT32_MAX))
		return error_set(err, -EINVAL,
				 "rpc-admin-group: \"%.60s\": no such group: expected one of this machine's, or a "
				 "number",
				 name);
	*gid = entry ? entry->gr_gid : (gid_t)number;
	return 0;
}
