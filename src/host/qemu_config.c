/* SPDX-License-Identifier: Apache-2.0 */
/* -readconfig: a file of options, as util/qemu-config.c of QEMU reads it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/document.h"
#include "host/process.h"
#include "host/qemu.h"
#include "host/tree.h"

#define CONFIG_MAX  (256u << 10)
#define CONFIGS_MAX 16u

/* As long are QEMU's own buffers, their NUL included: formats below have the same numbers. */
#define LINE_SIZE 1024
#define NAME_SIZE 64

/* Groups that the model has, with the options that they are. Of others, which may hold anything, nothing is kept. */
static const struct {
	const char *group, *option;
} known[] = {
	{"accel", "accel"},       {"add-fd", "add-fd"}, {"chardev", "chardev"}, {"device", "device"},
	{"drive", "drive"},       {"global", "global"}, {"machine", "machine"}, {"memory", "m"},
	{"mon", "mon"},           {"name", "name"},     {"net", "net"},         {"netdev", "netdev"},
	{"nic", "nic"},           {"numa", "numa"},     {"object", "object"},   {"overcommit", "overcommit"},
	{"realtime", "realtime"}, {"smbios", "smbios"}, {"smp-opts", "smp"},
};

static const char *option_of(const char *group)
{
	for (size_t i = 0; group && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].group, group) == 0)
			return known[i].option;
	}
	return NULL;
}

struct parsing {
	json_t *groups, *keys; /* keys: of the last group; NULL: it is not known */
	bool in_group;
};

static bool begin_group(struct parsing *parsing, const char *group, const char *id)
{
	parsing->in_group = true;
	parsing->keys = option_of(group) ? json_object() : NULL;
	if (parsing->keys)
		json_array_append_new(parsing->groups, json_pack("{s:s,s:o}", "group", group, "keys", parsing->keys));
	/* which is not added where it is no UTF-8 */
	if (parsing->keys && id)
		json_object_set_new(parsing->keys, "id", json_string(id));
	return true;
}

/* '[device "vda"]', '[machine]', '  driver = "virtio-blk-pci"', "# remark" */
static bool parse_line(struct parsing *parsing, const char *line)
{
	char name[NAME_SIZE], value[LINE_SIZE];

	if (!*line || *line == '#')
		return true;
	if (sscanf(line, "[%63s \"%63[^\"]\"]", name, value) == 2)
		return begin_group(parsing, name, value);
	if (sscanf(line, "[%63[^]]]", name) == 1)
		return begin_group(parsing, name, NULL);
	*value = '\0';
	if (!parsing->in_group || sscanf(line, " %63s = \"%1023[^\"]\"", name, value) < 1)
		return false;
	if (parsing->keys)
		json_object_set_new(parsing->keys, name, json_string(value));
	return true;
}

json_t *qemu_config_describe(const char *text, size_t length)
{
	struct parsing parsing = {.groups = json_array()};
	bool good = parsing.groups != NULL;

	for (size_t at = 0, size; at < length && good; at += size + 1) {
		const char *end = memchr(text + at, '\n', length - at);
		char line[LINE_SIZE];

		size = end ? (size_t)(end - text) - at : length - at;
		good = size < sizeof(line);
		if (!good)
			break;
		memcpy(line, text + at, size);
		line[size] = '\0';
		good = parse_line(&parsing, line);
	}
	if (good)
		return json_pack("{s:o}", "groups", parsing.groups);
	json_decref(parsing.groups);
	return NULL;
}

struct config_file {
	int pid;
	const char *path;
};

static ssize_t describe_file(int fd, char **text)
{
	char *bytes = malloc(CONFIG_MAX + 1);
	ssize_t got = bytes ? pread(fd, bytes, CONFIG_MAX + 1, 0) : -1;
	json_t *json;

	if (got < 0)
		got = bytes ? -errno : -ENOMEM;
	else if (got > (ssize_t)CONFIG_MAX)
		got = -E2BIG;
	json = got >= 0 ? qemu_config_describe(bytes, (size_t)got) : NULL;
	free(bytes);
	return got < 0 ? got : json ? document_text(json, text) : -EINVAL;
}

static ssize_t provide(void *context, char **text)
{
	const struct config_file *file = context;
	struct stat st;
	const int fd = process_open(file->pid, file->path, &st);
	ssize_t ret;

	if (fd < 0)
		return fd;
	ret = S_ISREG(st.st_mode) ? describe_file(fd, text) : -EINVAL;
	close(fd);
	return ret;
}

static void add_group(struct tree *tree, struct qemu_command *command, const json_t *group)
{
	const char *option = option_of(json_string_value(document_member(group, "group"))), *name;
	struct qemu_keys keys = {0};
	json_t *value;

	if (!option || command->count >= QEMU_WORDS_MAX)
		return;
	json_object_foreach((json_t *)document_member(group, "keys"), name, value)
	{
		if (json_is_string(value))
			qemu_keys_add(tree, &keys, tree_format(tree, "%s", name),
				      tree_format(tree, "%s", json_string_value(value)));
	}
	qemu_option_add(tree, command, option, "", keys);
}

void qemu_config_read(struct tree *tree, int pid, struct qemu_command *command, const char *path)
{
	struct config_file file = {.pid = pid, .path = qemu_path(tree, pid, path)};
	const unsigned number = command->configs++;
	const char *text;
	const ssize_t length =
		number < CONFIGS_MAX && *file.path == '/'
			? tree_ask_patiently(tree, &text, provide, &file, "readconfig/%d/%u.json", pid, number)
			: -EINVAL;
	json_t *object = length < 0 ? NULL : document_object(text, length);
	const json_t *group;
	size_t i;

	if (!object)
		command->unread_config = path;
	json_array_foreach(document_member(object, "groups"), i, group) add_group(tree, command, group);
	json_decref(object);
}
