/* SPDX-License-Identifier: Apache-2.0 */
#include "control/daemon_change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_tree.h"
#include "control/methods.h"
#include "control/qos_tree.h"

struct disk_wait {
	struct disk_wait *next;
	const struct fleet_disk *member;
	enum disk_event event;
	struct rpc_deferred *call;
};

/* New keys of a disk that wait until its queues have stopped. */
struct disk_change {
	struct config *config;
	json_t *tree;
	struct rpc_deferred *call; /* NULL: it was carried out at once */
};

/* What may change, and whether queues would see it. */
static const struct {
	const char *key;
	bool quiet;
} changeable[] = {
	{"polling", true}, {"coalesce-us", true},        {"coalesce-count", true},   {"in-flight-max", true},
	{"cache", true},   {"connection-rate", false},   {"memory-max", false},      {"memory-regions-max", false},
	{"qos", false},    {"slow-threshold-us", false}, {"slow-percentile", false},
};

/* Its place in the table, or -1. */
static int find_changeable(const char *key)
{
	for (unsigned i = 0; i < sizeof(changeable) / sizeof(changeable[0]); i++) {
		if (strcmp(changeable[i].key, key) == 0)
			return (int)i;
	}
	return -1;
}

bool daemon_can_change(const char *key)
{
	return find_changeable(key) >= 0;
}

int daemon_wait(struct daemon *daemon, const struct fleet_disk *member, enum disk_event event, struct rpc_call *call,
		struct error *err)
{
	struct disk_wait *wait = malloc(sizeof(*wait));
	struct rpc_deferred *deferred = wait ? rpc_defer(call) : NULL;

	if (!deferred) {
		free(wait);
		return error_set(err, -ENOMEM, "no memory to wait for disk %s", member->config->name);
	}
	*wait = (struct disk_wait){.next = daemon->waits, .member = member, .event = event, .call = deferred};
	daemon->waits = wait;
	return RPC_LATER;
}

/*
 * Take one that waits for this out of the list; NULL: there is none. Answering
 * may let a client go on to its next call, which may wait, too: so the list is
 * looked at anew each time.
 */
static struct rpc_deferred *take(struct daemon *daemon, const struct fleet_disk *member, enum disk_event event)
{
	for (struct disk_wait **link = &daemon->waits; *link; link = &(*link)->next) {
		struct disk_wait *wait = *link;
		struct rpc_deferred *call = wait->call;

		if (wait->event != event || (member && wait->member != member))
			continue;
		*link = wait->next;
		free(wait);
		return call;
	}
	return NULL;
}

static void answer_all(struct daemon *daemon, const struct fleet_disk *member, enum disk_event event, int code,
		       const char *reason)
{
	struct rpc_deferred *call;
	struct error err;

	error_set(&err, code, "%s%s%s", member ? "disk " : "", member ? member->config->name : "", reason);
	while ((call = take(daemon, member, event)))
		rpc_answer(call, NULL, &err);
}

static void drop_change(struct disk_change *change)
{
	config_free(change->config);
	json_decref(change->tree);
	free(change);
}

static int apply_cache(struct disk *disk, enum storage_cache cache, struct error *err)
{
	int ret = cache == disk->config->cache ? 0 : storage_set_cache(disk->storage, (int)cache, err);

	if (ret == 0 && cache != disk->config->cache)
		blk_cache_changed(&disk->blk);
	return ret;
}

/* Nothing runs that could see it. All of it or nothing. */
static int apply(struct fleet_disk *member, struct disk_change *change, struct error *err)
{
	const struct config_disk *new = &change->config->disks[0];
	struct disk *disk = &member->disk;
	struct qos_tree *qos = disk->host->qos;
	struct error ignored;
	int ret = qos ? qos_tree_set_disk(qos, member->config->name, &new->qos, err) : 0;

	if (ret < 0)
		return ret;
	ret = apply_cache(disk, new->cache, err);
	if (ret < 0) {
		if (qos)
			qos_tree_set_disk(qos, member->config->name, &member->config->qos, &ignored);
		return ret;
	}
	config_disk_update(member->config, new);
	json_decref(member->tree);
	member->tree = json_incref(change->tree);
	disk_reconfigure(&member->disk);
	return 0;
}

/* The change of a disk whose queues stand still; they go on. */
static void carry_out(struct daemon *daemon, struct fleet_disk *member)
{
	struct disk_change *change = member->change;
	struct rpc_deferred *call = change->call;
	struct error err = {0};
	int ret = apply(member, change, &err);
	json_t *result;

	member->change = NULL;
	drop_change(change);
	disk_quiet(&member->disk, DISK_CHANGING, false);
	result = ret == 0 ? method_describe_disk(daemon, member) : NULL;
	if (ret == 0 && !result)
		error_set(&err, -ENOMEM, "no memory for an answer");
	rpc_answer(call, result, &err);
}

