/* SPDX-License-Identifier: Apache-2.0 */
#include "control/qos_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qos_disk *qos_tree_find_disk(const struct qos_tree *tree, const char *name)
{
	struct qos_disk *disk = tree->disks;

	while (disk && strcmp(disk->name, name) != 0)
		disk = disk->next;
	return disk;
}

struct qos_group *qos_tree_find_group(const struct qos_tree *tree, const char *name)
{
	struct qos_group *group = tree->groups;

	while (group && strcmp(group->name, name) != 0)
		group = group->next;
	return group;
}

static void tell_queues(struct qos_disk *disk)
{
	const bool limited = qos_node_limits(&disk->node);

	for (uint32_t i = 0; i < disk->blk->queue_count; i++)
		__atomic_store_n(&disk->blk->queue[i].queue.limited, limited, __ATOMIC_RELAXED);
}

/* Something has changed: who is limited now, and what was held may be due. */
static void tell_all(struct qos_tree *tree)
{
	for (struct qos_disk *disk = tree->disks; disk; disk = disk->next)
		tell_queues(disk);
	for (unsigned i = 0; tree->placement && i < tree->placement->count; i++)
		worker_ask_again(tree->placement->worker[i]);
}

void qos_tree_cap(struct qos_tree *tree, struct qos_disk *disk, uint32_t cap)
{
	if (disk->node.cap == cap)
		return;
	qos_node_set_cap(&disk->node, cap);
	tell_queues(disk);
	for (unsigned i = 0; tree->placement && i < tree->placement->count; i++)
		worker_ask_again(tree->placement->worker[i]);
}

void qos_tree_set_stats(struct qos_tree *tree, const struct blk *blk, struct stats_disk *stats)
{
	for (struct qos_disk *disk = tree->disks; disk; disk = disk->next) {
		if (disk->blk == blk)
			disk->stats = stats;
	}
}

/* The group that settings name, NULL where they name none. */
static int parent_of(const struct qos_tree *tree, const struct qos_settings *settings, const char *what,
		     const char *name, struct qos_group **parent, struct error *err)
{
	*parent = settings->group[0] ? qos_tree_find_group(tree, settings->group) : NULL;
	if (settings->group[0] && !*parent)
		return error_set(err, -ENOENT, "%s %s: there is no group %s for it to be in; make that one first", what,
				 name, settings->group);
	return 0;
}

static void apply(struct qos_node *node, const struct qos_settings *settings, struct qos_group *parent)
{
	qos_node_set_weight(node, settings->weight);
	qos_node_set_limits(node, &settings->limits, qos_now());
	qos_node_set_parent(node, parent ? &parent->node : NULL);
}

int qos_tree_add_disk(struct qos_tree *tree, const char *name, struct blk *blk, const struct qos_settings *settings,
		      struct error *err)
{
	struct qos_disk *disk = tree->spare_disks;
	struct qos_group *parent;
	int ret = parent_of(tree, settings, "disk", name, &parent, err);

	if (ret < 0)
		return ret;
	if (disk)
		tree->spare_disks = disk->next;
	else
		disk = aligned_alloc(_Alignof(struct qos_disk), sizeof(*disk));
	if (!disk)
		return error_set(err, -ENOMEM, "disk %s: no memory for its limits", name);
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	disk->settings = *settings;
	disk->blk = blk;
	disk->stats = NULL;
	disk->latency = (struct latency_disk){0};
	disk->noise = (struct noise_disk){0};
	disk->latency_view = disk->noise_view = NULL;
	qos_node_init(&disk->node, qos_now());
	apply(&disk->node, settings, parent);
	for (uint32_t i = 0; i < blk->queue_count; i++)
		blk->queue[i].queue.qos = &disk->node;
	disk->next = tree->disks;
	tree->disks = disk;
	tell_queues(disk);
	return 0;
}

void qos_tree_remove_disk(struct qos_tree *tree, const struct blk *blk)
{
	struct qos_disk **link = &tree->disks, *disk;

	while (*link && (*link)->blk != blk)
		link = &(*link)->next;
	disk = *link;
	if (!disk)
		return;
	*link = disk->next;
	qos_node_set_parent(&disk->node, NULL);
	qos_disk_forget_views(disk);
	disk->next = tree->spare_disks;
	tree->spare_disks = disk;
}

int qos_tree_set_disk(struct qos_tree *tree, const char *name, const struct qos_settings *settings, struct error *err)
{
	struct qos_disk *disk = qos_tree_find_disk(tree, name);
	struct qos_group *parent;
	int ret;

	if (!disk)
		return error_set(err, -ENOENT, "disk %s: there is none of that name that is served", name);
	ret = parent_of(tree, settings, "disk", name, &parent, err);
	if (ret < 0)
		return ret;
	disk->settings = *settings;
	apply(&disk->node, settings, parent);
	tell_all(tree);
	return 0;
}

