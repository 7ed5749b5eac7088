/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "control/config_tree.h"
#include "control/daemon_config.h"
#include "control/daemon_reload.h"
#include "control/methods.h"

static const char comment[] =
	"What straitd ran, as \"strait config save\" wrote it. Comments that were here before are "
	"not kept.\nSee straitd.yaml(5).";

int method_config_get(struct rpc_call *call, struct error *err)
{
	json_t *tree = daemon_config(call->daemon);
	char *text = tree ? config_tree_write(tree, comment) : NULL;

	if (text)
		call->result =
			json_pack("{s:s?,s:O,s:s}", "path", call->daemon->config->path, "config", tree, "text", text);
	free(text);
	json_decref(tree);
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}

/* How what runs differs from the file in the parameters. */
static int compare(struct rpc_call *call, json_t **diff, struct error *err)
{
	const char *text = json_string_value(json_object_get(call->params, "text"));
	const char *path = json_string_value(json_object_get(call->params, "path"));
	int ret = daemon_config_diff(call->daemon, path ? path : "", text, diff, err);

	return ret == -EINVAL ? rpc_blame(call, "text", err) : ret;
}

int method_config_diff(struct rpc_call *call, struct error *err)
{
	return compare(call, &call->result, err);
}

int method_config_reload(struct rpc_call *call, struct error *err)
{
	const json_t *add = json_object_get(call->params, "add");
	json_t *diff;
	int ret = compare(call, &diff, err);

	if (ret < 0)
		return ret;
	ret = daemon_reload(call, diff, json_is_true(json_object_get(call->params, "force")), !json_is_false(add), err);
	json_decref(diff);
	return ret;
}
