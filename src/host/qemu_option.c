/* SPDX-License-Identifier: Apache-2.0 */
#include "host/qemu_option.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "host/array.h"
#include "host/qemu.h"
#include "host/tree.h"

/* Of JSON within JSON. QEMU's own structures have less than ten levels. */
#define DEPTH_MAX 32

/* Longest name of a key of JSON with all that it is in: these are copied with each key. */
#define NAME_MAX_LENGTH 512

/* Of a list of numbers: every one up to CPU_LIST_END is less. */
#define LIST_TEXT_MAX (32u << 10)

/* Options that have no argument, of all versions; what is none of these takes the word behind it. */
static const char *const flags[] = {
	"S",
	"alt-grab",
	"async-teardown",
	"audio-help",
	"ctrl-grab",
	"curses",
	"daemonize",
	"enable-fips",
	"enable-kvm",
	"enable-nesting",
	"enable-sync-profile",
	"full-screen",
	"h",
	"help",
	"jitdump",
	"localtime",
	"mem-prealloc",
	"no-acpi",
	"no-fd-bootchk",
	"no-frame",
	"no-hpet",
	"no-kvm",
	"no-kvm-irqchip",
	"no-kvm-pit",
	"no-kvm-pit-reinjection",
	"no-quit",
	"no-reboot",
	"no-shutdown",
	"no-user-config",
	"nodefaults",
	"nodefconfig",
	"nographic",
	"old-param",
	"only-migratable",
	"perfmap",
	"portrait",
	"preconfig",
	"rtc-td-hack",
	"s",
	"sdl",
	"semihosting",
	"show-cursor",
	"singlestep",
	"snapshot",
	"usb",
	"version",
	"win2k-hack",
	"xen-attach",
	"xen-domid-restrict",
};

/* What the first value of an option is that has no key. */
static const struct {
	const char *option, *key;
} implied_keys[] = {
	{"M", "type"},          {"accel", "accel"},   {"blockdev", "driver"}, {"boot", "order"},
	{"chardev", "backend"}, {"device", "driver"}, {"m", "size"},          {"machine", "type"},
	{"mon", "chardev"},     {"name", "guest"},    {"net", "type"},        {"netdev", "type"},
	{"nic", "type"},        {"numa", "type"},     {"object", "qom-type"}, {"smp", "cpus"},
};

void qemu_keys_add(struct tree *tree, struct qemu_keys *keys, const char *name, const char *value)
{
	if (keys->count >= QEMU_KEYS_MAX)
		return;
	keys->key = array_grow(tree, keys->key, keys->count, sizeof(*keys->key));
	keys->key[keys->count++] = (struct qemu_key){name, value};
}

static void add_json(struct tree *tree, struct qemu_keys *keys, const char *prefix, const json_t *value, int depth)
{
	const char *name;
	const json_t *item;
	size_t i;

	if (depth > DEPTH_MAX || keys->count >= QEMU_KEYS_MAX || strlen(prefix) > NAME_MAX_LENGTH)
		return;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		json_object_foreach((json_t *)value, name, item) add_json(
			tree, keys, tree_format(tree, "%s%s%s", prefix, *prefix ? "." : "", name), item, depth + 1);
		break;
	case JSON_ARRAY:
		json_array_foreach(value, i, item)
			add_json(tree, keys, tree_format(tree, "%s.%zu", prefix, i), item, depth + 1);
		break;
	case JSON_STRING:
		qemu_keys_add(tree, keys, prefix, tree_format(tree, "%s", json_string_value(value)));
		break;
	case JSON_INTEGER:
		qemu_keys_add(tree, keys, prefix,
			      tree_format(tree, "%" JSON_INTEGER_FORMAT, json_integer_value(value)));
		break;
	case JSON_REAL:
		qemu_keys_add(tree, keys, prefix, tree_format(tree, "%.0f", json_real_value(value)));
		break;
	default:
		qemu_keys_add(tree, keys, prefix, json_is_true(value) ? "on" : json_is_false(value) ? "off" : "");
	}
}

