/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void key_options_add(struct key_options *options, const struct client_option *own)
{
	for (; own->name; own++) {
		if (options->count == KEYS_MAX)
			abort();
		options->options[options->count++] = *own;
	}
}

void key_options_add_keys(struct key_options *options, const struct schema_key *keys)
{
	for (; keys->name; keys++) {
		if (options->count == KEYS_MAX)
			abort();
		options->keys[options->count] = keys;
		options->options[options->count] = (struct client_option){.name = keys->name,
									  .argument = keys->argument,
									  .help = keys->help,
									  .value = &options->values[options->count]};
		options->count++;
	}
}

/* Whether option i is of this table, and was given. */
static bool is_given(const struct key_options *options, unsigned i, const struct schema_key *keys)
{
	if (!options->keys[i] || !options->values[i])
		return false;
	while (keys->name && keys != options->keys[i])
		keys++;
	return keys->name != NULL;
}

const char *key_options_given(const struct key_options *options, const struct schema_key *keys)
{
	for (unsigned i = 0; i < options->count; i++) {
		if (is_given(options, i, keys))
			return options->options[i].name;
	}
	return NULL;
}

/* NULL: it is none. */
static json_t *value_of(const struct schema_key *key, const char *text)
{
	const size_t length = strlen(text);

	if (key->kind == KEY_SWITCH)
		return strcmp(text, "true") == 0 ? json_true() : strcmp(text, "false") == 0 ? json_false() : NULL;
	if (key->kind == KEY_NUMBER && length > 0 && length <= 18 && strspn(text, "0123456789") == length)
		return json_integer(strtoll(text, NULL, 10));
	return json_string(text);
}

int key_options_take(const struct key_options *options, const struct schema_key *keys, json_t *object,
		     struct error *err)
{
	for (unsigned i = 0; i < options->count; i++) {
		json_t *value;

		if (!is_given(options, i, keys))
			continue;
		value = value_of(options->keys[i], options->values[i]);
		if (json_object_set_new(object, options->options[i].name, value) < 0)
			return error_set(err, -EINVAL, "--%s: %s: expected %s", options->options[i].name,
					 options->values[i],
					 options->keys[i]->kind == KEY_SWITCH ? "true or false" : "UTF-8");
	}
	return 0;
}

bool keys_have(const struct schema_key *keys, const char *name)
{
	while (keys->name && strcmp(keys->name, name) != 0)
		keys++;
	return keys->name != NULL;
}

void keys_take_unset(const char *list, json_t *object)
{
	while (*list) {
		const size_t length = strcspn(list, ",");
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)length, list);
		if (name[0])
			json_object_set_new(object, name, json_null());
		list += length + (list[length] == ',');
	}
}
