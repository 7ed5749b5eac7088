/* SPDX-License-Identifier: Apache-2.0 */
#include "control/daemon_config.h"

#include <errno.h>
#include <string.h>

#include "control/config_tree.h"
#include "control/daemon_add.h"
#include "control/daemon_change.h"

json_t *daemon_config(const struct daemon *daemon)
{
	json_t *tree = json_copy(daemon->config->tree), *disks = json_array();
	int ret = tree && disks ? 0 : -1;

	for (const struct fleet_disk *member = daemon->fleet.first; member && ret == 0; member = member->next) {
		if (!member->removed)
			ret = json_array_append(disks, member->tree);
	}
	/* At the end: it is the longest. */
	json_object_del(tree, "disks");
	if (ret == 0)
		ret = json_object_set(tree, "disks", disks);
	json_decref(disks);
	if (ret == 0)
		return tree;
	json_decref(tree);
	return NULL;
}

/* What a comparison is made with, and what it comes to. */
struct comparison {
	const struct daemon *daemon;
	const struct config *file;
	json_t *beside; /* what disks have from the root: the sockets' owner as it is. The file's groups are checked */
	json_t *added, *removed, *changed, *set, *restart, *groups, *groups_removed;
};

/* Keys that daemon.set takes. */
static bool is_settable(const char *key)
{
	static const char *const keys[] = {"workers", "poll-max-us", "placement", "log-level"};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

/* The value that a key has where a file does not say. */
static bool means_the_same(const struct comparison *comparison, const char *key)
{
	const struct config *runs = comparison->daemon->config, *file = comparison->file;

	if (strcmp(key, "workers") == 0)
		return runs->workers == file->workers;
	if (strcmp(key, "poll-max-us") == 0)
		return runs->poll_max_us == file->poll_max_us;
	if (strcmp(key, "placement") == 0)
		return runs->placement == file->placement;
	if (strcmp(key, "log-level") == 0)
		return runs->log_level == file->log_level;
	return false;
}

static bool differs(const json_t *a, const json_t *b)
{
	return a && b ? !json_equal(a, b) : a != b;
}

/* A key of the daemon's own. */
static int compare_key(struct comparison *comparison, const char *key, const json_t *from, const json_t *to)
{
	if (!differs(from, to) || strcmp(key, "disks") == 0 || strcmp(key, "groups") == 0 ||
	    means_the_same(comparison, key))
		return 0;
	if (is_settable(key))
		return json_object_set_new(comparison->set, key, to ? json_deep_copy(to) : json_null());
	return json_array_append_new(comparison->restart, json_string(key));
}

/* Keys that are in one tree or the other, each once. */
#define FOR_EACH_KEY(key, from, to, value)                                                                             \
	for (unsigned pass_ = 0; pass_ < 2; pass_++)                                                                   \
	json_object_foreach((json_t *)(uintptr_t)(pass_ ? (to) : (from)), key,                                         \
			    value) if (!pass_ || !json_object_get((from), key))

static int compare_daemon(struct comparison *comparison)
{
	const json_t *from = comparison->daemon->config->tree, *to = comparison->file->tree;
	const char *key;
	json_t *value;
	int ret = 0;

	FOR_EACH_KEY(key, from, to, value)
	{
		if (ret == 0)
			ret = compare_key(comparison, key, json_object_get(from, key), json_object_get(to, key));
	}
	return ret;
}

static const json_t *find_named(const json_t *array, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		const char *its = json_string_value(json_object_get(item, "name"));

		if (its && strcmp(its, name) == 0)
			return item;
	}
	return NULL;
}

/* What to set of one mapping so that it becomes the other; NULL: no memory. */
static json_t *patch(const json_t *from, const json_t *to)
{
	json_t *set = json_object();
	const char *key;
	json_t *value;
	int ret = set ? 0 : -1;

	FOR_EACH_KEY(key, from, to, value)
	{
		const json_t *old = json_object_get(from, key), *new = json_object_get(to, key);

		if (ret < 0 || !differs(old, new))
			continue;
		if (json_is_object(old) && json_is_object(new))
			ret = json_object_set_new(set, key, patch(old, new));
		else
			ret = json_object_set_new(set, key, new ? json_deep_copy(new) : json_null());
	}
	if (ret == 0)
		return set;
	json_decref(set);
	return NULL;
}

