/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DAEMON_ADD_H
#define STRAIT_CONTROL_DAEMON_ADD_H

#include <jansson.h>

#include "control/daemon_parts.h"

/* Which parameter is to blame: "disk.queues". */
#define DAEMON_FIELD 128

/*
 * A disk from its keys, with all checks and defaults that it would have in the
 * file: (*out)->disks[0]. file is what stands there beside disks. Negative
 * errno with err set, and field naming the key as prefix.KEY, or "". Control thread.
 */
int daemon_load_disk(const json_t *file, const json_t *tree, const char *prefix, struct config **out,
		     char field[DAEMON_FIELD], struct error *err);

/*
 * Serve another disk. fds, -1 where there is none, are its image, open and not
 * locked, and its socket, listening, in any order; those that are taken become
 * -1. A daemon in its sandbox needs them; another one opens what is missing.
 * Negative errno with err and field set: nothing has changed.
 */
int daemon_add_disk(struct daemon *daemon, const json_t *tree, int fds[2], struct fleet_disk **out,
		    char field[DAEMON_FIELD], struct error *err);

#endif
