/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_tree.h"
#include "control/daemon_add.h"
#include "control/daemon_parts.h"
#include "control/methods.h"

/* Groups of disks: what there are, and how they change. */

static json_t *names_of_disks(const struct qos_tree *tree, const struct qos_group *group)
{
	json_t *names = json_array();

	for (const struct qos_disk *disk = tree->disks; disk; disk = disk->next) {
		if (disk->node.parent == &group->node)
			json_array_append_new(names, json_string(disk->name));
	}
	return names;
}

static void add_counters(const struct qos_disk *disk, uint64_t *held, uint64_t *requests, uint64_t *bytes)
{
	struct blk_counters device;
	struct queue_counters queues;

	blk_read_counters(disk->blk, &device, &queues);
	*held += __atomic_load_n(&disk->node.held, __ATOMIC_RELAXED);
	*requests += queues.requests;
	*bytes += device.bytes_read + device.bytes_written;
}

json_t *method_describe_group(const struct daemon *daemon, const struct qos_group *group)
{
	uint64_t held = 0, requests = 0, bytes = 0;

	for (const struct qos_disk *disk = daemon->qos.disks; disk; disk = disk->next) {
		const struct qos_node *node = disk->node.parent;

		while (node && node != &group->node)
			node = node->parent;
		if (node)
			add_counters(disk, &held, &requests, &bytes);
	}
	return json_pack("{s:s,s:s?,s:I,s:o,s:o,s:I,s:I,s:I}", "name", group->name, "parent",
			 group->settings.group[0] ? group->settings.group : NULL, "weight",
			 (json_int_t)group->settings.weight, "limits", qos_limits_json(&group->settings.limits),
			 "disks", names_of_disks(&daemon->qos, group), "held", (json_int_t)held, "requests",
			 (json_int_t)requests, "bytes", (json_int_t)bytes);
}

json_t *method_describe_groups(const struct daemon *daemon)
{
	json_t *groups = json_array();

	for (const struct qos_group *group = daemon->qos.groups; group; group = group->next) {
		if (json_array_append_new(groups, method_describe_group(daemon, group)) < 0) {
			json_decref(groups);
			return NULL;
		}
	}
	return groups;
}

int method_group_list(struct rpc_call *call, struct error *err)
{
	call->result = json_pack("{s:o}", "groups", method_describe_groups(call->daemon));
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}

static size_t index_of(const json_t *groups, const char *name)
{
	size_t i = 0;

	while (i < json_array_size(groups) &&
	       strcmp(json_string_value(json_object_get(json_array_get(groups, i), "name")), name) != 0)
		i++;
	return i;
}

/* The groups as they are written, with other keys of one, which may be new. NULL: no memory. *index is its place. */
static json_t *changed_groups(const struct daemon *daemon, const char *name, const json_t *set, size_t *index)
{
	const json_t *now = json_object_get(daemon->config->tree, "groups");
	json_t *groups = now ? json_deep_copy(now) : json_array(), *group;
	const char *key;
	json_t *value;
	int ret = 0;

	*index = index_of(groups, name);
	if (groups && *index == json_array_size(groups))
		ret = json_array_append_new(groups, json_pack("{s:s}", "name", name));
	group = ret == 0 ? json_array_get(groups, *index) : NULL;
	json_object_foreach((json_t *)(uintptr_t)set, key, value)
	{
		if (json_is_null(value))
			json_object_del(group, key);
		else if (ret == 0)
			ret = json_object_set(group, key, value);
	}
	if (group && ret == 0)
		return groups;
	json_decref(groups);
	return NULL;
}

/* "groups[3].iops: ..." names a key of the call, and says the rest to somebody who does not know of a list. */
static int blame_key(struct rpc_call *call, const char *name, size_t index, struct error *err)
{
	char place[32], text[sizeof(err->text)], field[DAEMON_FIELD];
	const char *rest;

	snprintf(place, sizeof(place), "groups[%zu].", index);
	if (strncmp(err->text, place, strlen(place)) != 0)
		return rpc_blame(call, "set", err);
	rest = err->text + strlen(place);
	snprintf(field, sizeof(field), "%s%.*s", strncmp(rest, "name:", 5) == 0 ? "" : "set.", (int)strcspn(rest, ":"),
		 rest);
	snprintf(text, sizeof(text), "%s", rest);
	error_set(err, err->code, "group %.63s: %s", name, text);
	return rpc_blame(call, field, err);
}

/* Through the same checks as a file, which has to have a disk. */
static int load_groups(const json_t *groups, struct config **config, struct error *err)
{
	json_t *file = json_pack("{s:O,s:[{s:s,s:s,s:s}]}", "groups", groups, "disks", "name", "none", "socket", "none",
				 "null", "1MiB");
	char *text = file ? json_dumps(file, JSON_COMPACT) : NULL;
	int ret = text ? config_load_text(text, strlen(text), false, config, err)
		       : error_set(err, -ENOMEM, "no memory for groups");

	free(text);
	json_decref(file);
	return ret;
}

static int set_group(struct rpc_call *call, const char *name, const json_t *groups, size_t index, struct error *err)
{
	struct daemon *daemon = call->daemon;
	struct config *config = NULL;
	int ret = load_groups(groups, &config, err);

	if (ret < 0)
		return blame_key(call, name, index, err);
	ret = qos_tree_set_group(&daemon->qos, name, &config->groups[index].qos, err);
	config_free(config);
	if (ret < 0)
		return rpc_blame(call, "set.parent", err);
	if (json_object_set(daemon->config->tree, "groups", (json_t *)(uintptr_t)groups) < 0)
		return error_set(err, -ENOMEM, "group %s has changed, and there was no memory to note that", name);
	call->result = method_describe_group(daemon, qos_tree_find_group(&daemon->qos, name));
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}

int method_group_set(struct rpc_call *call, struct error *err)
{
	const char *name = json_string_value(json_object_get(call->params, "name"));
	const json_t *set = json_object_get(call->params, "set");
	json_t *groups;
	size_t index;
	int ret;

	if (json_object_get(set, "name")) {
		error_set(err, -EINVAL, "group %.63s: its name cannot change: make another one", name);
		return rpc_blame(call, "set.name", err);
	}
	groups = changed_groups(call->daemon, name, set, &index);
	if (!groups)
		return error_set(err, -ENOMEM, "no memory for groups");
	ret = set_group(call, name, groups, index, err);
	json_decref(groups);
	return ret;
}

int method_group_remove(struct rpc_call *call, struct error *err)
{
	const char *name = json_string_value(json_object_get(call->params, "name"));
	json_t *groups = json_object_get(call->daemon->config->tree, "groups");
	int ret = qos_tree_remove_group(&call->daemon->qos, name, err);

	if (ret < 0)
		return ret == -ENOENT ? rpc_blame(call, "name", err) : ret;
	json_array_remove(groups, index_of(groups, name));
	if (!json_array_size(groups))
		json_object_del(call->daemon->config->tree, "groups");
	call->result = json_object();
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}
