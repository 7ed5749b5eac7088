/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "control/daemon_add.h"
#include "control/daemon_change.h"
#include "control/methods.h"
#include "control/units.h"

/* Disks that come, change and go. */

int method_disk_add(struct rpc_call *call, struct error *err)
{
	_Static_assert(RPC_MAX_FDS == 2, "an image and a socket");
	char field[DAEMON_FIELD] = "";
	struct fleet_disk *member;
	int ret = daemon_add_disk(call->daemon, json_object_get(call->params, "disk"), call->fds, &member, field, err);

	if (ret < 0)
		return field[0] ? rpc_blame(call, field, err) : ret;
	return method_answer_disk(call, member, err);
}

/* The disk of the call, if it is one that can be changed now. */
static struct fleet_disk *find_served(struct rpc_call *call, struct error *err)
{
	struct fleet_disk *member = method_find_disk(call, "name", err);
	const char *reason = NULL;

	if (!member)
		return NULL;
	if (member->removed || member->disk.closing)
		reason = "is being removed";
	else if (member->disk.closed)
		reason = "could not be opened, see the log: remove it and add it again";
	else if (member->change)
		reason = "is being changed by another call: try again when its requests under way are done";
	if (!reason)
		return member;
	error_set(err, -EBUSY, "disk %s %s", member->config->name, reason);
	return NULL;
}

int method_disk_remove(struct rpc_call *call, struct error *err)
{
	struct daemon *daemon = call->daemon;
	struct fleet_disk *member = method_find_disk(call, "name", err);
	int ret;

	if (!member)
		return err->code;
	if (member->disk.session && !member->removed && !json_is_true(json_object_get(call->params, "force")))
		return error_set(err, -EBUSY,
				 "disk %s: a front end is connected: unplug the disk from its guest first, or force it",
				 member->config->name);
	if (member->disk.closed && !member->removed) {
		/* One that never opened. */
		fleet_forget(&daemon->fleet, member);
		daemon_report_status(daemon, "");
		call->result = json_object();
		return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
	}
	ret = daemon_wait(daemon, member, DISK_GONE, call, err);
	if (ret == RPC_LATER) {
		member->removed = true;
		disk_close(&member->disk);
	}
	return ret;
}

int method_disk_resize(struct rpc_call *call, struct error *err)
{
	const json_t *value = json_object_get(call->params, "size");
	struct fleet_disk *member = find_served(call, err);
	uint64_t size = (uint64_t)json_integer_value(value);
	int ret;

	if (!member)
		return err->code;
	if (json_is_string(value) && units_parse_size(json_string_value(value), &size) < 0) {
		error_set(err, -EINVAL,
			  "size: \"%.40s\": expected bytes as in 4096, or with KiB, MiB, GiB, TiB, PiB or EiB as in "
			  "10GiB",
			  json_string_value(value));
		return rpc_blame(call, "size", err);
	}
	ret = disk_resize(&member->disk, size, err);
	if (ret < 0)
		return ret == -EINVAL ? rpc_blame(call, "size", err) : ret;
	/* Of an image the size is not configuration. */
	if (!member->config->file) {
		char text[32];

		units_write_size(size, text, sizeof(text));
		member->config->null_size = size;
		if (daemon_note_key(member, "null", json_string(text)) < 0)
			log_warning("disk %s: no memory to note its size", member->config->name);
	}
	return method_answer_disk(call, member, err);
}

static struct fleet_disk *pause_disk(struct rpc_call *call, struct error *err)
{
	struct fleet_disk *member = find_served(call, err);

	if (!member)
		return NULL;
	member->paused = true;
	disk_quiet(&member->disk, DISK_PAUSED, true);
	return member;
}

int method_disk_pause(struct rpc_call *call, struct error *err)
{
	const struct fleet_disk *member = pause_disk(call, err);

	return member ? method_answer_disk(call, member, err) : err->code;
}

int method_disk_drain(struct rpc_call *call, struct error *err)
{
	const struct fleet_disk *member = pause_disk(call, err);

	if (!member)
		return err->code;
	if (disk_is_quiet(&member->disk))
		return method_answer_disk(call, member, err);
	return daemon_wait(call->daemon, member, DISK_QUIET, call, err);
}

int method_disk_resume(struct rpc_call *call, struct error *err)
{
	struct fleet_disk *member = find_served(call, err);
	int ret;

	if (!member)
		return err->code;
	member->paused = false;
	disk_quiet(&member->disk, DISK_PAUSED, false);
	ret = method_answer_disk(call, member, err);
	daemon_change_resumed(call->daemon, member);
	return ret;
}

int method_disk_set(struct rpc_call *call, struct error *err)
{
	struct fleet_disk *member = find_served(call, err);

	return member ? daemon_set_disk(call, member, json_object_get(call->params, "set"), err) : err->code;
}
