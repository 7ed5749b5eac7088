/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/listener.h"
#include "command.h"

static const char *unset, *more;
static bool force;

static const struct client_option own_options[] = {
	{.name = "force", .help = "remove: also where a front end is connected", .flag = &force},
	{.name = "unset",
	 .argument = "KEY,...",
	 .help = "set: keys that are to be as if they were not given",
	 .value = &unset},
	{.name = "more",
	 .argument = "JSON",
	 .help = "add, set: further keys of straitd.yaml(5), as an object:\n{\"delay\": {\"mean-us\": 100}}",
	 .value = &more},
	{.name = NULL},
};

static struct key_options keys;

static const struct client_command command = {
	.name = "strait disk",
	.usage = "ACTION [OPTION]... [NAME]...",
	.about = "Look at the disks of a running straitd and change them.\n"
		 "\n"
		 "Actions:\n"
		 "  list                      all disks\n"
		 "  show NAME                 one of them\n"
		 "  add NAME KEYS             serve another one; --socket and --file or --null are required\n"
		 "  remove NAME...            serve it no more\n"
		 "  resize NAME SIZE          make it larger: bytes, or 20GiB\n"
		 "  pause NAME...             take no more requests; the guest waits\n"
		 "  drain NAME...             pause, and wait until nothing is under way\n"
		 "  resume NAME...            let a paused disk go on\n"
		 "  set NAME KEYS             change keys",
	.more = "KEYS are options that are called as the keys of straitd.yaml(5), which explains them.\n"
		"\n"
		"Examples:\n"
		"  strait disk add vm3 --file /images/vm3.img --socket /run/strait/vm3.sock --queues 4\n"
		"  strait disk set vm3 --iops 500",
	.options = keys.options,
	.operands_min = 1,
	.operands_max = 1024,
	.socket_option = "rpc-socket",
};

json_t *disk_given_keys(const struct disk_command *disk, int *code)
{
	json_t *given = json_object(), *qos = json_object();
	struct error err = {0};
	json_error_t cause = {.text = "expected an object"};
	int ret;

	if (disk->more) {
		json_decref(given);
		given = json_loads(disk->more, JSON_REJECT_DUPLICATES, &cause);
		if (!json_is_object(given)) {
			*code = client_command_misused(disk->command, "--more: %.80s: %s", disk->more, cause.text);
			json_decref(given);
			json_decref(qos);
			return NULL;
		}
	}
	ret = key_options_take(disk->keys, disk_keys, given, &err);
	if (ret == 0)
		ret = key_options_take(disk->keys, disk_qos_keys, qos, &err);
	if (ret == 0 && json_object_size(qos))
		json_object_set(given, "qos", qos);
	json_decref(qos);
	if (ret == 0)
		return given;
	*code = client_command_misused(disk->command, "%s", err.text);
	json_decref(given);
	return NULL;
}

static int finish(const struct disk_command *disk, json_t *result, int code)
{
	if (result && disk->arguments->json)
		code = client_command_print(disk->command, result);
	json_decref(result);
	return code;
}

/* The keys of --unset, as null: where they belong. */
static void take_unset(const char *list, json_t *set)
{
	json_t *all = json_object(), *qos = json_object();
	const char *key;
	json_t *value;

	keys_take_unset(list, all);
	json_object_foreach(all, key, value) json_object_set(keys_have(disk_qos_keys, key) ? qos : set, key, value);
	if (json_object_get(set, "qos"))
		json_object_update(json_object_get(set, "qos"), qos);
	else if (json_object_size(qos))
		json_object_set(set, "qos", qos);
	json_decref(qos);
	json_decref(all);
}

static int set(const struct disk_command *disk)
{
	json_t *given, *params, *result;
	int code = CLIENT_EXIT_OK;

	given = disk_given_keys(disk, &code);
	if (!given)
		return code;
	if (disk->unset)
		take_unset(disk->unset, given);
	if (json_object_size(given) == 0) {
		json_decref(given);
		return client_command_misused(disk->command,
					      "set: expected keys that are to change, such as --iops=500");
	}
	params = json_pack("{s:s,s:o}", "name", disk->arguments->operands[1], "set", given);
	client_set_timeout(disk->client, CLIENT_PATIENT);
	result = client_command_call(disk->command, disk->client, "disk.set", params, &code);
	json_decref(params);
	return finish(disk, result, code);
}

static int resize(const struct disk_command *disk)
{
	const char *size = disk->arguments->operands[2];
	json_t *params = json_pack("{s:s,s:s}", "name", disk->arguments->operands[1], "size", size), *result;
	int code;

	result = client_command_call(disk->command, disk->client, "disk.resize", params, &code);
	json_decref(params);
	return finish(disk, result, code);
}

