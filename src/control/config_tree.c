/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config_tree.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A plain scalar that is a number here: others, 0660 and 007 among them, are text. */
static bool is_integer(const char *text)
{
	const size_t length = strlen(text);

	return length > 0 && length < 19 && strspn(text, "0123456789") == length && (text[0] != '0' || length == 1);
}

/* What a plain scalar is; a quoted one is text. */
static json_t *scalar(const char *text, bool plain)
{
	if (plain && is_integer(text))
		return json_integer(strtoll(text, NULL, 10));
	if (plain && strcmp(text, "true") == 0)
		return json_true();
	if (plain && strcmp(text, "false") == 0)
		return json_false();
	return json_string(text);
}

/* What stays text, however it looks: names of disks and groups are found by it, sockets are made with it. */
static bool is_text(const char *key)
{
	static const char *const keys[] = {"name",   "parent",       "group",        "socket",      "file",
					   "record", "socket-owner", "socket-group", "socket-mode", "serial"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

static json_t *convert(yaml_document_t *tree, const yaml_node_t *node);

/* NULL where anything in it could not be made. */
static json_t *sequence(yaml_document_t *tree, const yaml_node_t *node)
{
	json_t *array = json_array();

	for (const yaml_node_item_t *item = node->data.sequence.items.start;
	     array && item < node->data.sequence.items.top; item++) {
		if (json_array_append_new(array, convert(tree, yaml_document_get_node(tree, *item))) == 0)
			continue;
		json_decref(array);
		return NULL;
	}
	return array;
}

/* The value of a key. */
static json_t *value(yaml_document_t *tree, const char *key, const yaml_node_t *node)
{
	if (node->type == YAML_SCALAR_NODE && is_text(key))
		return json_string((const char *)node->data.scalar.value);
	return convert(tree, node);
}

static json_t *mapping(yaml_document_t *tree, const yaml_node_t *node)
{
	json_t *object = json_object();

	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     object && pair < node->data.mapping.pairs.top; pair++) {
		/* The shape was checked: a key is a text. */
		const yaml_node_t *node_of_key = yaml_document_get_node(tree, pair->key);
		const char *key = (const char *)node_of_key->data.scalar.value;

		if (json_object_set_new(object, key, value(tree, key, yaml_document_get_node(tree, pair->value))) == 0)
			continue;
		json_decref(object);
		return NULL;
	}
	return object;
}

/* Nesting is bounded by the document (CONFIG_MAX_DEPTH). */
static json_t *convert(yaml_document_t *tree, const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SEQUENCE_NODE:
		return sequence(tree, node);
	case YAML_MAPPING_NODE:
		return mapping(tree, node);
	default:
		return scalar((const char *)node->data.scalar.value,
			      node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
	}
}

json_t *config_tree(struct config_document *doc)
{
	return convert(&doc->tree, config_document_root(doc));
}

/* A path of the command line may be no text in UTF-8. Such a daemon has no RPC that could be asked for it. */
json_t *config_tree_single(const struct config_disk *disk)
{
	json_t *tree = json_object(), *object = json_object();
	bool complete = tree && object && json_object_set_new(object, "name", json_string(disk->name)) == 0;

	if (complete && disk->socket)
		complete = json_object_set_new(object, "socket", json_string_nocheck(disk->socket)) == 0;
	if (complete)
		complete = json_object_set_new(object, "file", json_string_nocheck(disk->file)) == 0;
	if (complete && disk->read_only)
		complete = json_object_set_new(object, "read-only", json_true()) == 0;
	if (complete)
		complete = json_object_set_new(tree, "disks", json_pack("[O]", object)) == 0;
	json_decref(object);
	if (complete)
		return tree;
	json_decref(tree);
	return NULL;
}

json_t *config_tree_merge(const json_t *tree, const json_t *set)
{
	json_t *merged = json_is_object(tree) ? json_copy((json_t *)(uintptr_t)tree) : json_object();
	const char *key;
	json_t *value;
	int ret = 0;

	json_object_foreach((json_t *)(uintptr_t)set, key, value)
	{
		if (!merged || ret < 0)
			break;
		if (json_is_null(value))
			json_object_del(merged, key);
		else if (json_is_object(value))
			ret = json_object_set_new(merged, key, config_tree_merge(json_object_get(merged, key), value));
		else
			ret = json_object_set(merged, key, value);
	}
	if (ret == 0)
		return merged;
	json_decref(merged);
	return NULL;
}

struct text {
	char *at;
	size_t length;
};

static int append(void *context, unsigned char *data, size_t size)
{
	struct text *text = context;
	char *at = realloc(text->at, text->length + size + 1);

	if (!at)
		return 0;
	text->at = at;
	memcpy(at + text->length, data, size);
	text->length += size;
	at[text->length] = '\0';
	return 1;
}

/* Without an exponent, and no longer than it takes: 0.01, 250, 0.00001. */
static void write_real(double value, char *text, size_t capacity)
{
	int digits = 0;

	do
		snprintf(text, capacity, "%.*f", digits, value);
	while (strtod(text, NULL) != value && ++digits < 16);
}

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
	const yaml_scalar_style_t style = quoted ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE;
	yaml_event_t event;

	return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1,
					    style) &&
	       yaml_emitter_emit(emitter, &event);
}

