/* SPDX-License-Identifier: Apache-2.0 */
#include "host/document.h"

#include <errno.h>
#include <string.h>

#include "host/tree.h"

json_t *document_object(const char *text, ssize_t length)
{
	json_t *object = length > 0 ? json_loadb(text, (size_t)length, 0, NULL) : NULL;

	if (json_is_object(object))
		return object;
	json_decref(object);
	return NULL;
}

const json_t *document_member(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

int64_t document_number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value) : HOST_UNKNOWN;
}

host_answer document_answer(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? (host_answer)json_is_true(value) : HOST_UNKNOWN;
}

const char *document_string(struct tree *tree, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? tree_format(tree, "%s", text) : NULL;
}

ssize_t document_text(json_t *object, char **text)
{
	*text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	return *text ? (ssize_t)strlen(*text) : -ENOMEM;
}