/* The path of a disk's socket, which the sandbox keeps the daemon from taking away; NULL: not known. */
static char *socket_of(const struct disk_command *disk, const char *name)
{
	json_t *params = json_pack("{s:s}", "name", name), *result = NULL;
	struct error err;
	const char *path;
	char *copy;

	client_call(disk->client, "disk.get", params, &result, &err);
	path = json_string_value(json_object_get(result, "socket"));
	copy = path ? strdup(path) : NULL;
	json_decref(result);
	json_decref(params);
	return copy;
}

static int change_one(const struct disk_command *disk, const char *method, const char *name)
{
	const bool removes = strcmp(method, "disk.remove") == 0;
	char *socket = removes ? socket_of(disk, name) : NULL;
	json_t *params = json_pack("{s:s}", "name", name), *result;
	struct error err;
	int code;

	if (removes && disk->force)
		json_object_set_new(params, "force", json_true());
	client_set_timeout(disk->client, CLIENT_PATIENT);
	result = client_command_call(disk->command, disk->client, method, params, &code);
	json_decref(params);
	if (result && socket && listener_clear(socket, &err) < 0 && err.code != -EADDRINUSE)
		fprintf(stderr, "%s: %s: removed, but %s\n", disk->command->name, name, err.text);
	free(socket);
	return finish(disk, result, code);
}

/* Go on with the others where one cannot be changed. */
static int change_each(const struct disk_command *disk, const char *method)
{
	int worst = CLIENT_EXIT_OK;

	for (unsigned i = 1; i < disk->arguments->operand_count; i++) {
		const int code = change_one(disk, method, disk->arguments->operands[i]);

		if (code > worst)
			worst = code;
		if (code == CLIENT_EXIT_FAILED)
			break;
	}
	return worst;
}

static int remove_disks(const struct disk_command *disk)
{
	return change_each(disk, "disk.remove");
}

static int pause_disks(const struct disk_command *disk)
{
	return change_each(disk, "disk.pause");
}

static int drain_disks(const struct disk_command *disk)
{
	return change_each(disk, "disk.drain");
}

static int resume_disks(const struct disk_command *disk)
{
	return change_each(disk, "disk.resume");
}

static const struct action {
	const char *name;
	int (*run)(const struct disk_command *disk);
	unsigned operands_min, operands_max; /* behind the action */
	const char *expected;
	bool keys, changes_keys, removes; /* what options it takes */
} actions[] = {
	{"list", disk_list, 0, 0, "no NAME", false, false, false},
	{"show", disk_show, 1, 1, "a NAME", false, false, false},
	{"add", disk_add, 1, 1, "a NAME", true, false, false},
	{"remove", remove_disks, 1, 1023, "a NAME", false, false, true},
	{"resize", resize, 2, 2, "NAME and SIZE", false, false, false},
	{"pause", pause_disks, 1, 1023, "a NAME", false, false, false},
	{"drain", drain_disks, 1, 1023, "a NAME", false, false, false},
	{"resume", resume_disks, 1, 1023, "a NAME", false, false, false},
	{"set", set, 1, 1, "a NAME", true, true, false},
};

/* An option that the action does not take; NULL: there is none. */
static const char *misplaced(const struct action *action, const struct disk_command *disk)
{
	const char *name = NULL;

	if (!action->keys)
		name = key_options_given(disk->keys, disk_keys) ?: key_options_given(disk->keys, disk_qos_keys);
	if (!action->keys && disk->more)
		name = "more";
	if (!action->changes_keys && disk->unset)
		name = "unset";
	if (!action->removes && disk->force)
		name = "force";
	return name;
}

static const struct action *find_action(const char *name)
{
	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	}
	return NULL;
}

int command_disk(int argc, char **argv)
{
	struct client_arguments arguments;
	struct disk_command disk = {.command = &command, .arguments = &arguments, .keys = &keys};
	const struct action *action;
	int code;

	key_options_add_keys(&keys, disk_keys);
	key_options_add_keys(&keys, disk_qos_keys);
	key_options_add(&keys, own_options);
	code = client_command_parse(&command, argc, argv, &arguments);
	if (code != CLIENT_GO_ON)
		return code;
	disk.unset = unset;
	disk.more = more;
	disk.force = force;
	action = find_action(arguments.operands[0]);
	if (!action)
		return client_command_misused(
			&command, "%s: expected list, show, add, remove, resize, pause, drain, resume or set",
			arguments.operands[0]);
	if (arguments.operand_count - 1 < action->operands_min || arguments.operand_count - 1 > action->operands_max)
		return client_command_misused(&command, "%s: expected %s", action->name, action->expected);
	if (misplaced(action, &disk))
		return client_command_misused(&command, "%s: --%s is not for it", action->name,
					      misplaced(action, &disk));
	disk.client = client_command_connect(&command, &arguments);
	code = disk.client ? action->run(&disk) : CLIENT_EXIT_FAILED;
	client_free(disk.client);
	return code;
}
