/* SPDX-License-Identifier: Apache-2.0 */
#include "describe.h"

#include <stdint.h>
#include <stdio.h>

void describe_json(const json_t *value, char *text, size_t size)
{
	const json_t *item;
	const char *key;
	size_t i, used = 0;

	text[0] = '\0';
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		snprintf(text, size, "%s", json_string_value(value));
		break;
	case JSON_INTEGER:
		snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		snprintf(text, size, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		snprintf(text, size, "%s", json_is_true(value) ? "yes" : "no");
		break;
	case JSON_ARRAY:
		json_array_foreach(value, i, item)
		{
			char part[128];

			describe_json(item, part, sizeof(part));
			if (used < size)
				used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "," : "", part);
		}
		break;
	case JSON_OBJECT:
		json_object_foreach((json_t *)(uintptr_t)value, key, item)
		{
			char part[128];

			describe_json(item, part, sizeof(part));
			if (used < size)
				used += (size_t)snprintf(text + used, size - used, "%s%s %s", used ? ", " : "", key,
							 part);
		}
		break;
	default:
		break;
	}
}