static const char *parent_of(const json_t *group)
{
	const char *parent = json_string_value(json_object_get(group, "parent"));

	return parent ? parent : "";
}

/*
 * One group that is not as in the file, behind the one that it is in, which
 * has to be there first. The file was checked: there are no circles.
 */
static int note_group(struct comparison *comparison, const char *name)
{
	const json_t *to = json_object_get(comparison->file->tree, "groups"), *group = find_named(to, name), *old;
	json_t *none, *set;
	int ret;

	if (!group || find_named(comparison->groups, name))
		return 0;
	ret = note_group(comparison, parent_of(group));
	old = find_named(json_object_get(comparison->daemon->config->tree, "groups"), name);
	if (ret < 0 || !differs(old, group))
		return ret;
	none = json_object();
	set = patch(old ? old : none, group);
	json_decref(none);
	json_object_del(set, "name");
	return json_array_append_new(comparison->groups, json_pack("{s:s,s:o}", "name", name, "set", set));
}

/* One group that is not in the file, behind those that are in it and go, too: with members it cannot. */
static int note_removed_group(struct comparison *comparison, const json_t *name)
{
	const json_t *from = json_object_get(comparison->daemon->config->tree, "groups"), *group, *noted;
	int ret = 0;
	size_t i;

	if (!name || find_named(json_object_get(comparison->file->tree, "groups"), json_string_value(name)))
		return 0;
	json_array_foreach(comparison->groups_removed, i, noted)
	{
		if (json_equal(noted, name))
			return 0;
	}
	json_array_foreach(from, i, group)
	{
		if (ret == 0 && strcmp(parent_of(group), json_string_value(name)) == 0)
			ret = note_removed_group(comparison, json_object_get(group, "name"));
	}
	return ret < 0 ? ret : json_array_append(comparison->groups_removed, (json_t *)(uintptr_t)name);
}

static int compare_groups(struct comparison *comparison)
{
	const json_t *group;
	int ret = 0;
	size_t i;

	json_array_foreach(json_object_get(comparison->file->tree, "groups"), i, group)
	{
		if (ret == 0)
			ret = note_group(comparison, json_string_value(json_object_get(group, "name")));
	}
	json_array_foreach(json_object_get(comparison->daemon->config->tree, "groups"), i, group)
	{
		if (ret == 0)
			ret = note_removed_group(comparison, json_object_get(group, "name"));
	}
	return ret;
}

/* Whether a disk is the same with another value for a key, or with all values of another tree. */
static int is_same(const struct comparison *comparison, const struct config *one, const json_t *other, bool *same)
{
	char field[DAEMON_FIELD];
	struct config *config;
	struct error err;
	int ret = daemon_load_disk(comparison->beside, other, "", &config, field, &err);

	/* What is no configuration by itself differs. */
	*same = ret == 0 && config_disk_same(&one->disks[0], &config->disks[0]);
	config_free(config);
	return ret == -ENOMEM ? -1 : 0;
}

static int note_changed(struct comparison *comparison, const char *name, const json_t *from, const json_t *to,
			json_t *set)
{
	const char *key;
	json_t *value;
	bool replace = false;

	json_object_foreach(set, key, value)
	{
		replace = replace || !daemon_can_change(key);
	}
	return json_array_append_new(comparison->changed, json_pack("{s:s,s:O,s:b,s:O,s:O}", "name", name, "set", set,
								    "replace", replace, "from", from, "to", to));
}

/* Which keys make the difference: one by one, since only some that are written otherwise mean something else. */
static int find_keys(const struct comparison *comparison, const struct config *runs, const json_t *from, json_t *set)
{
	json_t *keys = json_copy(set), *value;
	const char *key;
	int ret = keys ? 0 : -1;

	json_object_foreach(keys, key, value)
	{
		json_t *one = json_pack("{s:O}", key, value);
		json_t *with = one ? config_tree_merge(from, one) : NULL;
		bool same = false;

		json_decref(one);
		if (ret == 0)
			ret = with ? is_same(comparison, runs, with, &same) : -1;
		if (same)
			json_object_del(set, key);
		json_decref(with);
	}
	json_decref(keys);
	return ret;
}

