/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "config.h"
#include "descriptors.h"

/*
 * First everything is looked at and opened that can fail. Then straitd changes
 * what is different, but for disks that come: in its sandbox it cannot open
 * them, so they are added here. Among these is what disk.set cannot change; where its
 * new socket has the old one's place it can be opened only then.
 */
struct coming {
	json_t *disk; /* its keys */
	struct descriptors descriptors;
	bool again; /* its predecessor has its socket */
	bool added; /* perhaps */
};

struct plan {
	const struct config_command *config;
	const json_t *file, *diff;
	json_t *defaults; /* what runs; NULL: not known */
	struct coming *coming;
	size_t count;
};

static int complain(const struct plan *plan, const char *text)
{
	fprintf(stderr, "%s: %s\n", plan->config->command->name, text);
	return CLIENT_EXIT_FINDINGS;
}

/* All but what is added. */
static int reload(const struct plan *plan)
{
	json_t *options = json_pack("{s:b,s:b}", "force", plan->config->force, "add", false);
	json_t *params = json_copy((json_t *)(uintptr_t)plan->file), *result = NULL;
	int code = CLIENT_EXIT_OK;

	if (params && options && json_object_update(params, options) == 0)
		result = client_command_call(plan->config->command, plan->config->client, "config.reload", params,
					     &code);
	else
		code = complain(plan, "out of memory");
	json_decref(result);
	json_decref(params);
	json_decref(options);
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

/* Everything that can be seen to fail. */
static int prepare(struct plan *plan)
{
	const json_t *added = json_object_get(plan->diff, "added"), *changed = json_object_get(plan->diff, "changed");
	const json_t *item;
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
	json_array_foreach(changed, i, item)
	{
		if (code == CLIENT_EXIT_OK && json_is_true(json_object_get(item, "replace")))
			code = expect(plan, json_object_get(item, "to"));
	}
	json_array_foreach(added, i, item)
	{
		if (code == CLIENT_EXIT_OK)
			code = expect(plan, item);
	}
	return code;
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
	int code = reload(plan);

	for (size_t i = 0; i < plan->count && code == CLIENT_EXIT_OK; i++)
		code = add_disk(plan, &plan->coming[i]);
	return code;
}

int config_apply(const struct config_command *config, const json_t *file, const json_t *diff)
{
	struct plan plan = {
		.config = config, .file = file, .diff = diff, .defaults = descriptors_defaults(config->client)};
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
