/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config_shape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/nearest.h"

/* Where the check is: "disks[3].fault[0].on", and the node whose line to name. */
struct shape {
	struct config_document *doc;
	struct error *err;
	const yaml_node_t *where;
	char path[96];
};

static int check_value(struct shape *shape, const yaml_node_t *node, const cyaml_schema_value_t *schema);

static const char *text_of(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static const char *kind_of(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_MAPPING_NODE:
		return "a mapping (key: value)";
	case YAML_SEQUENCE_NODE:
		return "a list";
	default:
		return "a single value";
	}
}

/* Nothing behind the colon, "~" and "null" all mean nothing in YAML. Quoted, they are texts. */
static bool is_null(const yaml_node_t *node)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text_of(node), words[i]) == 0)
			return true;
	}
	return false;
}

static int wrong_kind(const struct shape *shape, const yaml_node_t *node, const char *expected)
{
	char quoted[CONFIG_QUOTE_SIZE];

	if (is_null(node))
		return config_document_error(shape->doc, shape->where, shape->err, "%s has no value: expected %s",
					     shape->path, expected);
	if (node->type == YAML_SCALAR_NODE)
		return config_document_error(shape->doc, shape->where, shape->err, "%s: %s: expected %s", shape->path,
					     config_quote(text_of(node), quoted), expected);
	return config_document_error(shape->doc, shape->where, shape->err, "%s is %s: expected %s", shape->path,
				     kind_of(node), expected);
}

/* "a, b, c" of the keys of a mapping or the words of an enumeration. */
static void list_append(char *list, size_t capacity, const char *word)
{
	size_t used = strlen(list);

	snprintf(list + used, capacity - used, "%s%s", used ? ", " : "", word);
}

static void list_words(const cyaml_schema_value_t *schema, char *list, size_t capacity)
{
	list[0] = '\0';
	for (uint32_t i = 0; i < schema->enumeration.count; i++)
		list_append(list, capacity, schema->enumeration.strings[i].str);
}

static int check_word(struct shape *shape, const yaml_node_t *node, const cyaml_schema_value_t *schema)
{
	char words[192], expected[224];

	list_words(schema, words, sizeof(words));
	snprintf(expected, sizeof(expected), "one of %s", words);
	if (node->type != YAML_SCALAR_NODE || is_null(node))
		return wrong_kind(shape, node, expected);
	for (uint32_t i = 0; i < schema->enumeration.count; i++) {
		if (strcmp(text_of(node), schema->enumeration.strings[i].str) == 0)
			return 0;
	}
	return wrong_kind(shape, node, expected);
}

static int check_text(struct shape *shape, const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE || is_null(node))
		return wrong_kind(shape, node, "a single value");
	return 0;
}

