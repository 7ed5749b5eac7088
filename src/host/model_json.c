/* SPDX-License-Identifier: Apache-2.0 */
#include "host/model_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/model_fields.h"

/* How many bytes the character at text has; 0: it is no UTF-8. Overlong forms and surrogates are none (RFC 3629). */
static size_t character(const unsigned char *text)
{
	size_t length = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	unsigned least = 0x80, most = 0xbf;

	if (length < 2 || text[0] > 0xf4)
		return text[0] > 0xf4 ? 0 : length;
	least = text[0] == 0xe0 ? 0xa0 : text[0] == 0xf0 ? 0x90 : least;
	most = text[0] == 0xed ? 0x9f : text[0] == 0xf4 ? 0x8f : most;
	if (text[1] < least || text[1] > most)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

json_t *host_text_json(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *clean, *to;
	json_t *json;

	if (!text)
		return json_null();
	json = json_string(text);
	if (json)
		return json;
	clean = to = malloc(strlen(text) * 3 + 1);
	if (!clean)
		return NULL;
	while (*text) {
		const size_t length = character((const unsigned char *)text);

		memcpy(to, length ? text : replacement, length ? length : 3);
		to += length ? length : 3;
		text += length ? length : 1;
	}
	*to = '\0';
	json = json_string(clean);
	free(clean);
	return json;
}

static json_t *number(int64_t value)
{
	return value == HOST_UNKNOWN ? json_null() : json_integer(value);
}

static json_t *cpus(const struct cpu_list *list)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	json_t *json;

	if (!file)
		return NULL;
	for (unsigned i = 0, end; i < list->count; i = end) {
		for (end = i + 1; end < list->count && list->cpu[end] == list->cpu[end - 1] + 1; end++)
			;
		fprintf(file, end - i == 1 ? "%s%u" : "%s%u-%u", i ? "," : "", list->cpu[i], list->cpu[end - 1]);
	}
	json = fclose(file) == 0 ? json_string(text) : NULL;
	free(text);
	return json;
}

static json_t *texts(const char *const *text, unsigned count)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(array, host_text_json(text[i]));
	return array;
}

static json_t *structure(const char *at, const struct model_field *fields);

static json_t *list(const char *at, unsigned count, const struct model_field *field)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(array, structure(at + i * field->size, field->inner));
	return array;
}

static json_t *word(unsigned value, const char *const *words)
{
	while (value && *words) {
		value--;
		words++;
	}
	return *words ? json_string(*words) : json_null();
}

/* at: the structure. */
static json_t *member(const char *at, const struct model_field *field)
{
	const void *value = at + field->offset;
	const unsigned count = field->count ? *(const unsigned *)(const void *)(at + field->count) : 0;

	switch (field->kind) {
	case MODEL_TEXT:
		return host_text_json(*(const char *const *)value);
	case MODEL_INT:
		return number(*(const int *)value);
	case MODEL_UNSIGNED:
		return json_integer(*(const unsigned *)value);
	case MODEL_INT64:
		return number(*(const int64_t *)value);
	case MODEL_UINT64:
		/* What does not fit is HOST_UNKNOWN in disguise, or as good as it. */
		return *(const uint64_t *)value > INT64_MAX ? json_null()
							    : json_integer((json_int_t) * (const uint64_t *)value);
	case MODEL_DOUBLE:
		return isfinite(*(const double *)value) ? json_real(*(const double *)value) : json_null();
	case MODEL_ANSWER:
		return *(const host_answer *)value < 0 ? json_null() : json_boolean(*(const host_answer *)value);
	case MODEL_CPUS:
		return cpus(value);
	case MODEL_ENUM:
		return word(*(const unsigned *)value, field->words);
	case MODEL_TEXTS:
		return texts(*(const char *const *const *)value, count);
	case MODEL_LIST:
		return list(*(const char *const *)value, count, field);
	case MODEL_PART:
		return structure(value, field->inner);
	case MODEL_POINTER:
		return *(const char *const *)value ? structure(*(const char *const *)value, field->inner) : json_null();
	case MODEL_JSON:
		return *(json_t *const *)value ? json_deep_copy(*(json_t *const *)value) : json_null();
	}
	return json_null();
}

static json_t *structure(const char *at, const struct model_field *fields)
{
	json_t *object = json_object();
	char key[64];

	for (; fields->name; fields++) {
		snprintf(key, sizeof(key), "%s", fields->name);
		for (char *c = key; *c; c++)
			*c = *c == '_' ? '-' : *c;
		json_object_set_new(object, key, member(at, fields));
	}
	return object;
}

/* Counts are one for each CPU, which only the whole machine knows. */
static void add_counts(json_t *irqs, const struct host *host)
{
	for (unsigned i = 0; i < host->irqs.count; i++) {
		const uint64_t *counts = host->irqs.irq[i].counts;
		json_t *array = json_array();

		for (unsigned cpu = 0; counts && cpu < host->cpus.count; cpu++)
			json_array_append_new(array, json_integer((json_int_t)(counts[cpu] & INT64_MAX)));
		json_object_set_new(json_array_get(irqs, i), "counts", array);
	}
}

json_t *host_json(const struct host *host)
{
	json_t *json = structure((const char *)host, model_host);

	add_counts(json_object_get(json_object_get(json, "irqs"), "irq"), host);
	return json;
}

json_t *host_guest_json(const struct guest *guest)
{
	return structure((const char *)guest, model_guest);
}

json_t *host_guests_json(const struct host_guests *guests)
{
	return structure((const char *)guests, model_guests);
}
