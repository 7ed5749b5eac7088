/* SPDX-License-Identifier: Apache-2.0 */
#include "control/qos_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/units.h"

void qos_settings_defaults(struct qos_settings *settings)
{
	memset(settings, 0, sizeof(*settings));
	settings->weight = QOS_WEIGHT_DEFAULT;
}

static int put(json_t *object, const char *kind, const char *suffix, uint64_t value)
{
	char key[40];

	snprintf(key, sizeof(key), "%s%s", kind, suffix);
	return value ? json_object_set_new(object, key, json_integer((json_int_t)value)) : 0;
}

static int put_limits(json_t *object, const struct qos_limits *limits)
{
	int ret = 0;

	for (unsigned kind = 0; kind < QOS_KIND_COUNT && ret == 0; kind++) {
		const struct qos_limit *limit = &limits->limit[kind];

		ret = put(object, qos_kind_names[kind], "", limit->rate);
		if (ret == 0)
			ret = put(object, qos_kind_names[kind], "-burst", limit->burst);
		if (ret == 0)
			ret = put(object, qos_kind_names[kind], "-burst-seconds", limit->burst_seconds);
	}
	return ret;
}

static json_t *complete(json_t *object, int ret)
{
	if (ret == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *qos_limits_json(const struct qos_limits *limits)
{
	json_t *object = json_object();

	return complete(object, object ? put_limits(object, limits) : -1);
}

json_t *qos_settings_json(const struct qos_settings *settings, const char *parent)
{
	json_t *object = json_object();
	int ret = object ? 0 : -1;

	if (ret == 0 && settings->group[0])
		ret = json_object_set_new(object, parent, json_string(settings->group));
	if (ret == 0)
		ret = put(object, "weight", "", settings->weight);
	if (ret == 0)
		ret = put(object, "latency-target-us", "", settings->latency_target_us);
	if (ret == 0)
		ret = put_limits(object, &settings->limits);
	return complete(object, ret);
}

static void append(char *text, size_t capacity, const char *more)
{
	const size_t used = strlen(text);

	snprintf(text + used, capacity - used, "%s", more);
}

static void append_rate(char *text, size_t capacity, unsigned kind, uint64_t rate)
{
	char number[48];

	if (kind >= QOS_BPS)
		units_format_size(rate, number, sizeof(number));
	else
		snprintf(number, sizeof(number), "%" PRIu64, rate);
	append(text, capacity, number);
	append(text, capacity, kind >= QOS_BPS ? "/s" : " IOPS");
}

void qos_settings_describe(const struct qos_settings *settings, char *text, size_t capacity)
{
	static const char *const what[] = {"", " of reads", " of writes"};

	text[0] = '\0';
	for (unsigned kind = 0; kind < QOS_KIND_COUNT; kind++) {
		const struct qos_limit *limit = &settings->limits.limit[kind];
		char seconds[32];

		if (!limit->rate)
			continue;
		append(text, capacity, text[0] ? ", " : "");
		append_rate(text, capacity, kind, limit->rate);
		append(text, capacity, what[kind % 3]);
		if (!limit->burst)
			continue;
		append(text, capacity, " (");
		append_rate(text, capacity, kind, limit->burst);
		snprintf(seconds, sizeof(seconds), " for %" PRIu32 " s)", limit->burst_seconds);
		append(text, capacity, seconds);
	}
}
