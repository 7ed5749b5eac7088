/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/replace.h"
#include "command.h"

/* What the daemon takes of a message is less; it says so itself. */
#define LARGEST_FILE (1u << 20)

static bool force;

static const struct client_option options[] = {
	{.name = "force",
	 .letter = 'f',
	 .help = "reload: also disconnect front ends from disks that the file does\nnot have any more, or has "
		 "otherwise",
	 .flag = &force},
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait config",
	.usage = "[OPTION]... show"
		 "\n  or:  strait config [OPTION]... diff|save|reload|check [FILE]",
	.about = "What a running straitd does, as configuration: show it, compare it with a file, write\n"
		 "it to one, or make it what a file says. FILE is the one that straitd was started\n"
		 "with, unless another is named.\n\n"
		 "Actions:\n"
		 "  show                      print it as a file that straitd could be started with\n"
		 "  diff                      print what is different in the file; 1 where something is\n"
		 "  save                      write it to the file, at once and as a whole\n"
		 "  reload                    change what is different, and nothing where the file is bad\n"
		 "  check                     only look whether the file is good",
	.options = options,
	.operands_min = 1,
	.operands_max = 2,
};

/* The file that is named, or that the daemon was started with; NULL with a code. */
static char *path_of(const struct config_command *config, int *code)
{
	json_t *result;
	char *path = NULL;

	if (config->arguments->operand_count > 1)
		return strdup(config->arguments->operands[1]);
	result = client_command_call(config->command, config->client, "daemon.get", NULL, code);
	if (!result)
		return NULL;
	if (json_is_string(json_object_get(result, "path")))
		path = strdup(json_string_value(json_object_get(result, "path")));
	else
		*code = client_command_misused(config->command, "straitd was not started with a file: expected FILE");
	json_decref(result);
	return path;
}

static char *read_file(const struct config_command *config, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(LARGEST_FILE + 1);
	size_t length = file && text ? fread(text, 1, LARGEST_FILE + 1, file) : 0;

	if (file && text && !ferror(file) && length <= LARGEST_FILE) {
		text[length] = '\0';
		fclose(file);
		/* JSON has no place for it, and a configuration none either. */
		if (strlen(text) == length)
			return text;
		fprintf(stderr, "%s: %s: has NUL characters: expected a YAML file\n", config->command->name, path);
	} else {
		fprintf(stderr, "%s: %s: %s\n", config->command->name, path,
			length > LARGEST_FILE ? "is too large" : strerror(errno));
		if (file)
			fclose(file);
	}
	free(text);
	return NULL;
}

/* The file as parameters of config.diff; NULL with a code. */
static json_t *load(const struct config_command *config, int *code)
{
	char *path = path_of(config, code), *text = path ? read_file(config, path) : NULL;
	json_t *params = text ? json_pack("{s:s,s:s}", "path", path, "text", text) : NULL;

	if (text && !params)
		fprintf(stderr, "%s: %s: is not a text in UTF-8\n", config->command->name, path);
	if (path && !params)
		*code = CLIENT_EXIT_FINDINGS;
	free(text);
	free(path);
	return params;
}

/* config.diff of the file; NULL with a code. */
static json_t *compare(const struct config_command *config, int *code)
{
	json_t *file = load(config, code), *diff = NULL;

	if (file)
		diff = client_command_call(config->command, config->client, "config.diff", file, code);
	json_decref(file);
	return diff;
}

static int show(const struct config_command *config)
{
	int code = CLIENT_EXIT_OK;
	json_t *result = client_command_call(config->command, config->client, "config.get", NULL, &code);

	if (!result)
		return code;
	if (config->arguments->json) {
		code = client_command_print(config->command, json_object_get(result, "config"));
	} else {
		fputs(json_string_value(json_object_get(result, "text")), stdout);
		code = client_command_flush(config->command);
	}
	json_decref(result);
	return code;
}

static void print_value(const char *sign, const char *key, const json_t *value)
{
	char *text;

	if (!value || json_is_null(value))
		return;
	text = json_is_string(value) ? strdup(json_string_value(value))
				     : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	printf("  %s %s: %s\n", sign, key, text ? text : "?");
	free(text);
}

static void print_set(const json_t *set, const json_t *from)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)set, key, value)
	{
		print_value("-", key, json_object_get(from, key));
		print_value("+", key, value);
		if (json_is_null(value) && !from)
			printf("  - %s\n", key);
	}
}

