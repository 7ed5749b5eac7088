/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "control/config_schema.h"
#include "control/daemon_parts.h"
#include "control/methods.h"

/* In the words of straitd.yaml(5) and rpc.schema.json. */
const char *method_disk_state(const struct fleet_disk *member)
{
	const struct disk *disk = &member->disk;

	if (member->removed || (disk->closing && !disk->closed))
		return "draining";
	if (member->failed || disk->closed)
		return "failed";
	if (member->paused)
		return disk_is_quiet(disk) ? "paused" : "draining";
	return disk->session ? "connected" : "serving";
}

/* The indexes of the workers that have its queues now. */
static json_t *workers_of(const struct placement *placement, const struct disk *disk)
{
	const uint64_t having = placement_workers_of(placement, disk);
	json_t *workers = json_array();

	for (unsigned i = 0; i < placement->count; i++) {
		if (having >> i & 1)
			json_array_append_new(workers, json_integer(i));
	}
	return workers;
}

json_t *method_describe_disk(const struct daemon *daemon, const struct fleet_disk *member)
{
	const struct config_disk *config = member->config;
	const struct disk *disk = &member->disk;
	const struct storage_info *info = disk->closed ? NULL : &disk->storage->info;

	return json_pack(
		"{s:s,s:s?,s:s?,s:I,s:i,s:b,s:s,s:i,s:s,s:s,s:I,s:o,s:s?,s:o}", "name", config->name, "socket",
		config->socket, "file", config->file, "size",
		info ? (json_int_t)storage_size(disk->storage) : (json_int_t)config->null_size, "block-size",
		info ? (int)info->block_size : 0, "read-only", info ? info->read_only : config->read_only, "cache",
		config_disk_word("cache", (int64_t)config->cache), "queues", (int)config->queues, "state",
		method_disk_state(member), "polling", config_disk_word("polling", (int64_t)config->policy.poll),
		"in-flight", (json_int_t)disk_in_flight(disk), "workers", workers_of(&daemon->placement, disk), "group",
		config->qos.group[0] ? config->qos.group : NULL, "qos", qos_settings_json(&config->qos, "group"));
}

int method_disk_list(struct rpc_call *call, struct error *err)
{
	json_t *disks = json_array();
	int ret = disks ? 0 : -1;

	for (const struct fleet_disk *member = call->daemon->fleet.first; member && ret == 0; member = member->next)
		ret = json_array_append_new(disks, method_describe_disk(call->daemon, member));
	call->result = ret == 0 ? json_pack("{s:o}", "disks", disks) : NULL;
	if (ret < 0)
		json_decref(disks);
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}

int method_disk_get(struct rpc_call *call, struct error *err)
{
	const struct fleet_disk *member = method_find_disk(call, "name", err);

	return member ? method_answer_disk(call, member, err) : err->code;
}

int method_answer_disk(struct rpc_call *call, const struct fleet_disk *member, struct error *err)
{
	call->result = method_describe_disk(call->daemon, member);
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}
