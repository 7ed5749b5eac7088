/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "config.h"
#include "descriptors.h"

/*
 * First everything is looked at and opened that can fail, then it is changed
 * call by call. A disk that disk.set cannot change is removed and added again;
 * where its new socket has the old one's place it can be opened only between.
 */
struct coming {
	json_t *disk; /* its keys */
	struct descriptors descriptors;
	bool again; /* its predecessor has its socket */
	bool added; /* perhaps */
};

struct plan {
	const struct config_command *config;
	const json_t *diff;
	json_t *defaults; /* what runs; NULL: not known */
	struct coming *coming;
	size_t count;
};

static int complain(const struct plan *plan, const char *text)
{
	fprintf(stderr, "%s: %s\n", plan->config->command->name, text);
	return CLIENT_EXIT_FINDINGS;
}

static int call(const struct plan *plan, const char *method, json_t *params)
{
	int code = CLIENT_EXIT_OK;
	json_t *result =
		params ? client_command_call(plan->config->command, plan->config->client, method, params, &code) : NULL;

	if (!params)
		code = complain(plan, "out of memory");
	json_decref(result);
	json_decref(params);
	return code;
}

/* Whether a disk that is to go can go. */
static int may_go(const struct plan *plan, const char *name)
{
	int code = CLIENT_EXIT_OK;
	json_t *params = json_pack("{s:s}", "name", name);
	json_t *disk = client_command_call(plan->config->command, plan->config->client, "disk.get", params, &code);
	const char *state = disk ? json_string_value(json_object_get(disk, "state")) : NULL;

	if (state && !plan->config->force && (strcmp(state, "serving") != 0 && strcmp(state, "failed") != 0)) {
		fprintf(stderr,
			"%s: disk %s would have to be removed, and is in use (%s): unplug it first, or --force it; "
			"nothing was changed\n",
			plan->config->command->name, name, state);
		code = CLIENT_EXIT_FINDINGS;
	}
	json_decref(disk);
	json_decref(params);
	return code;
}

static const char *socket_of(const json_t *disk)
{
	const char *path = json_string_value(json_object_get(disk, "socket"));

	return path ? path : "";
}

/* Sockets of all that go are free only later. */
static bool socket_is_taken(const struct plan *plan, const char *socket)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(plan->diff, "changed"), i, item)
	{
		if (strcmp(socket_of(json_object_get(item, "from")), socket) == 0)
			return true;
	}
	return json_array_size(json_object_get(plan->diff, "removed")) > 0;
}

static int expect(struct plan *plan, const json_t *disk)
{
	struct coming *coming = &plan->coming[plan->count++];
	struct error err = {0};
	int ret;

	*coming = (struct coming){.disk = json_deep_copy(disk), .descriptors = {-1, -1}};
	coming->again = socket_is_taken(plan, socket_of(disk));
	ret = descriptors_make_absolute(coming->disk, &err);
	if (ret == 0)
		ret = descriptors_open_image(&coming->descriptors, coming->disk, &err);
	if (ret == 0 && !coming->again)
		ret = descriptors_open_socket(&coming->descriptors, coming->disk, plan->defaults, &err);
	if (ret == 0)
		return CLIENT_EXIT_OK;
	fprintf(stderr, "%s: disk %s: %s; nothing was changed\n", plan->config->command->name,
		json_string_value(json_object_get(disk, "name")), err.text);
	return CLIENT_EXIT_FINDINGS;
}

static bool is_replaced(const json_t *changed)
{
	return json_is_true(json_object_get(changed, "replace"));
}

