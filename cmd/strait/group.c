/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/table.h"
#include "command.h"
#include "describe.h"
#include "keys.h"

static const char *unset;

static const struct client_option own_options[] = {
	{.name = "unset",
	 .argument = "KEY,...",
	 .help = "set: keys that are to be as if they were not given",
	 .value = &unset},
	{.name = NULL},
};

static struct key_options keys;

static const struct client_command command = {
	.name = "strait group",
	.usage = "ACTION [OPTION]... [NAME]...",
	.about = "Look at the groups that disks of a running straitd share limits in, and change\n"
		 "them.\n"
		 "\n"
		 "Actions:\n"
		 "  list                      all groups\n"
		 "  set NAME KEYS             change keys of a group, or make it\n"
		 "  remove NAME...            remove a group that has no members",
	.more = "KEYS are options that are called as the keys of straitd.yaml(5), which explains them.\n"
		"\n"
		"Examples:\n"
		"  strait group set gold --iops 10k --weight 200\n"
		"  strait disk set vm3 --group gold",
	.options = keys.options,
	.operands_min = 1,
	.operands_max = 1024,
};

static const struct client_column columns[] = {
	{"NAME", false}, {"PARENT", false}, {"WEIGHT", true}, {"LIMITS", false},
	{"HELD", true},  {"DISKS", false},  {NULL, false},
};
#define COLUMNS 6

static int add_row(struct client_table *table, const json_t *group)
{
	static const char *const names[COLUMNS] = {"name", "parent", "weight", "limits", "held", "disks"};
	char texts[COLUMNS][512];
	const char *cells[COLUMNS];

	for (unsigned i = 0; i < COLUMNS; i++) {
		describe_json(json_object_get(group, names[i]), texts[i], sizeof(texts[i]));
		cells[i] = texts[i];
	}
	return client_table_row(table, cells);
}

static int print_table(const json_t *groups)
{
	if (client_table_show(columns, groups, add_row) < 0) {
		fprintf(stderr, "%s: no memory for a table\n", command.name);
		return CLIENT_EXIT_FAILED;
	}
	return client_command_flush(&command);
}

static int list(struct client *client, const struct client_arguments *arguments)
{
	int code;
	json_t *result = client_command_call(&command, client, "group.list", NULL, &code);

	if (!result)
		return code;
	if (arguments->json)
		code = client_command_print(&command, result);
	else if (json_array_size(json_object_get(result, "groups")) == 0)
		printf("no groups\n");
	else
		code = print_table(json_object_get(result, "groups"));
	json_decref(result);
	return code;
}

static int call(struct client *client, const struct client_arguments *arguments, const char *method, json_t *params)
{
	int code;
	json_t *result = client_command_call(&command, client, method, params, &code);

	json_decref(params);
	if (result && arguments->json)
		code = client_command_print(&command, result);
	json_decref(result);
	return code;
}

static int set(struct client *client, const struct client_arguments *arguments, json_t *given)
{
	if (unset)
		keys_take_unset(unset, given);
	return call(client, arguments, "group.set",
		    json_pack("{s:s,s:O}", "name", arguments->operands[1], "set", given));
}

/* Go on with the others where one cannot be removed. */
static int remove_each(struct client *client, const struct client_arguments *arguments)
{
	int worst = CLIENT_EXIT_OK;

	for (unsigned i = 1; i < arguments->operand_count && worst != CLIENT_EXIT_FAILED; i++) {
		const int code =
			call(client, arguments, "group.remove", json_pack("{s:s}", "name", arguments->operands[i]));

		worst = code > worst ? code : worst;
	}
	return worst;
}

/* What is wrong with the action and its operands; NULL: nothing. */
static const char *expected(const struct client_arguments *arguments)
{
	const char *action = arguments->operands[0];
	const bool given = unset || key_options_given(&keys, group_keys);

	if (strcmp(action, "list") == 0)
		return given || arguments->operand_count != 1 ? "list: expected neither NAME nor KEYS" : NULL;
	if (strcmp(action, "set") == 0)
		return arguments->operand_count != 2 ? "set: expected a NAME and KEYS" : NULL;
	if (strcmp(action, "remove") == 0)
		return given || arguments->operand_count < 2 ? "remove: expected NAMEs, and no KEYS" : NULL;
	return "expected list, set or remove";
}

static int run(const struct client_arguments *arguments, json_t *given)
{
	struct client *client = client_command_connect(&command, arguments);
	int code = CLIENT_EXIT_FAILED;

	if (!client)
		return code;
	if (arguments->operands[0][0] == 'l')
		code = list(client, arguments);
	else if (arguments->operands[0][0] == 's')
		code = set(client, arguments, given);
	else
		code = remove_each(client, arguments);
	client_free(client);
	return code;
}

int command_group(int argc, char **argv)
{
	struct client_arguments arguments;
	struct error err;
	json_t *given;
	int code;

	key_options_add_keys(&keys, group_keys);
	key_options_add(&keys, own_options);
	code = client_command_parse(&command, argc, argv, &arguments);
	if (code != CLIENT_GO_ON)
		return code;
	if (expected(&arguments))
		return client_command_misused(&command, "%s", expected(&arguments));
	given = json_object();
	if (key_options_take(&keys, group_keys, given, &err) < 0)
		code = client_command_misused(&command, "%s", err.text);
	else
		code = run(&arguments, given);
	json_decref(given);
	return code;
}
