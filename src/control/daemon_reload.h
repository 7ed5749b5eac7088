/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DAEMON_RELOAD_H
#define STRAIT_CONTROL_DAEMON_RELOAD_H

#include "control/daemon_parts.h"
#include "control/rpc.h"

/*
 * Make what runs what a file says: a list of calls of other methods, one after
 * another, each when the one before has been answered. Control thread.
 */

/*
 * For a call of config.reload: carry out diff, the result of config.diff.
 * Without add, disks that come are left to the client, as a daemon in its sandbox has to have it. What can be seen to
 * fail is refused before anything has changed. RPC_LATER, or a negative errno with err set. The result is diff.
 */
int daemon_reload(struct rpc_call *call, json_t *diff, bool force, bool add, struct error *err);

/* The daemon ends: one that is under way does, too. After daemon_change_end(). */
void daemon_reload_end(struct daemon *daemon);

#endif