/* Everything that can be seen to fail. */
static int prepare(struct plan *plan)
{
	const json_t *added = json_object_get(plan->diff, "added"), *removed = json_object_get(plan->diff, "removed");
	const json_t *changed = json_object_get(plan->diff, "changed"), *item;
	int code = CLIENT_EXIT_OK;
	struct rlimit limit;
	size_t i;

	/* Two for each disk that comes. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	plan->coming = calloc(json_array_size(added) + json_array_size(changed) + 1, sizeof(*plan->coming));
	if (!plan->coming)
		return complain(plan, "out of memory");
	json_array_foreach(removed, i, item)
	{
		if (code == CLIENT_EXIT_OK)
			code = may_go(plan, json_string_value(item));
	}
	json_array_foreach(changed, i, item)
	{
		if (code != CLIENT_EXIT_OK || !is_replaced(item))
			continue;
		code = may_go(plan, json_string_value(json_object_get(item, "name")));
		if (code == CLIENT_EXIT_OK)
			code = expect(plan, json_object_get(item, "to"));
	}
	json_array_foreach(added, i, item)
	{
		if (code == CLIENT_EXIT_OK)
			code = expect(plan, item);
	}
	return code;
}

/* Until one fails. */
static int for_each(const struct plan *plan, const json_t *items,
		    int (*act)(const struct plan *plan, const json_t *item))
{
	const json_t *item;
	int code = CLIENT_EXIT_OK;
	size_t i;

	json_array_foreach(items, i, item)
	{
		if (code == CLIENT_EXIT_OK)
			code = act(plan, item);
	}
	return code;
}

static int set_group(const struct plan *plan, const json_t *item)
{
	return call(plan, "group.set", json_deep_copy(item));
}

static int remove_group(const struct plan *plan, const json_t *name)
{
	return call(plan, "group.remove", json_pack("{s:O}", "name", name));
}

static int remove_disk(const struct plan *plan, const json_t *name)
{
	return call(plan, "disk.remove", json_pack("{s:O,s:b}", "name", name, "force", plan->config->force));
}

static int remove_replaced(const struct plan *plan, const json_t *item)
{
	return is_replaced(item) ? remove_disk(plan, json_object_get(item, "name")) : CLIENT_EXIT_OK;
}

static int change_disk(const struct plan *plan, const json_t *item)
{
	if (is_replaced(item))
		return CLIENT_EXIT_OK;
	return call(plan, "disk.set",
		    json_pack("{s:O,s:O}", "name", json_object_get(item, "name"), "set", json_object_get(item, "set")));
}

static int add_disk(const struct plan *plan, struct coming *coming)
{
	json_t *params = json_pack("{s:O}", "disk", coming->disk), *result = NULL;
	struct error err = {0};
	int code = CLIENT_EXIT_OK, fds[2];

	if (descriptors_open_socket(&coming->descriptors, coming->disk, plan->defaults, &err) < 0) {
		code = complain(plan, err.text);
	} else if (client_call_fds(plan->config->client, "disk.add", params, fds,
				   descriptors_list(&coming->descriptors, fds), &result, &err) < 0) {
		code = client_command_failed(plan->config->command, plan->config->client, &err);
		/* Where no answer came, it may be served all the same. */
		coming->added = !client_was_refused(plan->config->client);
	} else {
		coming->added = true;
	}
	json_decref(result);
	json_decref(params);
	return code;
}

static int carry_out(struct plan *plan)
{
	json_t *set = json_object_get(json_object_get(plan->diff, "daemon"), "set");
	const json_t *groups = json_object_get(plan->diff, "groups"), *changed = json_object_get(plan->diff, "changed");
	int code = for_each(plan, json_object_get(groups, "changed"), set_group);

	if (code == CLIENT_EXIT_OK)
		code = for_each(plan, json_object_get(plan->diff, "removed"), remove_disk);
	if (code == CLIENT_EXIT_OK)
		code = for_each(plan, changed, remove_replaced);
	if (code == CLIENT_EXIT_OK && json_object_size(set))
		code = call(plan, "daemon.set", json_incref(set));
	if (code == CLIENT_EXIT_OK)
		code = for_each(plan, changed, change_disk);
	for (size_t i = 0; i < plan->count && code == CLIENT_EXIT_OK; i++)
		code = add_disk(plan, &plan->coming[i]);
	return code == CLIENT_EXIT_OK ? for_each(plan, json_object_get(groups, "removed"), remove_group) : code;
}

int config_apply(const struct config_command *config, const json_t *diff)
{
	struct plan plan = {.config = config, .diff = diff, .defaults = descriptors_defaults(config->client)};
	const json_t *restart = json_object_get(json_object_get(diff, "daemon"), "restart"), *key;
	int code = prepare(&plan);
	size_t i;

	if (code == CLIENT_EXIT_OK) {
		client_set_timeout(config->client, CLIENT_PATIENT);
		code = carry_out(&plan);
		if (code != CLIENT_EXIT_OK)
			complain(&plan, "the rest was not changed, see \"strait config diff\"");
	}
	for (i = 0; i < plan.count; i++) {
		descriptors_close(&plan.coming[i].descriptors, plan.coming[i].disk, !plan.coming[i].added);
		json_decref(plan.coming[i].disk);
	}
	free(plan.coming);
	json_decref(plan.defaults);
	json_array_foreach(restart, i, key)
	{
		fprintf(stderr, "%s: %s: takes a restart of straitd\n", config->command->name, json_string_value(key));
	}
	return code;
}