/* A list of words (CYAML_FLAGS), which libcyaml would also accept empty. */
static int check_words(struct shape *shape, const yaml_node_t *node, const cyaml_schema_value_t *schema)
{
	char words[192], expected[256];
	struct config_place item;
	int ret;

	list_words(schema, words, sizeof(words));
	snprintf(expected, sizeof(expected), "a list, such as [%s], of some of %s", schema->enumeration.strings[0].str,
		 words);
	if (node->type != YAML_SEQUENCE_NODE)
		return wrong_kind(shape, node, expected);
	item = config_document_item(shape->doc, node, 0);
	if (!item.value)
		return config_document_error(shape->doc, shape->where, shape->err, "%s is an empty list: expected %s",
					     shape->path, expected);
	for (size_t i = 0; item.value; item = config_document_item(shape->doc, node, ++i)) {
		shape->where = item.where;
		ret = check_word(shape, item.value, schema);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int check_sequence(struct shape *shape, const yaml_node_t *node, const cyaml_schema_value_t *schema)
{
	const size_t path_length = strlen(shape->path);
	size_t count;

	if (node->type != YAML_SEQUENCE_NODE)
		return wrong_kind(shape, node, "a list (lines that start with \"- \")");
	count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (count < schema->sequence.min || count > schema->sequence.max)
		return config_document_error(shape->doc, shape->where, shape->err,
					     "%s: a list of %zu: expected %u to %u entries", shape->path, count,
					     schema->sequence.min, schema->sequence.max);
	for (size_t i = 0; i < count; i++) {
		struct config_place item = config_document_item(shape->doc, node, i);
		int ret;

		snprintf(shape->path + path_length, sizeof(shape->path) - path_length, "[%zu]", i);
		shape->where = item.where;
		ret = check_value(shape, item.value, schema->sequence.entry);
		shape->path[path_length] = '\0';
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int unknown_key(const struct shape *shape, const yaml_node_t *key, const cyaml_schema_field_t *fields)
{
	const char *best = NULL;
	char quoted[CONFIG_QUOTE_SIZE], allowed[224] = "";

	for (const cyaml_schema_field_t *field = fields; field->key; field++) {
		list_append(allowed, sizeof(allowed), field->key);
		best = nearest_of(text_of(key), best, field->key);
	}
	return config_document_error(shape->doc, key, shape->err, "%s%sunknown key %s%s%s%s: allowed are %s",
				     shape->path, shape->path[0] ? ": " : "", config_quote(text_of(key), quoted),
				     best ? ", did you mean \"" : "", best ? best : "", best ? "\"?" : "", allowed);
}

static const cyaml_schema_field_t *find_field(const cyaml_schema_field_t *fields, const char *key)
{
	for (; fields->key; fields++) {
		if (strcmp(fields->key, key) == 0)
			return fields;
	}
	return NULL;
}

/* One key of a mapping: known, given once, and its value as the schema says. */
static int check_pair(struct shape *shape, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
		      const cyaml_schema_field_t *fields)
{
	const yaml_node_t *key = yaml_document_get_node(&shape->doc->tree, pair->key);
	const size_t path_length = strlen(shape->path);
	const cyaml_schema_field_t *field;
	struct config_place first;
	int ret;

	if (key->type != YAML_SCALAR_NODE)
		return config_document_error(shape->doc, key, shape->err, "%s%sa key is %s: expected a word",
					     shape->path, path_length ? ": " : "", kind_of(key));
	field = find_field(fields, text_of(key));
	if (!field)
		return unknown_key(shape, key, fields);
	first = config_document_key(shape->doc, mapping, field->key);
	if (first.where != key)
		return config_document_error(shape->doc, key, shape->err,
					     "%s%s\"%s\" is given again: expected once, line %zu has it already",
					     shape->path, path_length ? ": " : "", field->key,
					     first.where->start_mark.line + 1);
	snprintf(shape->path + path_length, sizeof(shape->path) - path_length, "%s%s", path_length ? "." : "",
		 field->key);
	shape->where = key;
	ret = check_value(shape, yaml_document_get_node(&shape->doc->tree, pair->value), &field->value);
	shape->path[path_length] = '\0';
	return ret;
}

static int missing_key(const struct shape *shape, const yaml_node_t *node, const cyaml_schema_field_t *fields,
		       const char *key)
{
	char required[128] = "";

	for (; fields->key; fields++) {
		if (!(fields->value.flags & CYAML_FLAG_OPTIONAL))
			list_append(required, sizeof(required), fields->key);
	}
	return config_document_error(shape->doc, node, shape->err, "%s%s\"%s\" is missing: required here: %s",
				     shape->path, shape->path[0] ? ": " : "", key, required);
}

static int check_mapping(struct shape *shape, const yaml_node_t *node, const cyaml_schema_value_t *schema)
{
	const cyaml_schema_field_t *fields = schema->mapping.fields;
	char expected[64];

	snprintf(expected, sizeof(expected), "keys and values, such as \"%s: ...\"", fields->key);
	if (node->type != YAML_MAPPING_NODE)
		return wrong_kind(shape, node, expected);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		int ret = check_pair(shape, node, pair, fields);

		if (ret < 0)
			return ret;
	}
	for (const cyaml_schema_field_t *field = fields; field->key; field++) {
		if (!(field->value.flags & CYAML_FLAG_OPTIONAL) &&
		    !config_document_key(shape->doc, node, field->key).value)
			return missing_key(shape, node, fields, field->key);
	}
	return 0;
}

static int check_value(struct shape *shape, const yaml_node_t *node, const cyaml_schema_value_t *schema)
{
	switch (schema->type) {
	case CYAML_MAPPING:
		return check_mapping(shape, node, schema);
	case CYAML_SEQUENCE:
		return check_sequence(shape, node, schema);
	case CYAML_FLAGS:
		return check_words(shape, node, schema);
	case CYAML_ENUM:
		return check_word(shape, node, schema);
	case CYAML_STRING:
		return check_text(shape, node);
	case CYAML_IGNORE:
		return 0;
	default:
		return config_document_error(shape->doc, shape->where, shape->err, "%s: a kind of value not known here",
					     shape->path);
	}
}

int config_shape_check(struct config_document *doc, const cyaml_schema_value_t *schema, struct error *err)
{
	struct shape shape = {.doc = doc, .err = err};
	yaml_node_t *root = config_document_root(doc);

	shape.where = root;
	if (root->type != YAML_MAPPING_NODE) {
		snprintf(shape.path, sizeof(shape.path), "the file");
		return wrong_kind(&shape, root, "keys and values, such as \"disks:\" and a list of disks");
	}
	return check_value(&shape, root, schema);
}