/* How many groups there are inside of each other from this one down. */
static unsigned height_of(const struct qos_tree *tree, const struct qos_group *group)
{
	unsigned highest = 0;

	for (const struct qos_group *inner = tree->groups; inner; inner = inner->next) {
		if (inner->node.parent == &group->node) {
			const unsigned height = height_of(tree, inner);

			highest = height > highest ? height : highest;
		}
	}
	return highest + 1;
}

/* group, which may not be there yet, in parent. */
static int check_place(const struct qos_tree *tree, const char *name, const struct qos_group *group,
		       const struct qos_group *parent, struct error *err)
{
	unsigned levels = group ? height_of(tree, group) : 1;

	if (!parent)
		return 0;
	for (const struct qos_node *above = &parent->node; above; above = above->parent) {
		if (group && above == &group->node)
			return error_set(err, -EINVAL,
					 "group %s: %s is inside of it and cannot be around it: expected a group that "
					 "is not",
					 name, parent->name);
		levels++;
	}
	if (levels > QOS_MAX_GROUP_LEVELS)
		return error_set(err, -EINVAL,
				 "group %s: in %s groups would be nested %u deep: expected at most %d around a disk",
				 name, parent->name, levels, QOS_MAX_GROUP_LEVELS);
	return 0;
}

static struct qos_group *add_group(struct qos_tree *tree, const char *name)
{
	struct qos_group *group = tree->spare_groups, **link = &tree->groups;

	if (group)
		tree->spare_groups = group->next;
	else
		group = aligned_alloc(_Alignof(struct qos_group), sizeof(*group));
	if (!group)
		return NULL;
	snprintf(group->name, sizeof(group->name), "%s", name);
	qos_node_init(&group->node, qos_now());
	group->next = NULL;
	while (*link)
		link = &(*link)->next;
	*link = group;
	return group;
}

int qos_tree_set_group(struct qos_tree *tree, const char *name, const struct qos_settings *settings, struct error *err)
{
	struct qos_group *group = qos_tree_find_group(tree, name), *parent;
	int ret = parent_of(tree, settings, "group", name, &parent, err);

	if (ret == 0)
		ret = check_place(tree, name, group, parent, err);
	if (ret < 0)
		return ret;
	if (!group)
		group = add_group(tree, name);
	if (!group)
		return error_set(err, -ENOMEM, "group %s: no memory for its limits", name);
	group->settings = *settings;
	apply(&group->node, settings, parent);
	tell_all(tree);
	return 0;
}

int qos_tree_remove_group(struct qos_tree *tree, const char *name, struct error *err)
{
	struct qos_group **link = &tree->groups, *group;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	group = *link;
	if (!group)
		return error_set(err, -ENOENT, "group %s: there is none of that name", name);
	for (const struct qos_disk *disk = tree->disks; disk; disk = disk->next) {
		if (disk->node.parent == &group->node)
			return error_set(err, -EBUSY, "group %s: disk %s is in it; expected a group without members",
					 name, disk->name);
	}
	for (const struct qos_group *inner = tree->groups; inner; inner = inner->next) {
		if (inner->node.parent == &group->node)
			return error_set(err, -EBUSY, "group %s: group %s is in it; expected a group without members",
					 name, inner->name);
	}
	*link = group->next;
	qos_node_set_parent(&group->node, NULL);
	group->next = tree->spare_groups;
	tree->spare_groups = group;
	return 0;
}

/* Outer groups first: in the configuration they may stand in any order. */
static int init_group(struct qos_tree *tree, const struct config *config, const struct config_group *group,
		      struct error *err)
{
	if (qos_tree_find_group(tree, group->name))
		return 0;
	for (unsigned i = 0; i < config->group_count; i++) {
		if (strcmp(config->groups[i].name, group->qos.group) == 0 &&
		    init_group(tree, config, &config->groups[i], err) < 0)
			return err->code;
	}
	return qos_tree_set_group(tree, group->name, &group->qos, err);
}

int qos_tree_init(struct qos_tree *tree, const struct config *config, struct placement *placement, struct error *err)
{
	*tree = (struct qos_tree){.placement = placement};
	for (unsigned i = 0; i < config->group_count; i++) {
		if (init_group(tree, config, &config->groups[i], err) < 0) {
			qos_tree_destroy(tree);
			return err->code;
		}
	}
	return 0;
}

static void free_disks(struct qos_disk *disk)
{
	while (disk) {
		struct qos_disk *next = disk->next;

		free(disk);
		disk = next;
	}
}

static void free_groups(struct qos_group *group)
{
	while (group) {
		struct qos_group *next = group->next;

		free(group);
		group = next;
	}
}

void qos_tree_destroy(struct qos_tree *tree)
{
	for (struct qos_disk *disk = tree->disks; disk; disk = disk->next)
		qos_disk_forget_views(disk);
	free_disks(tree->disks);
	free_disks(tree->spare_disks);
	free_groups(tree->groups);
	free_groups(tree->spare_groups);
	*tree = (struct qos_tree){0};
}
