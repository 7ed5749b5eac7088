/* SPDX-License-Identifier: Apache-2.0 */
#include "control/methods.h"

#include <errno.h>

#include "control/rpc_schema.h"

/* In the order of rpc.schema.json; a test compares the two. */
const struct rpc_method rpc_methods[] = {
	{"version", method_version},       {"schema.get", method_schema_get},   {"disk.list", method_disk_list},
	{"disk.get", method_disk_get},     {"stats.get", method_stats_get},     {"stats.reset", method_stats_reset},
	{"budget.get", method_budget_get}, {"history.get", method_history_get}, {NULL, NULL},
};

int method_version(struct rpc_call *call, struct error *err)
{
	call->result = json_pack("{s:s,s:s}", "version", STRAIT_VERSION, "build", __VERSION__);
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}

int method_schema_get(struct rpc_call *call, struct error *err)
{
	(void)err;
	call->result = json_incref((json_t *)rpc_schema());
	return 0;
}
