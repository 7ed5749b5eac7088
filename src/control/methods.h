/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_METHODS_H
#define STRAIT_CONTROL_METHODS_H

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

#endif