/* Up to a comma that stands alone; two of them are one that is meant. Moves *at behind it. */
static char *take_value(struct tree *tree, const char **at)
{
	const char *from = *at;
	char *value, *to;
	size_t length = 0;

	while (from[length] && (from[length] != ',' || from[length + 1] == ','))
		length += from[length] == ',' ? 2 : 1;
	value = to = tree_alloc(tree, length + 1);
	*at = from + length + (from[length] == ',');
	for (const char *end = from + length; from < end; from++) {
		*to++ = *from;
		from += *from == ',';
	}
	return value;
}

/* "server" is server=on, and "nowait" wait=off, as long as nobody knows better. */
static void add_word(struct tree *tree, struct qemu_keys *keys, const char *word)
{
	qemu_keys_add(tree, keys, word, "on");
	if (strncmp(word, "no", 2) == 0 && word[2])
		qemu_keys_add(tree, keys, word + 2, "off");
}

struct qemu_keys qemu_keys_read(struct tree *tree, const char *text, const char *implied)
{
	struct qemu_keys keys = {0};
	json_t *json;

	if (*text == '{') {
		json = json_loads(text, 0, NULL);
		if (json)
			add_json(tree, &keys, "", json, 0);
		json_decref(json);
		return keys;
	}
	for (bool first = true; *text && keys.count < QEMU_KEYS_MAX; first = false) {
		const size_t length = strcspn(text, "=,");

		if (text[length] == '=') {
			const char *name = tree_format(tree, "%.*s", (int)length, text);

			text += length + 1;
			qemu_keys_add(tree, &keys, name, take_value(tree, &text));
		} else if (first && implied) {
			qemu_keys_add(tree, &keys, implied, take_value(tree, &text));
		} else {
			add_word(tree, &keys, take_value(tree, &text));
		}
	}
	return keys;
}

static bool is_flag(const char *name)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strcmp(name, flags[i]) == 0)
			return true;
	}
	return false;
}

static const char *implied_key(const char *name)
{
	for (size_t i = 0; i < sizeof(implied_keys) / sizeof(implied_keys[0]); i++) {
		if (strcmp(name, implied_keys[i].option) == 0)
			return implied_keys[i].key;
	}
	return NULL;
}

void qemu_option_add(struct tree *tree, struct qemu_command *command, const char *name, const char *text,
		     struct qemu_keys keys)
{
	struct qemu_option *option;

	command->option = array_grow(tree, command->option, command->count, sizeof(*command->option));
	option = &command->option[command->count++];
	option->name = name;
	option->text = text;
	option->keys = keys;
	option->id = qemu_key(&option->keys, strcmp(name, "blockdev") == 0 ? "node-name" : "id");
}

static void add_option(struct tree *tree, int pid, struct qemu_command *command, const char *name, const char *text)
{
	qemu_option_add(tree, command, name, text, qemu_keys_read(tree, text, implied_key(name)));
	if (strcmp(name, "readconfig") == 0)
		qemu_config_read(tree, pid, command, text);
}

/* Copies, so that the last one ends with a NUL, too. */
static const char *const *split(struct tree *tree, const char *text, size_t length, unsigned *count)
{
	char *copy = tree_alloc(tree, length + 1);
	const char **words = NULL;

	memcpy(copy, text, length);
	*count = 0;
	for (const char *at = copy; at < copy + length && *count < QEMU_WORDS_MAX; at += strlen(at) + 1) {
		words = array_grow(tree, words, *count, sizeof(*words));
		words[(*count)++] = at;
	}
	return words;
}

struct qemu_command *qemu_command_read(struct tree *tree, int pid, const char *text, size_t length)
{
	struct qemu_command *command = tree_alloc(tree, sizeof(*command));
	unsigned count;
	const char *const *words = split(tree, text, length, &count);

