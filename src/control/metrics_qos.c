/* SPDX-License-Identifier: Apache-2.0 */
#include "control/metrics_parts.h"

/* Limits that there are; what has none has no sample. */
static void put_limits(struct metrics_text *text, const char *name, const char *label, const char *value,
		       const struct qos_limits *limits)
{
	for (unsigned kind = 0; kind < QOS_KIND_COUNT; kind++) {
		const struct metrics_labels labels = {.name = {label, "limit"}, .value = {value, qos_kind_names[kind]}};

		if (limits->limit[kind].rate)
			metrics_text_uint(text, name, &labels, limits->limit[kind].rate);
	}
}

static uint64_t held_by(const struct qos_node *node)
{
	return __atomic_load_n(&node->held, __ATOMIC_RELAXED);
}

static void put_noise(const struct qos_tree *tree, struct metrics_text *text)
{
	const struct qos_disk *disk;

	metrics_text_family(text, "strait_disk_pressure_ratio", "gauge",
			    "Share of a disk in all that the storage had to do in the last second, 0 to 1.");
	for (disk = tree->disks; disk; disk = disk->next) {
		const struct metrics_labels labels = {.name = {"disk"}, .value = {disk->name}};

		metrics_text_double(text, "strait_disk_pressure_ratio", &labels, disk->noise.pressure);
	}
	metrics_text_family(text, "strait_disk_noisy", "gauge",
			    "1: a disk has most of the storage while another one suffers.");
	for (disk = tree->disks; disk; disk = disk->next) {
		const struct metrics_labels labels = {.name = {"disk"}, .value = {disk->name}};

		metrics_text_uint(text, "strait_disk_noisy", &labels, disk->noise.noisy);
	}
}

/* Of all disks in a group and in those below it, which are no more than QOS_LEVELS deep. */
static uint64_t held_in(const struct qos_node *group)
{
	uint64_t sum = held_by(group);

	for (const struct qos_node *member = group->members; member; member = member->next_member)
		sum += held_in(member);
	return sum;
}

static void put_disks(const struct qos_tree *tree, struct metrics_text *text)
{
	const struct qos_disk *disk;

	metrics_text_family(text, "strait_disk_info", "gauge", "1; the group that a disk is in, empty: none.");
	for (disk = tree->disks; disk; disk = disk->next) {
		const struct metrics_labels labels = {.name = {"disk", "group"},
						      .value = {disk->name, disk->settings.group}};

		metrics_text_uint(text, "strait_disk_info", &labels, 1);
	}
	metrics_text_family(text, "strait_disk_limit_per_second", "gauge",
			    "Limits of a disk (QoS), requests or bytes a second.");
	for (disk = tree->disks; disk; disk = disk->next)
		put_limits(text, "strait_disk_limit_per_second", "disk", disk->name, &disk->settings.limits);
	metrics_text_family(text, "strait_disk_latency_target_seconds", "gauge",
			    "What 99 of 100 requests of a disk are to take at most (QoS).");
	for (disk = tree->disks; disk; disk = disk->next) {
		const struct metrics_labels labels = {.name = {"disk"}, .value = {disk->name}};

		if (disk->settings.latency_target_us)
			metrics_text_seconds(text, "strait_disk_latency_target_seconds", &labels,
					     disk->settings.latency_target_us * 1000ull);
	}
	metrics_text_family(text, "strait_disk_waiting_requests", "gauge",
			    "Requests that wait for a limit of the disk or its groups now.");
	for (disk = tree->disks; disk; disk = disk->next) {
		const struct metrics_labels labels = {.name = {"disk"}, .value = {disk->name}};

		metrics_text_uint(text, "strait_disk_waiting_requests", &labels, held_by(&disk->node));
	}
}

static void put_groups(const struct qos_tree *tree, struct metrics_text *text)
{
	const struct qos_group *group;

	metrics_text_family(text, "strait_group_info", "gauge", "1; the group that a group is in, empty: none.");
	for (group = tree->groups; group; group = group->next) {
		const struct metrics_labels labels = {.name = {"group", "parent"},
						      .value = {group->name, group->settings.group}};

		metrics_text_uint(text, "strait_group_info", &labels, 1);
	}
	metrics_text_family(text, "strait_group_limit_per_second", "gauge",
			    "Limits of a group (QoS), requests or bytes a second.");
	for (group = tree->groups; group; group = group->next)
		put_limits(text, "strait_group_limit_per_second", "group", group->name, &group->settings.limits);
	metrics_text_family(text, "strait_group_waiting_requests", "gauge",
			    "Requests of all disks in a group, and in groups in it, that wait for a limit now.");
	for (group = tree->groups; group; group = group->next) {
		const struct metrics_labels labels = {.name = {"group"}, .value = {group->name}};

		metrics_text_uint(text, "strait_group_waiting_requests", &labels, held_in(&group->node));
	}
}

void metrics_qos_put(struct metrics *metrics, struct metrics_text *text)
{
	put_disks(&metrics->daemon->qos, text);
	put_noise(&metrics->daemon->qos, text);
	put_groups(&metrics->daemon->qos, text);
}