static bool emit_string(yaml_emitter_t *emitter, const char *text)
{
	json_t *plain = scalar(text, true);
	/* What would be read as something else, or as nothing. */
	const bool quoted = !text[0] || !json_is_string(plain) || strcasecmp(text, "null") == 0 || !strcmp(text, "~");

	json_decref(plain);
	return emit_scalar(emitter, text, quoted);
}

static bool emit(yaml_emitter_t *emitter, const json_t *value);

static bool emit_array(yaml_emitter_t *emitter, const json_t *array)
{
	yaml_event_t event;
	const json_t *item;
	size_t i;

	/* Words and numbers in a row; mappings below each other. */
	if (!yaml_sequence_start_event_initialize(
		    &event, NULL, NULL, 1,
		    json_is_object(json_array_get(array, 0)) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE) ||
	    !yaml_emitter_emit(emitter, &event))
		return false;
	json_array_foreach(array, i, item)
	{
		if (!emit(emitter, item))
			return false;
	}
	return yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit_object(yaml_emitter_t *emitter, const json_t *object)
{
	yaml_event_t event;
	const char *key;
	json_t *value;

	if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE) ||
	    !yaml_emitter_emit(emitter, &event))
		return false;
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (!emit_scalar(emitter, key, false) || !emit(emitter, value))
			return false;
	}
	return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit(yaml_emitter_t *emitter, const json_t *value)
{
	char text[64];

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return emit_object(emitter, value);
	case JSON_ARRAY:
		return emit_array(emitter, value);
	case JSON_STRING:
		return emit_string(emitter, json_string_value(value));
	case JSON_INTEGER:
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return emit_scalar(emitter, text, false);
	case JSON_REAL:
		write_real(json_real_value(value), text, sizeof(text));
		return emit_scalar(emitter, text, false);
	default:
		return emit_scalar(emitter, json_is_true(value) ? "true" : "false", false);
	}
}

static bool emit_all(yaml_emitter_t *emitter, const json_t *tree)
{
	yaml_event_t event;

	return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) && yaml_emitter_emit(emitter, &event) &&
	       yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	       yaml_emitter_emit(emitter, &event) && emit(emitter, tree) &&
	       yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(emitter, &event) &&
	       yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool append_comment(struct text *text, const char *comment)
{
	while (*comment) {
		const size_t line = strcspn(comment, "\n");
		char *mark = (char[]){"# "}, *end = (char[]){"\n"};

		if (!append(text, (unsigned char *)mark, 2) ||
		    !append(text, (unsigned char *)(uintptr_t)comment, line) || !append(text, (unsigned char *)end, 1))
			return false;
		comment += line + (comment[line] == '\n');
	}
	return true;
}

char *config_tree_write(const json_t *tree, const char *comment)
{
	struct text text = {NULL, 0};
	yaml_emitter_t emitter;
	bool complete;

	if (!yaml_emitter_initialize(&emitter))
		return NULL;
	yaml_emitter_set_output(&emitter, append, &text);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	complete = append_comment(&text, comment) && emit_all(&emitter, tree);
	yaml_emitter_delete(&emitter);
	if (complete)
		return text.at;
	free(text.at);
	return NULL;
}