	command->binary = count ? words[0] : "";
	for (unsigned i = 1; i < count; i++) {
		const char *name = words[i];

		if (*name != '-') {
			add_option(tree, pid, command, "hda", name);
			continue;
		}
		name += 1 + (name[1] == '-');
		if (is_flag(name) || i + 1 == count)
			add_option(tree, pid, command, name, "");
		else
			add_option(tree, pid, command, name, words[++i]);
	}
	qemu_settings_apply(tree, command);
	return command;
}

const char *qemu_key_below(const struct qemu_keys *keys, const char *prefix, const char *name)
{
	const size_t length = strlen(prefix);

	for (unsigned i = keys->count; i-- > 0;) {
		if (strncmp(keys->key[i].name, prefix, length) == 0 && strcmp(keys->key[i].name + length, name) == 0)
			return keys->key[i].value;
	}
	return NULL;
}

const char *qemu_key(const struct qemu_keys *keys, const char *name)
{
	return qemu_key_below(keys, "", name);
}

const struct qemu_option *qemu_option_find(const struct qemu_command *command, const char *name)
{
	for (unsigned i = command->count; i-- > 0;) {
		if (strcmp(command->option[i].name, name) == 0)
			return &command->option[i];
	}
	return NULL;
}

const char *qemu_option_key(const struct qemu_command *command, const char *name, const char *key)
{
	for (unsigned i = command->count; i-- > 0;) {
		const struct qemu_option *option = &command->option[i];
		const char *value = strcmp(option->name, name) == 0 ? qemu_key(&option->keys, key) : NULL;

		if (value)
			return value;
	}
	return NULL;
}

const struct qemu_option *qemu_option_by_id(const struct qemu_command *command, const char *name, const char *id)
{
	for (unsigned i = 0; id && i < command->count; i++) {
		const struct qemu_option *option = &command->option[i];

		if (option->id && strcmp(option->id, id) == 0 && strcmp(option->name, name) == 0)
			return option;
	}
	return NULL;
}

host_answer qemu_answer(const char *value, host_answer fallback)
{
	static const char *const yes[] = {"on", "yes", "true", "y"}, *const no[] = {"off", "no", "false", "n"};

	for (unsigned i = 0; value && i < 4; i++) {
		if (strcmp(value, yes[i]) == 0)
			return 1;
		if (strcmp(value, no[i]) == 0)
			return 0;
	}
	return fallback;
}

int64_t qemu_number(const char *value, int64_t fallback)
{
	char *end;
	int64_t number;

	if (!value || !isdigit((unsigned char)*value))
		return fallback;
	errno = 0;
	number = strtoll(value, &end, 0);
	return errno || *end ? fallback : number;
}

uint64_t qemu_size(const char *value, uint64_t unit, uint64_t fallback)
{
	static const char units[] = "BKMGTPE";
	const char *found;
	double size;
	char *end;

	if (!value || !isdigit((unsigned char)*value))
		return fallback;
	size = strtod(value, &end);
	if (*end) {
		found = strchr(units, toupper((unsigned char)*end));
		if (!found || end[1])
			return fallback;
		unit = UINT64_C(1) << (10 * (found - units));
	}
	size *= (double)unit;
	/* also where it is no number */
	return size < 0x1p63 ? (uint64_t)size : fallback;
}

struct cpu_list qemu_list(struct tree *tree, const struct qemu_keys *keys, const char *name)
{
	const size_t length = strlen(name);
	const char *text = "";

	/* each of them is copied with all before it */
	for (unsigned i = 0; i < keys->count && strlen(text) <= LIST_TEXT_MAX; i++) {
		const struct qemu_key *key = &keys->key[i];

		if (strncmp(key->name, name, length) == 0 &&
		    (!key->name[length] || (key->name[length] == '.' && isdigit((unsigned char)key->name[length + 1]))))
			text = tree_format(tree, "%s%s%s", text, *text ? "," : "", key->value);
	}
	return cpu_list_parse(tree, text);
}
