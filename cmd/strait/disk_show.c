/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/table.h"
#include "describe.h"

static const struct client_column columns[] = {
	{"NAME", false},   {"STATE", false},    {"SIZE", true},   {"QUEUES", true},
	{"CACHE", false},  {"IN FLIGHT", true}, {"GROUP", false}, {"WORKERS", false},
	{"SOCKET", false}, {"IMAGE", false},    {NULL, false},
};
#define COLUMNS 10

static int add_row(struct client_table *table, const json_t *disk)
{
	static const char *const keys[COLUMNS] = {"name",      "state", "size",    "queues", "cache",
						  "in-flight", "group", "workers", "socket", "file"};
	char texts[COLUMNS][4200];
	const char *cells[COLUMNS];

	for (unsigned i = 0; i < COLUMNS; i++) {
		const json_t *value = json_object_get(disk, keys[i]);

		if (strcmp(keys[i], "size") == 0)
			client_format_size((uint64_t)json_integer_value(value), texts[i]);
		else
			describe_json(value, texts[i], sizeof(texts[i]));
		cells[i] = texts[i];
	}
	return client_table_row(table, cells);
}

static int print_table(const struct disk_command *disk, const json_t *disks)
{
	if (client_table_show(columns, disks, add_row) < 0) {
		fprintf(stderr, "%s: no memory for a table\n", disk->command->name);
		return CLIENT_EXIT_FAILED;
	}
	return client_command_flush(disk->command);
}

int disk_list(const struct disk_command *disk)
{
	int code;
	json_t *result = client_command_call(disk->command, disk->client, "disk.list", NULL, &code);

	if (!result)
		return code;
	if (disk->arguments->json)
		code = client_command_print(disk->command, result);
	else if (json_array_size(json_object_get(result, "disks")) == 0)
		printf("no disks\n");
	else
		code = print_table(disk, json_object_get(result, "disks"));
	json_decref(result);
	return code;
}

int disk_show(const struct disk_command *disk)
{
	json_t *params = json_pack("{s:s}", "name", disk->arguments->operands[1]), *result, *value;
	const char *key;
	int code;

	result = client_command_call(disk->command, disk->client, "disk.get", params, &code);
	json_decref(params);
	if (!result)
		return code;
	if (disk->arguments->json) {
		code = client_command_print(disk->command, result);
		json_decref(result);
		return code;
	}
	json_object_foreach(result, key, value)
	{
		char text[4200], size[CLIENT_TEXT] = "";

		describe_json(value, text, sizeof(text));
		if (strcmp(key, "size") == 0)
			client_format_size((uint64_t)json_integer_value(value), size);
		printf("%-12s  %s%s%s%s\n", key, text[0] ? text : "-", size[0] ? " (" : "", size, size[0] ? ")" : "");
	}
	json_decref(result);
	return client_command_flush(disk->command);
}
