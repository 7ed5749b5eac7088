/* SPDX-License-Identifier: Apache-2.0 */
#include "control/rpc_schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/nearest.h"

#define DEFINITIONS "#/definitions/"

/* Made of rpc.schema.json by src/embed.py. */
extern const unsigned char rpc_schema_text[];
extern const size_t rpc_schema_text_length;

struct check {
	struct rpc_schema_fault *fault;
	size_t depth; /* of fault->field */
};

static int check_value(struct check *check, const json_t *schema, const json_t *value);

const json_t *rpc_schema(void)
{
	static json_t *schema;
	json_error_t err;

	if (schema)
		return schema;
	schema = json_loadb((const char *)rpc_schema_text, rpc_schema_text_length, JSON_REJECT_DUPLICATES, &err);
	if (!schema) {
		/* It was JSON when the program was built. */
		log_error("rpc.schema.json, line %d: %s", err.line, err.text);
		abort();
	}
	return schema;
}

const json_t *rpc_schema_method(const char *name)
{
	return json_object_get(json_object_get(rpc_schema(), "methods"), name);
}

enum rpc_role rpc_schema_role(const json_t *method)
{
	const char *role = json_string_value(json_object_get(method, "role"));

	return role && strcmp(role, "reader") == 0 ? RPC_READER : RPC_ADMIN;
}

const json_t *rpc_schema_resolve(const json_t *schema)
{
	const char *reference = json_string_value(json_object_get(schema, "$ref"));

	if (!reference)
		return schema;
	return json_object_get(json_object_get(rpc_schema(), "definitions"), reference + strlen(DEFINITIONS));
}

static const char *type_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "integer";
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	default:
		return "null";
	}
}

/* Whether a schema's type, a word or a list of them, has this one. No type: any. */
static bool has_type(const json_t *schema, const char *type)
{
	const json_t *types = json_object_get(schema, "type"), *entry;
	size_t i;

	if (!types || json_is_string(types))
		return !types || strcmp(json_string_value(types), type) == 0;
	json_array_foreach(types, i, entry)
	{
		if (strcmp(json_string_value(entry), type) == 0)
			return true;
	}
	return false;
}

/* A whole number is a number. */
static bool accepts(const json_t *schema, const json_t *value)
{
	return has_type(schema, type_of(value)) || (json_is_integer(value) && has_type(schema, "number"));
}

static void append(char *text, size_t capacity, const char *more)
{
	const size_t length = strlen(text);

	snprintf(text + length, capacity - length, "%s", more);
}

static void describe_enum(const json_t *words, char *text, size_t capacity)
{
	const json_t *word;
	size_t i;

	snprintf(text, capacity, "one of ");
	json_array_foreach(words, i, word)
	{
		append(text, capacity, i ? ", " : "");
		append(text, capacity, json_string_value(word));
	}
}

static void describe_range(const json_t *schema, const char *kind, char *text, size_t capacity)
{
	const json_t *least = json_object_get(schema, "minimum"), *most = json_object_get(schema, "maximum");

	if (least && most)
		snprintf(text, capacity, "%s from %.15g to %.15g", kind, json_number_value(least),
			 json_number_value(most));
	else if (least)
		snprintf(text, capacity, "%s of at least %.15g", kind, json_number_value(least));
	else
		snprintf(text, capacity, "%s", kind);
}

static void describe_text(const json_t *schema, char *text, size_t capacity)
{
	const json_t *most = json_object_get(schema, "maxLength");

	if (most)
		snprintf(text, capacity, "a string of 1 to %lld bytes", (long long)json_integer_value(most));
	else
		snprintf(text, capacity, "a string");
}

/* What a value of this schema looks like. */
static void describe(const json_t *schema, char *text, size_t capacity)
{
	static const char *const kinds[] = {"integer", "number", "string", "boolean", "object", "array", "null"};
	bool any = false;

	text[0] = '\0';
	if (json_object_get(schema, "enum")) {
		describe_enum(json_object_get(schema, "enum"), text, capacity);
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char one[96] = "";

		if (!json_object_get(schema, "type") || !has_type(schema, kinds[i]))
			continue;
		if (strcmp(kinds[i], "integer") == 0)
			describe_range(schema, "a whole number", one, sizeof(one));
		else if (strcmp(kinds[i], "number") == 0)
			describe_range(schema, "a number", one, sizeof(one));
		else if (strcmp(kinds[i], "string") == 0)
			describe_text(schema, one, sizeof(one));
		else if (strcmp(kinds[i], "boolean") == 0)
			snprintf(one, sizeof(one), "true or false");
		else if (strcmp(kinds[i], "null") == 0)
			snprintf(one, sizeof(one), "null");
		else
			snprintf(one, sizeof(one), "an %s", kinds[i]);
		append(text, capacity, any ? " or " : "");
		append(text, capacity, one);
		any = true;
	}
}

/* The value as it was given, where there is room. */
static void quote(const json_t *value, char *text, size_t size)
{
	char *dump;

	if (json_is_object(value) || json_is_array(value)) {
		snprintf(text, size, "an %s", type_of(value));
		return;
	}
	dump = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	if (dump && strlen(dump) >= size)
		snprintf(text, size, "%.*s...", (int)size - 4, dump);
	else
		snprintf(text, size, "%s", dump ? dump : "?");
	free(dump);
}

static int refuse(struct check *check, const json_t *schema, const json_t *value)
{
	describe(schema, check->fault->expected, sizeof(check->fault->expected));
	quote(value, check->fault->value, sizeof(check->fault->value));
	return -EINVAL;
}

