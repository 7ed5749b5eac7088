/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/config_check.h"
#include "control/config_take.h"
#include "control/units.h"

/* Limits and shares: "qos" of a disk, and groups. */

static bool in_bytes(unsigned kind)
{
	return kind >= QOS_BPS;
}

static int take_rate(const struct config_taker *taker, unsigned kind, const char *suffix, const char *text,
		     uint64_t *out)
{
	const uint64_t min = in_bytes(kind) ? QOS_MIN_BPS : 1, max = in_bytes(kind) ? QOS_MAX_RATE : QOS_MAX_IOPS;
	uint64_t value;
	char key[40];

	if (!text)
		return 0;
	snprintf(key, sizeof(key), "%s%s", qos_kind_names[kind], suffix);
	if (units_parse_rate(text, in_bytes(kind) ? 1024 : 1000, &value) < 0 || value < min || value > max)
		return config_take_refuse(taker, key, text,
					  in_bytes(kind)
						  ? "expected bytes a second from 1k to 1024g, with k, m or g for "
						    "powers of 1024, as in 100m"
						  : "expected requests a second from 1 to 1000m, with k or m for "
						    "powers of 1000, as in 20k");
	*out = value;
	return 0;
}

static int check_limit(const struct config_taker *taker, const struct config_raw_qos *raw, unsigned kind,
		       struct qos_limit *limit)
{
	const char *name = qos_kind_names[kind];
	uint64_t seconds = 1;
	char burst[40], length[40];
	int ret;

	snprintf(burst, sizeof(burst), "%s-burst", name);
	snprintf(length, sizeof(length), "%s-burst-seconds", name);
	if (raw->burst[kind] && !raw->rate[kind])
		return config_take_refuse(taker, burst, raw->burst[kind],
					  "says how far another limit may be exceeded: expected \"%s\" beside it",
					  name);
	if (raw->burst_seconds[kind] && !raw->burst[kind])
		return config_take_refuse(taker, length, raw->burst_seconds[kind],
					  "says how long a burst may last: expected \"%s\" beside it", burst);
	ret = take_rate(taker, kind, "", raw->rate[kind], &limit->rate);
	if (ret == 0)
		ret = take_rate(taker, kind, "-burst", raw->burst[kind], &limit->burst);
	if (ret == 0)
		ret = config_take_uint(taker, length, raw->burst_seconds[kind], 1, QOS_MAX_BURST_SECONDS, &seconds);
	if (ret < 0 || !limit->burst)
		return ret;
	if (limit->burst <= limit->rate)
		return config_take_refuse(taker, burst, raw->burst[kind], "expected more than \"%s\" (%s)", name,
					  raw->rate[kind]);
	limit->burst_seconds = (uint32_t)seconds;
	return 0;
}

static int check_settings(const struct config_taker *taker, const struct config_raw_qos *raw,
			  struct qos_settings *settings)
{
	uint64_t weight = settings->weight, target = 0;
	int ret = config_take_uint(taker, "weight", raw->weight, 1, QOS_WEIGHT_MAX, &weight);

	if (ret == 0)
		ret = config_take_uint(taker, "latency-target-us", raw->latency_target_us, 1, QOS_MAX_LATENCY_TARGET,
				       &target);
	for (unsigned kind = 0; kind < QOS_KIND_COUNT && ret == 0; kind++)
		ret = check_limit(taker, raw, kind, &settings->limits.limit[kind]);
	settings->weight = (uint32_t)weight;
	settings->latency_target_us = (uint32_t)target;
	return ret;
}

static int take_group(const struct config_taker *taker, const char *key, const char *name, char *out, size_t capacity)
{
	const size_t length = name ? strlen(name) : 0;

	if (!name)
		return 0;
	if (length == 0 || length > CONFIG_MAX_NAME || strspn(name, config_name_letters) != length)
		return config_take_refuse(taker, key, name,
					  "expected 1 to %d letters, digits, dots, underscores and dashes",
					  CONFIG_MAX_NAME);
	snprintf(out, capacity, "%s", name);
	return 0;
}

