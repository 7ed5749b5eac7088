/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DAEMON_CHANGE_H
#define STRAIT_CONTROL_DAEMON_CHANGE_H

#include "control/daemon_add.h"
#include "control/rpc.h"

/*
 * Disks that change while they are served, and calls that wait for that. What
 * queues must not see changing is changed while none of the disk's runs: they
 * drain, and are started again. Control thread.
 */

/* What a call waits for. */
enum disk_event {
	DISK_GONE,  /* it was removed */
	DISK_QUIET, /* nothing of it runs, as long as an operator wants it */
};

/* RPC_LATER, or a negative errno with err set. */
int daemon_wait(struct daemon *daemon, const struct fleet_disk *member, enum disk_event event, struct rpc_call *call,
		struct error *err);

/* Change keys of a disk: an rpc_method_fn for call with its member. */
int daemon_set_disk(struct rpc_call *call, struct fleet_disk *member, const json_t *set, struct error *err);

/* Whether daemon_set_disk() can change a key. */
bool daemon_can_change(const char *key);

/* A disk's tree has another value for a key; NULL: none any more. 0 or -ENOMEM. */
int daemon_note_key(struct fleet_disk *member, const char *key, json_t *value);

/* Nothing of the disk runs; an operator lets it run again; it is about to be forgotten; all are. */
void daemon_change_settled(struct daemon *daemon, struct fleet_disk *member);
void daemon_change_resumed(struct daemon *daemon, const struct fleet_disk *member);
void daemon_change_gone(struct daemon *daemon, struct fleet_disk *member);
void daemon_change_end(struct daemon *daemon);

#endif