static void print_names(const char *what, const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		const json_t *text = json_is_object(name) ? json_object_get(name, "name") : name;

		printf("%s %s\n", what, json_string_value(text));
	}
}

static void print_diff(const json_t *diff)
{
	const json_t *daemon = json_object_get(diff, "daemon"), *groups = json_object_get(diff, "groups"), *item;
	size_t i;

	if (json_object_size(json_object_get(daemon, "set")))
		printf("straitd\n");
	print_set(json_object_get(daemon, "set"), NULL);
	print_names("takes a restart:", json_object_get(daemon, "restart"));
	json_array_foreach(json_object_get(groups, "changed"), i, item)
	{
		printf("group %s\n", json_string_value(json_object_get(item, "name")));
		print_set(json_object_get(item, "set"), NULL);
	}
	print_names("- group", json_object_get(groups, "removed"));
	json_array_foreach(json_object_get(diff, "changed"), i, item)
	{
		printf("disk %s%s\n", json_string_value(json_object_get(item, "name")),
		       json_is_true(json_object_get(item, "replace")) ? " (to be removed and added again)" : "");
		print_set(json_object_get(item, "set"), json_object_get(item, "from"));
	}
	print_names("- disk", json_object_get(diff, "removed"));
	print_names("+ disk", json_object_get(diff, "added"));
}

static int diff(const struct config_command *config)
{
	int code = CLIENT_EXIT_OK;
	json_t *result = compare(config, &code);

	if (!result)
		return code;
	if (config->arguments->json) {
		code = client_command_print(config->command, result);
	} else {
		print_diff(result);
		code = client_command_flush(config->command);
	}
	if (code == CLIENT_EXIT_OK && !json_is_true(json_object_get(result, "same")))
		code = CLIENT_EXIT_FINDINGS;
	json_decref(result);
	return code;
}

/* With the rights of who asks for it: the daemon has no path to the file. */
static int save(const struct config_command *config)
{
	int code = CLIENT_EXIT_OK;
	char *path = path_of(config, &code);
	json_t *result = path ? client_command_call(config->command, config->client, "config.get", NULL, &code) : NULL;
	struct error err;

	if (result) {
		const json_t *text = json_object_get(result, "text");

		if (replace_file(path, json_string_value(text), json_string_length(text), &err) < 0) {
			fprintf(stderr, "%s: %s\n", config->command->name, err.text);
			code = CLIENT_EXIT_FINDINGS;
		}
	}
	json_decref(result);
	free(path);
	return code;
}

static int check(const struct config_command *config)
{
	int code = CLIENT_EXIT_OK;
	json_t *result = compare(config, &code);

	json_decref(result);
	return code;
}

static int reload(const struct config_command *config)
{
	int code = CLIENT_EXIT_OK;
	json_t *file = load(config, &code), *diff = NULL;

	if (file)
		diff = client_command_call(config->command, config->client, "config.diff", file, &code);
	if (diff)
		code = config_apply(config, file, diff);
	if (diff && config->arguments->json && code == CLIENT_EXIT_OK)
		code = client_command_print(config->command, diff);
	json_decref(diff);
	json_decref(file);
	return code;
}

static const struct {
	const char *name;
	int (*run)(const struct config_command *config);
} actions[] = {{"show", show}, {"diff", diff}, {"save", save}, {"reload", reload}, {"check", check}};

int command_config(int argc, char **argv)
{
	struct client_arguments arguments;
	struct config_command config = {.command = &command, .arguments = &arguments};
	int code = client_command_parse(&command, argc, argv, &arguments);
	unsigned i = 0;

	if (code != CLIENT_GO_ON)
		return code;
	while (i < sizeof(actions) / sizeof(actions[0]) && strcmp(actions[i].name, arguments.operands[0]) != 0)
		i++;
	if (i == sizeof(actions) / sizeof(actions[0]))
		return client_command_misused(&command, "%s: expected show, diff, save, reload or check",
					      arguments.operands[0]);
	if (i == 0 && arguments.operand_count > 1)
		return client_command_misused(&command, "%s: not expected", arguments.operands[1]);
	config.force = force;
	config.client = client_command_connect(&command, &arguments);
	code = config.client ? actions[i].run(&config) : CLIENT_EXIT_FAILED;
	client_free(config.client);
	return code;
}
