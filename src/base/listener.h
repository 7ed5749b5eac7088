/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_LISTENER_H
#define STRAIT_BASE_LISTENER_H

#include <stdbool.h>

#include "base/error.h"

/* Who may connect: names or numbers of a user and a group, permissions. NULL, -1: as the process makes files. */
struct listener_access {
	const char *owner;
	const char *group; /* also makes mode 0660 where that is -1 */
	int mode;
};

/*
 * A listening unix socket of a type (SOCK_STREAM, SOCK_SEQPACKET) at path, non-blocking. A socket file that
 * nobody listens on (left by a daemon that was killed) is replaced; one that
 * somebody listens on, or a file of another kind, is an error. It has its owner
 * and mode before anybody can connect. One thread: changes the umask for a
 * moment. Returns the descriptor or a negative errno with err set.
 */
int listener_open(const char *path, int type, const struct listener_access *access, struct error *err);

/* Whether owner and group exist: 0, or -EINVAL with err set. */
int listener_check_access(const struct listener_access *access, struct error *err);

/* Whether a listening socket is the one at path. */
bool listener_is(int fd, const char *path);

/*
 * Take a socket file away that nobody listens on any more. 0 also where there
 * is none; -EADDRINUSE, -EEXIST and others with err set, as listener_open().
 */
int listener_clear(const char *path, struct error *err);

#endif
