/* SPDX-License-Identifier: Apache-2.0 */
#include "control/methods.h"

#include <errno.h>

#include "control/rpc_schema.h"

/* The same as in rpc.schema.json, which a test compares. */
/* One a line, which several people can add to. */
/* clang-format off */
const struct rpc_method rpc_methods[] = {
	{"version", method_version},
	{"schema.get", method_schema_get},
	{"disk.list", method_disk_list},
	{"disk.get", method_disk_get},
	{"disk.add", method_disk_add},
	{"disk.remove", method_disk_remove},
	{"disk.resize", method_disk_resize},
	{"disk.pause", method_disk_pause},
	{"disk.resume", method_disk_resume},
	{"disk.drain", method_disk_drain},
	{"disk.set", method_disk_set},
	{"group.list", method_group_list},
	{"group.set", method_group_set},
	{"group.remove", method_group_remove},
	{"daemon.get", method_daemon_get},
	{"daemon.set", method_daemon_set},
	{"config.get", method_config_get},
	{"config.diff", method_config_diff},
	{"config.reload", method_config_reload},
	{"stats.get", method_stats_get},
	{"stats.reset", method_stats_reset},
	{"budget.get", method_budget_get},
	{"history.get", method_history_get},
	{"profile.get", method_profile_get},
	{"slow.get", method_slow_get},
	{NULL, NULL},
};
/* clang-format on */

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
