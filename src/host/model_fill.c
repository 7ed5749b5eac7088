/* SPDX-License-Identifier: Apache-2.0 */
#include "host/model_fields.h"

/* Write count of a list's members over from another structure. */
static void take_list(char *to, const char *from, const struct model_field *field)
{
	unsigned *count = (unsigned *)(void *)(to + field->count);

	if (*count || !*(const unsigned *)(const void *)(from + field->count))
		return;
	*(const void **)(void *)(to + field->offset) = *(const void *const *)(const void *)(from + field->offset);
	*count = *(const unsigned *)(const void *)(from + field->count);
}

static void fill_member(char *at, const char *from_at, const struct model_field *field)
{
	void *to = at + field->offset;
	const void *from = from_at + field->offset;

	switch (field->kind) {
	case MODEL_TEXT:
	case MODEL_POINTER:
	case MODEL_JSON:
		if (!*(const void **)to)
			*(const void **)to = *(const void *const *)from;
		break;
	case MODEL_INT:
		if (*(int *)to == HOST_UNKNOWN)
			*(int *)to = *(const int *)from;
		break;
	case MODEL_INT64:
		if (*(int64_t *)to == HOST_UNKNOWN)
			*(int64_t *)to = *(const int64_t *)from;
		break;
	case MODEL_UINT64:
		if (!*(uint64_t *)to || *(uint64_t *)to == (uint64_t)HOST_UNKNOWN)
			*(uint64_t *)to = *(const uint64_t *)from;
		break;
	case MODEL_ANSWER:
		if (*(host_answer *)to == HOST_UNKNOWN)
			*(host_answer *)to = *(const host_answer *)from;
		break;
	case MODEL_CPUS:
		if (!((struct cpu_list *)to)->count)
			*(struct cpu_list *)to = *(const struct cpu_list *)from;
		break;
	case MODEL_TEXTS:
	case MODEL_LIST:
		take_list(at, from_at, field);
		break;
	case MODEL_PART:
		model_fill(to, from, field->inner);
		break;
	case MODEL_UNSIGNED:
	case MODEL_DOUBLE:
	case MODEL_ENUM:
		break;
	}
}

void model_fill(void *to, const void *from, const struct model_field *fields)
{
	for (; fields->name; fields++)
		fill_member(to, from, fields);
}