void daemon_change_settled(struct daemon *daemon, struct fleet_disk *member)
{
	struct rpc_deferred *call;

	if (member->change)
		carry_out(daemon, member);
	while (member->paused && disk_is_quiet(&member->disk) && (call = take(daemon, member, DISK_QUIET))) {
		struct error err;
		json_t *result = method_describe_disk(daemon, member);

		error_set(&err, -ENOMEM, "no memory for an answer");
		rpc_answer(call, result, &err);
	}
}

void daemon_change_resumed(struct daemon *daemon, const struct fleet_disk *member)
{
	answer_all(daemon, member, DISK_QUIET, -ECANCELED, " was resumed before it had drained");
}

void daemon_change_gone(struct daemon *daemon, struct fleet_disk *member)
{
	struct disk_change *change = member->change;
	struct rpc_deferred *call;
	struct error err;

	if (change) {
		member->change = NULL;
		error_set(&err, -ECANCELED, "disk %s was removed before it could be changed", member->config->name);
		call = change->call;
		drop_change(change);
		rpc_answer(call, NULL, &err);
	}
	answer_all(daemon, member, DISK_QUIET, -ECANCELED, " was removed");
	while ((call = take(daemon, member, DISK_GONE))) {
		error_set(&err, -ENOMEM, "no memory for an answer");
		rpc_answer(call, json_object(), &err);
	}
}

void daemon_change_end(struct daemon *daemon)
{
	struct error err;

	error_set(&err, -ESHUTDOWN, "straitd has stopped");
	for (struct fleet_disk *member = daemon->fleet.first; member; member = member->next) {
		struct disk_change *change = member->change;

		member->change = NULL;
		if (!change)
			continue;
		rpc_answer(change->call, NULL, &err);
		drop_change(change);
	}
	answer_all(daemon, NULL, DISK_QUIET, err.code, err.text);
	answer_all(daemon, NULL, DISK_GONE, err.code, err.text);
}

int daemon_note_key(struct fleet_disk *member, const char *key, json_t *value)
{
	json_t *set = json_pack("{s:o?}", key, value), *merged = set ? config_tree_merge(member->tree, set) : NULL;

	json_decref(set);
	if (!merged)
		return -ENOMEM;
	json_decref(member->tree);
	member->tree = merged;
	return 0;
}

static int refuse_key(struct rpc_call *call, const char *name, const char *key, struct error *err)
{
	const bool is_size = strcmp(key, "null") == 0;
	char field[DAEMON_FIELD];

	error_set(err, -EINVAL, "disk %s: %s: cannot change while the disk is served: %s", name, key,
		  is_size ? "disk.resize makes it larger"
			  : "once its front end has left, remove the disk and add it again");
	snprintf(field, sizeof(field), "set.%s", key);
	return rpc_blame(call, field, err);
}

/* Whether queues would see a change of these keys; a negative errno with err set where one may not change. */
static int look_at_keys(struct rpc_call *call, const struct fleet_disk *member, const json_t *set, struct error *err)
{
	const char *key;
	json_t *value;
	int quiet = 0;

	json_object_foreach((json_t *)(uintptr_t)set, key, value)
	{
		const json_t *now = json_object_get(member->tree, key);
		int kind = now ? json_equal(now, value) : json_is_null(value);

		if (kind)
			continue;
		kind = find_changeable(key);
		if (kind < 0)
			return refuse_key(call, member->config->name, key, err);
		quiet |= changeable[kind].quiet;
	}
	return quiet;
}

/* What the disk would be with these keys. */
static int prepare(struct rpc_call *call, const struct fleet_disk *member, const json_t *set,
		   struct disk_change *change, struct error *err)
{
	char field[DAEMON_FIELD] = "";
	int ret;

	change->tree = config_tree_merge(member->tree, set);
	if (!change->tree)
		return error_set(err, -ENOMEM, "no memory for a disk");
	ret = daemon_load_disk(call->daemon->config->tree, change->tree, "set", &change->config, field, err);
	return ret < 0 && field[0] ? rpc_blame(call, field, err) : ret;
}

int daemon_set_disk(struct rpc_call *call, struct fleet_disk *member, const json_t *set, struct error *err)
{
	struct disk_change *change = calloc(1, sizeof(*change));
	int quiet = 0, ret;

	if (!change)
		return error_set(err, -ENOMEM, "no memory for a change");
	ret = prepare(call, member, set, change, err);
	if (ret == 0)
		ret = quiet = look_at_keys(call, member, set, err);
	if (ret >= 0 && quiet)
		disk_quiet(&member->disk, DISK_CHANGING, true);
	if (ret >= 0 && (!quiet || disk_is_quiet(&member->disk))) {
		ret = apply(member, change, err);
		disk_quiet(&member->disk, DISK_CHANGING, false);
		if (ret == 0)
			ret = method_answer_disk(call, member, err);
	} else if (ret >= 0) {
		change->call = rpc_defer(call);
		if (change->call) {
			member->change = change;
			return RPC_LATER;
		}
		disk_quiet(&member->disk, DISK_CHANGING, false);
		ret = error_set(err, -ENOMEM, "no memory to wait for disk %s", member->config->name);
	}
	drop_change(change);
	return ret;
}
