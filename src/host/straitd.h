/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_STRAITD_H
#define STRAIT_HOST_STRAITD_H

#include <jansson.h>

/* What a running straitd says of its disks, by its RPC socket. */
struct host_straitd_disk {
	const char *name, *socket, *file; /* file: NULL: no file */
	int64_t queues;
	const char *state;
	const json_t *disk;   /* disk.list's entry */
	const json_t *budget; /* budget.get of the last seconds; NULL: none */
	const json_t *profile;
};

struct host_straitd {
	const char *socket;     /* the one asked; NULL: none answered */
	const char *unreadable; /* why not, where a socket is there */
	struct host_straitd_disk *disk;
	unsigned count;
};

struct tree;
/* socket: NULL: the default one. */
void host_straitd_read(struct tree *tree, const char *socket, struct host_straitd *straitd);
const struct host_straitd_disk *host_straitd_by_socket(const struct host_straitd *straitd, const char *socket);

#endif
