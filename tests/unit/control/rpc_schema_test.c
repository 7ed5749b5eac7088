/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/config_schema.h"
#include "control/rpc_schema.h"

/* A method of the test's own, as the schema would describe it. */
static const char described[] =
	"{\"role\": \"admin\", \"params\": {\"type\": \"object\", \"required\": [\"name\"], \"additionalProperties\": "
	"false,"
	"\"properties\": {\"name\": {\"type\": \"string\", \"maxLength\": 4}, \"count\": {\"type\": \"integer\", "
	"\"minimum\": 1,"
	"\"maximum\": 64}, \"share\": {\"type\": [\"number\", \"string\"], \"minimum\": 0, \"maximum\": 1},"
	"\"mode\": {\"enum\": [\"slow\", \"fast\"]}, \"force\": {\"type\": \"boolean\"},"
	"\"list\": {\"type\": \"array\", \"maxItems\": 2, \"items\": {\"type\": \"object\", \"additionalProperties\": "
	"false,"
	"\"properties\": {\"size\": {\"type\": \"integer\", \"minimum\": 512}}}}, \"disk\": {\"$ref\": "
	"\"#/definitions/name\"}}}}";

static const struct {
	const char *params, *field, *expected; /* field NULL: they are good */
} cases[] = {
	{"{\"name\": \"a\"}", NULL, NULL},
	{"{\"name\": \"a\", \"count\": 64, \"share\": 1, \"mode\": \"fast\", \"force\": true, \"list\": []}", NULL,
	 NULL},
	{"{\"name\": \"a\", \"share\": 0.5, \"list\": [{\"size\": 512}, {}]}", NULL, NULL},
	{"{\"name\": \"a\", \"share\": \"half\", \"disk\": \"vm3\"}", NULL, NULL},
	{"{}", "name", "a string of 1 to 4 bytes"},
	{"{\"name\": null}", "name", "a string"},
	{"{\"name\": \"abcde\"}", "name", "1 to 4"},
	{"{\"name\": \"\"}", "name", "1 to 4"},
	{"{\"name\": \"a\", \"count\": 0}", "count", "a whole number from 1 to 64"},
	{"{\"name\": \"a\", \"count\": 65}", "count", "from 1 to 64"},
	{"{\"name\": \"a\", \"count\": 9223372036854775807}", "count", "from 1 to 64"},
	{"{\"name\": \"a\", \"count\": 1.5}", "count", "a whole number"},
	{"{\"name\": \"a\", \"count\": \"1\"}", "count", "a whole number"},
	{"{\"name\": \"a\", \"share\": 1.01}", "share", "from 0 to 1"},
	{"{\"name\": \"a\", \"share\": true}", "share", "a number from 0 to 1 or a string"},
	{"{\"name\": \"a\", \"mode\": \"Slow\"}", "mode", "one of slow, fast"},
	{"{\"name\": \"a\", \"mode\": 1}", "mode", "one of slow, fast"},
	{"{\"name\": \"a\", \"force\": 1}", "force", "true or false"},
	{"{\"name\": \"a\", \"list\": {}}", "list", "an array"},
	{"{\"name\": \"a\", \"list\": [{}, {}, {}]}", "list", "at most 2"},
	{"{\"name\": \"a\", \"list\": [{}, {\"size\": 511}]}", "list[1].size", "at least 512"},
	{"{\"name\": \"a\", \"list\": [{\"sice\": 511}]}", "list[0].sice", "\"size\""},
	{"{\"name\": \"a\", \"list\": [7]}", "list[0]", "an object"},
	{"{\"name\": \"a\", \"coun\": 1}", "coun", "\"count\""},
	{"{\"name\": \"a\", \"nonsense\": 1}", "nonsense", "one of name, count"},
	{"{\"name\": \"a\", \"disk\": 7}", "disk", "a string of 1 to 63 bytes"},
};

static void each_fault_is_named(void **state)
{
	json_t *method = json_loads(described, 0, NULL);

	(void)state;
	assert_non_null(method);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *params = json_loads(cases[i].params, 0, NULL);
		struct rpc_schema_fault fault;
		struct error err = {0};
		const int ret = rpc_schema_check(method, params, &fault, &err);

		assert_non_null(params);
		if (!cases[i].field) {
			if (ret)
				fail_msg("%s: %s", cases[i].params, err.text);
		} else if (ret != -EINVAL || strcmp(fault.field, cases[i].field) != 0 ||
			   !strstr(fault.expected, cases[i].expected) || !strstr(err.text, cases[i].field)) {
			fail_msg("%s: %d, %s, %s, \"%s\"", cases[i].params, ret, fault.field, fault.expected, err.text);
		}
		json_decref(params);
	}
	json_decref(method);
}

