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

/* What they share. */

/* The disk that a parameter names; NULL with err set and the parameter blamed where there is none. */
struct fleet_disk *method_find_disk(struct rpc_call *call, const char *field, struct error *err);

/* methods_disk.c: the state of a disk in the words of rpc.schema.json. */
const char *method_disk_state(const struct fleet_disk *member);

#endif
