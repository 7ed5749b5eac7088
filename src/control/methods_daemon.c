/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "control/config_schema.h"
#include "control/daemon_parts.h"
#include "control/methods.h"

static const char *level_word(void)
{
	switch (log_get_level()) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_DEBUG:
		return "debug";
	default:
		return "info";
	}
}

static const char *placement_word(enum config_placement placement)
{
	static const char *const words[] = {
		[PLACEMENT_ADAPTIVE] = "adaptive", [PLACEMENT_TOGETHER] = "together", [PLACEMENT_SPREAD] = "spread"};

	return words[placement];
}

int method_daemon_get(struct rpc_call *call, struct error *err)
{
	const struct daemon *daemon = call->daemon;
	const struct config *config = daemon->config;

	call->result =
		json_pack("{s:i,s:i,s:i,s:i,s:s,s:s,s:b,s:s?}", "pid", (int)getpid(), "workers",
			  (int)daemon->placement.used, "workers-max", (int)daemon->placement.count, "poll-max-us",
			  (int)config->poll_max_us, "placement", placement_word(config->placement), "log-level",
			  level_word(), "sandbox", daemon->confined, "path", config->path);
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}

int method_daemon_set(struct rpc_call *call, struct error *err)
{
	char field[32] = "";
	int ret = daemon_set(call->daemon, call->params, field, sizeof(field), err);

	if (ret < 0)
		return field[0] ? rpc_blame(call, field, err) : ret;
	return method_daemon_get(call, err);
}
