/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_METHODS_H
#define STRAIT_CONTROL_METHODS_H

#include "control/fleet.h"
#include "control/rpc.h"

/*
 * The methods of RPC, each a rpc_method_fn. What they take and give is in
 * rpc.schema.json (docs/rpc.md). Control thread.
 */

/* methods.c */
rpc_method_fn method_version;
rpc_method_fn method_schema_get;

/* methods_disk.c */
rpc_method_fn method_disk_list;
rpc_method_fn method_disk_get;

/* methods_stats.c */
rpc_method_fn method_stats_get;
rpc_method_fn method_stats_reset;

/* methods_budget.c, methods_history.c */
rpc_method_fn method_budget_get;
rpc_method_fn method_history_get;

/* methods_change.c */
rpc_method_fn method_disk_add;
rpc_method_fn method_disk_remove;
rpc_method_fn method_disk_resize;
rpc_method_fn method_disk_pause;
rpc_method_fn method_disk_resume;
rpc_method_fn method_disk_drain;
rpc_method_fn method_disk_set;

/* methods_group.c */
rpc_method_fn method_group_list;
rpc_method_fn method_group_set;
rpc_method_fn method_group_remove;

/* methods_profile.c, methods_slow.c */
rpc_method_fn method_profile_get;
rpc_method_fn method_slow_get;

/* methods_config.c */
rpc_method_fn method_config_get;
rpc_method_fn method_config_diff;
rpc_method_fn method_config_reload;

/* methods_daemon.c */
rpc_method_fn method_daemon_get;
rpc_method_fn method_daemon_set;

/* What they share. */

/* What the schema calls #/definitions/group, of one and of all. NULL: no memory. */
struct qos_group;
json_t *method_describe_group(const struct daemon *daemon, const struct qos_group *group);
json_t *method_describe_groups(const struct daemon *daemon);

/* The disk that a parameter names; NULL with err set and the parameter blamed where there is none. */
struct fleet_disk *method_find_disk(struct rpc_call *call, const char *field, struct error *err);

/* methods_disk.c: the state of a disk in the words of rpc.schema.json. */
const char *method_disk_state(const struct fleet_disk *member);

/* What the schema calls #/definitions/disk. NULL: no memory. And that as the call's answer. */
json_t *method_describe_disk(const struct daemon *daemon, const struct fleet_disk *member);
int method_answer_disk(struct rpc_call *call, const struct fleet_disk *member, struct error *err);

#endif