/* What is long, or no text, or has no end, is named as far as there is room. */
static void faults_fit_where_they_go(void **state)
{
	json_t *method = json_loads(described, 0, NULL), *params = json_object();
	struct rpc_schema_fault fault;
	struct error err;
	char key[1000];

	(void)state;
	memset(key, '\n', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	json_object_set_new(params, key, json_string(key));
	assert_int_equal(rpc_schema_check(method, params, &fault, &err), -EINVAL);
	assert_true(strlen(fault.field) > 10 && !strchr(fault.field, '\n'));
	json_object_clear(params);
	json_object_set_new(params, "name", json_string(key));
	assert_int_equal(rpc_schema_check(method, params, &fault, &err), -EINVAL);
	assert_string_equal(fault.field, "name");
	assert_true(strlen(fault.value) > 10 && !strchr(fault.value, '\n'));
	json_decref(params);
	json_decref(method);
}

/* The table of methods and the schema have the same. */
static void schema_has_all_methods(void **state)
{
	json_t *methods = json_object_get(rpc_schema(), "methods"), *method;
	const char *name;
	size_t rows = 0;

	(void)state;
	for (const struct rpc_method *row = rpc_methods; row->name; row++, rows++) {
		if (!rpc_schema_method(row->name))
			fail_msg("%s: there is no such method in the schema", row->name);
		for (const struct rpc_method *other = rpc_methods; other != row; other++)
			assert_string_not_equal(row->name, other->name);
	}
	assert_int_equal(rows, json_object_size(methods));
	json_object_foreach(methods, name, method)
	{
		const char *role = json_string_value(json_object_get(method, "role"));

		assert_true(strcmp(role, "reader") == 0 || strcmp(role, "admin") == 0);
		assert_int_equal(rpc_schema_role(method), strcmp(role, "admin") == 0 ? RPC_ADMIN : RPC_READER);
		assert_true(strlen(json_string_value(json_object_get(method, "summary"))) > 5);
		assert_true(json_is_object(json_object_get(method, "params")));
		assert_true(json_is_object(json_object_get(method, "result")));
	}
}

/*
 * What the checker understands, and no more: a word that it does not know would
 * be a promise that nobody keeps.
 */
static void check_node(const json_t *node, const char *where, bool params, unsigned depth)
{
	static const char *const known[] = {"$ref",     "type",       "enum",        "minimum",
					    "maximum",  "maxLength",  "items",       "maxItems",
					    "required", "properties", "description", "additionalProperties"};
	const json_t *properties = json_object_get(node, "properties"), *value, *entry;
	const char *key, *reference = json_string_value(json_object_get(node, "$ref"));
	size_t i;

	assert_true(depth < 16); /* and no definition leads back to itself */
	assert_true(json_is_object(node));
	json_object_foreach((json_t *)node, key, value)
	{
		bool found = false;

		for (i = 0; i < sizeof(known) / sizeof(known[0]) && !found; i++)
			found = strcmp(known[i], key) == 0;
		if (!found)
			fail_msg("%s: the checker does not know \"%s\"", where, key);
	}
	if (reference) {
		assert_true(strncmp(reference, "#/definitions/", 14) == 0);
		assert_non_null(json_object_get(json_object_get(rpc_schema(), "definitions"), reference + 14));
		check_node(rpc_schema_resolve(node), reference, params, depth + 1);
	}
	json_array_foreach(json_object_get(node, "enum"), i, entry) assert_true(json_is_string(entry));
	json_array_foreach(json_object_get(node, "required"), i, entry)
		assert_non_null(json_object_get(properties, json_string_value(entry)));
	/* What a client may not say beside them, it is told. */
	if (properties && params && !json_is_false(json_object_get(node, "additionalProperties")))
		fail_msg("%s: more keys are not taken: expected \"additionalProperties\": false", where);
	json_object_foreach((json_t *)properties, key, value) check_node(value, key, params, depth + 1);
	if (json_object_get(node, "items"))
		check_node(json_object_get(node, "items"), where, params, depth + 1);
}

static void schema_says_only_what_is_checked(void **state)
{
	json_t *method, *definition;
	const char *name;

	(void)state;
	json_object_foreach(json_object_get(rpc_schema(), "methods"), name, method)
	{
		check_node(json_object_get(method, "params"), name, true, 0);
		check_node(json_object_get(method, "result"), name, false, 0);
	}
	json_object_foreach(json_object_get(rpc_schema(), "definitions"), name, definition)
		check_node(definition, name, false, 0);
}

static bool same_words(const cyaml_schema_value_t *value, const json_t *words)
{
	if (json_array_size(words) != value->enumeration.count)
		return false;
	for (uint32_t i = 0; i < value->enumeration.count; i++) {
		if (strcmp(json_string_value(json_array_get(words, i)), value->enumeration.strings[i].str) != 0)
			return false;
	}
	return true;
}

/* Keys and words of a mapping in straitd.yaml are those of the object in the schema. */
static void compare_keys(const cyaml_schema_field_t *fields, const json_t *object, const char *where)
{
	const json_t *properties = json_object_get(object, "properties"), *required;
	size_t count = 0, i;

	for (; fields->key; fields++, count++) {
		const json_t *property = json_object_get(properties, fields->key);

		if (!property)
			fail_msg("%s: the schema has no \"%s\"", where, fields->key);
		if (fields->value.type == CYAML_ENUM && !json_object_get(property, "type") &&
		    !same_words(&fields->value, json_object_get(property, "enum")))
			fail_msg("%s: \"%s\" has other words", where, fields->key);
		if (fields->value.type == CYAML_FLAGS)
			assert_true(same_words(&fields->value,
					       json_object_get(json_object_get(property, "items"), "enum")));
		if (fields->value.type == CYAML_MAPPING)
			compare_keys(fields->value.mapping.fields, rpc_schema_resolve(property), fields->key);
		if (fields->value.type == CYAML_SEQUENCE && fields->value.sequence.entry->type == CYAML_MAPPING)
			compare_keys(fields->value.sequence.entry->mapping.fields,
				     rpc_schema_resolve(json_object_get(property, "items")), fields->key);
		if (!(fields->value.flags & CYAML_FLAG_OPTIONAL)) {
			bool found = false;

			json_array_foreach(json_object_get(object, "required"), i, required) found =
				found || strcmp(json_string_value(required), fields->key) == 0;
			if (!found)
				fail_msg("%s: \"%s\" is required", where, fields->key);
		}
	}
	if (json_object_size(properties) != count)
		fail_msg("%s: %zu keys in the schema, %zu in the configuration", where, json_object_size(properties),
			 count);
}

static void compare_list(const char *key, const char *definition)
{
	const cyaml_schema_field_t *field = config_schema.mapping.fields;

	while (strcmp(field->key, key) != 0)
		field++;
	compare_keys(field->value.sequence.entry->mapping.fields,
		     json_object_get(json_object_get(rpc_schema(), "definitions"), definition), key);
}

static void keys_are_those_of_the_file(void **state)
{
	(void)state;
	compare_list("disks", "disk-config");
	compare_list("groups", "group-config");
}

static void text_gets_the_type_that_is_wanted(void **state)
{
	static const struct {
		const char *name, *text;
		json_type type;
	} texts[] = {
		{"count", "7", JSON_INTEGER},   {"count", "seven", JSON_STRING}, {"name", "7", JSON_STRING},
		{"name", "true", JSON_STRING},  {"force", "true", JSON_TRUE},    {"share", "0.5", JSON_REAL},
		{"share", "1", JSON_INTEGER},   {"mode", "fast", JSON_STRING},   {"name", "\"a\"", JSON_STRING},
		{"nonsense", "7", JSON_STRING}, {"count", "", JSON_STRING},      {"list", "[{}]", JSON_ARRAY},
		{"count", "[[[[", JSON_STRING},
	};
	json_t *method = json_loads(described, 0, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *value = rpc_schema_read(method, texts[i].name, texts[i].text);

		assert_int_equal(json_typeof(value), texts[i].type);
		json_decref(value);
	}
	assert_null(rpc_schema_read(method, "name", "\xff"));
	json_decref(method);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_named),        cmocka_unit_test(faults_fit_where_they_go),
		cmocka_unit_test(schema_has_all_methods),     cmocka_unit_test(schema_says_only_what_is_checked),
		cmocka_unit_test(keys_are_those_of_the_file), cmocka_unit_test(text_gets_the_type_that_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