/* Go into a key or an element; the caller resets field to what it was where there was no fault. */
static void enter(struct check *check, const char *key, size_t index)
{
	char *field = check->fault->field;
	const size_t length = strlen(field), room = sizeof(check->fault->field) - length;

	if (key)
		snprintf(field + length, room, "%s%s", length ? "." : "", key);
	else
		snprintf(field + length, room, "[%zu]", index);
}

static int unknown_key(struct check *check, const json_t *properties, const char *key)
{
	char *expected = check->fault->expected;
	const size_t capacity = sizeof(check->fault->expected);
	const char *best = NULL, *name;
	const json_t *property;
	char printable[64];
	bool first = true;

	snprintf(printable, sizeof(printable), "%.40s", key);
	for (char *at = printable; *at; at++) {
		if (*at < 0x20 || *at >= 0x7f)
			*at = '?';
	}
	enter(check, printable, 0);
	snprintf(check->fault->value, sizeof(check->fault->value), "not known");
	json_object_foreach((json_t *)properties, name, property) best = nearest_of(key, best, name);
	if (best) {
		snprintf(expected, capacity, "\"%s\", perhaps", best);
		return -EINVAL;
	}
	snprintf(expected, capacity, "%s", json_object_size(properties) ? "one of " : "no parameters");
	json_object_foreach((json_t *)properties, name, property)
	{
		append(expected, capacity, first ? "" : ", ");
		append(expected, capacity, name);
		first = false;
	}
	return -EINVAL;
}

static int missing_key(struct check *check, const json_t *properties, const char *key)
{
	enter(check, key, 0);
	describe(rpc_schema_resolve(json_object_get(properties, key)), check->fault->expected,
		 sizeof(check->fault->expected));
	return -EINVAL;
}

static int check_object(struct check *check, const json_t *schema, const json_t *object)
{
	const json_t *properties = json_object_get(schema, "properties"), *required;
	char *field = check->fault->field;
	const size_t length = strlen(field);
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)object, key, value)
	{
		const json_t *property = json_object_get(properties, key);
		int ret;

		if (!property) {
			if (!properties)
				continue;
			return unknown_key(check, properties, key);
		}
		enter(check, key, 0);
		ret = check_value(check, property, value);
		if (ret < 0)
			return ret;
		field[length] = '\0';
	}
	json_array_foreach(json_object_get(schema, "required"), i, required)
	{
		if (!json_object_get(object, json_string_value(required)))
			return missing_key(check, properties, json_string_value(required));
	}
	return 0;
}

static int check_array(struct check *check, const json_t *schema, const json_t *array)
{
	const json_t *items = json_object_get(schema, "items"), *most = json_object_get(schema, "maxItems"), *item;
	char *field = check->fault->field;
	const size_t length = strlen(field);
	size_t i;

	if (most && json_array_size(array) > (size_t)json_integer_value(most)) {
		snprintf(check->fault->expected, sizeof(check->fault->expected), "at most %lld entries",
			 (long long)json_integer_value(most));
		snprintf(check->fault->value, sizeof(check->fault->value), "%zu entries", json_array_size(array));
		return -EINVAL;
	}
	json_array_foreach(array, i, item)
	{
		int ret;

		enter(check, NULL, i);
		ret = items ? check_value(check, items, item) : 0;
		if (ret < 0)
			return ret;
		field[length] = '\0';
	}
	return 0;
}

static bool in_range(const json_t *schema, const json_t *value)
{
	const json_t *least = json_object_get(schema, "minimum"), *most = json_object_get(schema, "maximum");
	const double number = json_number_value(value);

	return !(least && number < json_number_value(least)) && !(most && number > json_number_value(most));
}

static bool has_word(const json_t *words, const json_t *value)
{
	const json_t *word;
	size_t i;

	json_array_foreach(words, i, word)
	{
		if (json_equal(word, value))
			return true;
	}
	return false;
}

static bool right_length(const json_t *schema, const json_t *value)
{
	const json_t *most = json_object_get(schema, "maxLength");
	const size_t length = json_string_length(value);

	return !most || (length >= 1 && length <= (size_t)json_integer_value(most));
}

static int check_value(struct check *check, const json_t *schema, const json_t *value)
{
	const json_t *words;

	schema = rpc_schema_resolve(schema);
	if (!accepts(schema, value))
		return refuse(check, schema, value);
	words = json_object_get(schema, "enum");
	if (words && !has_word(words, value))
		return refuse(check, schema, value);
	if (json_is_number(value) && !in_range(schema, value))
		return refuse(check, schema, value);
	if (json_is_string(value) && !right_length(schema, value))
		return refuse(check, schema, value);
	if (json_is_object(value))
		return check_object(check, schema, value);
	return json_is_array(value) ? check_array(check, schema, value) : 0;
}

int rpc_schema_check(const json_t *method, const json_t *params, struct rpc_schema_fault *fault, struct error *err)
{
	struct check check = {.fault = fault};
	json_t *none = params ? NULL : json_object();
	int ret;

	*fault = (struct rpc_schema_fault){.field = ""};
	ret = check_value(&check, json_object_get(method, "params"), params ? params : none);
	json_decref(none);
	if (ret == 0)
		return 0;
	if (!fault->field[0])
		snprintf(fault->field, sizeof(fault->field), "params");
	return error_set(err, ret, "%s: %s: expected %s", fault->field, fault->value[0] ? fault->value : "missing",
			 fault->expected);
}

json_t *rpc_schema_read(const json_t *method, const char *name, const char *text)
{
	const json_t *properties = json_object_get(json_object_get(method, "params"), "properties");
	const json_t *schema = rpc_schema_resolve(json_object_get(properties, name));
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

	/* Numbers and words of JSON where they are wanted; a disk may be called 7 or true. A string needs no quotes. */
	if (value && (json_is_string(value) || !schema || !accepts(schema, value))) {
		json_decref(value);
		value = NULL;
	}
	return value ? value : json_string(text);
}