static int compare_disk(struct comparison *comparison, const struct fleet_disk *member, const json_t *to)
{
	json_t *set = differs(member->tree, to) ? patch(member->tree, to) : NULL;
	char field[DAEMON_FIELD];
	struct config *runs;
	struct error err;
	bool same = false;
	int ret = 0;

	if (!set)
		return differs(member->tree, to) ? -1 : 0;
	if (daemon_load_disk(comparison->beside, member->tree, "", &runs, field, &err) == 0) {
		ret = is_same(comparison, runs, to, &same);
		if (ret == 0 && !same)
			ret = find_keys(comparison, runs, member->tree, set);
		config_free(runs);
	}
	if (ret == 0 && !same)
		ret = note_changed(comparison, member->config->name, member->tree, to, set);
	json_decref(set);
	return ret;
}

static int compare_disks(struct comparison *comparison)
{
	const json_t *disks = json_object_get(comparison->file->tree, "disks");
	int ret = 0;

	for (unsigned i = 0; i < comparison->file->disk_count && ret == 0; i++) {
		const struct fleet_disk *member =
			fleet_find(&comparison->daemon->fleet, comparison->file->disks[i].name);
		json_t *tree = json_array_get(disks, i);

		ret = member && !member->removed ? compare_disk(comparison, member, tree)
						 : json_array_append(comparison->added, tree);
	}
	for (const struct fleet_disk *member = comparison->daemon->fleet.first; member && ret == 0;
	     member = member->next) {
		if (!member->removed && !find_named(disks, member->config->name))
			ret = json_array_append_new(comparison->removed, json_string(member->config->name));
	}
	return ret;
}

/* As config.diff has it; takes what the comparison has come to. */
static json_t *tell(const struct comparison *comparison)
{
	const bool same = !json_array_size(comparison->added) && !json_array_size(comparison->removed) &&
			  !json_array_size(comparison->changed) && !json_array_size(comparison->groups) &&
			  !json_array_size(comparison->groups_removed) && !json_object_size(comparison->set) &&
			  !json_array_size(comparison->restart);

	return json_pack("{s:b,s:O,s:O,s:O,s:{s:O,s:O},s:{s:O,s:O}}", "same", same, "added", comparison->added,
			 "removed", comparison->removed, "changed", comparison->changed, "daemon", "set",
			 comparison->set, "restart", comparison->restart, "groups", "changed", comparison->groups,
			 "removed", comparison->groups_removed);
}

static json_t *compare(const struct daemon *daemon, const struct config *file)
{
	struct comparison comparison = {
		.daemon = daemon,
		.file = file,
		.beside = json_copy(daemon->config->tree),
		.added = json_array(),
		.removed = json_array(),
		.changed = json_array(),
		.set = json_object(),
		.restart = json_array(),
		.groups = json_array(),
		.groups_removed = json_array(),
	};
	json_t *result = NULL;
	int ret = comparison.beside ? 0 : -1;

	/* With each of many disks they would take long. */
	json_object_del(comparison.beside, "groups");
	if (ret == 0)
		ret = compare_daemon(&comparison);
	if (ret == 0)
		ret = compare_groups(&comparison);
	if (ret == 0)
		ret = compare_disks(&comparison);
	if (ret == 0)
		result = tell(&comparison);
	json_decref(comparison.beside);
	json_decref(comparison.added);
	json_decref(comparison.removed);
	json_decref(comparison.changed);
	json_decref(comparison.set);
	json_decref(comparison.restart);
	json_decref(comparison.groups);
	json_decref(comparison.groups_removed);
	return result;
}

int daemon_config_diff(const struct daemon *daemon, const char *path, const char *text, json_t **out, struct error *err)
{
	struct config *file;
	int ret = config_load_sent(path, text, strlen(text), &file, err);

	if (ret < 0)
		return ret;
	*out = compare(daemon, file);
	config_free(file);
	return *out ? 0 : error_set(err, -ENOMEM, "no memory to compare configurations");
}