int config_check_qos(const struct config_taker *disk_taker, const struct config_raw_qos *raw,
		     struct qos_settings *settings)
{
	struct config_taker taker = *disk_taker;
	int ret;

	if (!raw)
		return 0;
	taker.mapping = config_document_key(taker.doc, disk_taker->mapping, "qos").value;
	snprintf(taker.path, sizeof(taker.path), "%.40s.qos", disk_taker->path);
	ret = take_group(&taker, "group", raw->group, settings->group, sizeof(settings->group));
	return ret < 0 ? ret : check_settings(&taker, raw, settings);
}

const struct config_group *config_find_group(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->group_count; i++) {
		if (strcmp(config->groups[i].name, name) == 0)
			return &config->groups[i];
	}
	return NULL;
}

static void take_item(struct config_taker *taker, const char *key, unsigned index)
{
	const struct config_place list = config_document_key(taker->doc, config_document_root(taker->doc), key);

	taker->mapping = config_document_item(taker->doc, list.value, index).value;
	snprintf(taker->path, sizeof(taker->path), "%s[%u]", key, index);
}

static int check_group(const struct config_taker *taker, const struct config_raw_group *raw,
		       const struct config *config, struct config_group *group)
{
	int ret;

	qos_settings_defaults(&group->qos);
	ret = take_group(taker, "name", raw->name, group->name, sizeof(group->name));
	if (ret == 0 && config_find_group(config, group->name))
		return config_take_refuse(taker, "name", raw->name,
					  "another group has it already: expected a name of its own for each group");
	if (ret == 0)
		ret = take_group(taker, "parent", raw->parent, group->qos.group, sizeof(group->qos.group));
	return ret < 0 ? ret : check_settings(taker, &raw->qos, &group->qos);
}

/* A way up that does not end is a circle. */
static int check_parents(const struct config_taker *taker, const struct config *config,
			 const struct config_group *group)
{
	const struct config_group *above = group;
	unsigned levels = 1;

	while (above->qos.group[0] && levels <= config->group_count) {
		const char *parent = above->qos.group;

		above = config_find_group(config, parent);
		/* That of another group is told when it is that one's turn. */
		if (!above && levels > 1)
			return 0;
		if (!above)
			return config_take_refuse(taker, "parent", parent,
						  "there is no such group: expected one of \"groups\"");
		if (above == group)
			return config_take_refuse(taker, "parent", group->qos.group,
						  "is inside of this group itself: expected a group that is not");
		levels++;
	}
	/* A circle further up is told at a group that is part of it. */
	if (levels > QOS_MAX_GROUP_LEVELS && levels <= config->group_count)
		return config_take_refuse(taker, "parent", group->qos.group,
					  "is nested %u deep: expected at most %d groups around a disk", levels,
					  QOS_MAX_GROUP_LEVELS);
	return 0;
}

int config_check_groups(struct config_document *doc, const struct config_raw *raw, struct config *config,
			struct error *err)
{
	struct config_taker taker = {.doc = doc, .err = err};
	int ret = 0;

	for (unsigned i = 0; i < raw->groups_count && ret == 0; i++) {
		take_item(&taker, "groups", i);
		ret = check_group(&taker, &raw->groups[i], config, &config->groups[i]);
		config->group_count = i + 1;
	}
	for (unsigned i = 0; i < raw->groups_count && ret == 0; i++) {
		take_item(&taker, "groups", i);
		ret = check_parents(&taker, config, &config->groups[i]);
	}
	return ret;
}

int config_check_members(struct config_document *doc, const struct config *config, struct error *err)
{
	struct config_taker taker = {.doc = doc, .err = err};

	for (unsigned i = 0; i < config->disk_count; i++) {
		const char *group = config->disks[i].qos.group;

		if (!group[0] || config_find_group(config, group))
			continue;
		take_item(&taker, "disks", i);
		taker.mapping = config_document_key(doc, taker.mapping, "qos").value;
		snprintf(taker.path, sizeof(taker.path), "disks[%u].qos", i);
		return config_take_refuse(&taker, "group", group, "there is no such group: expected one of \"groups\"");
	}
	return 0;
}
