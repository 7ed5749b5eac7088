/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_QOS_TREE_H
#define STRAIT_CONTROL_QOS_TREE_H

#include "control/config.h"
#include "control/noise.h"
#include "control/placement.h"
#include "device/blk/blk.h"
#include "engine/qos_latency.h"

/*
 * The disks and groups that share something, by name, with what was said of
 * them; see engine/qos.h. Control thread. Everything can change while queues
 * run: workers hear of it.
 */
struct qos_view;
struct stats_disk;

struct qos_disk {
	struct qos_disk *next;
	char name[64];
	struct qos_settings settings;
	struct blk *blk;
	struct stats_disk *stats; /* of the disk; NULL: none */
	struct qos_node node;

	/* qos_watch.c's; noise is for anybody to read */
	struct latency_disk latency;
	struct noise_disk noise;
	struct qos_view *latency_view, *noise_view; /* the last looks; NULL: none yet */
};

struct qos_group {
	struct qos_group *next;
	char name[64];
	struct qos_settings settings;
	struct qos_node node;
};

/* What has been taken out is used again, and freed only at the end: workers may still look at it. */
struct qos_tree {
	struct placement *placement; /* whose workers are told; NULL: none */
	struct qos_disk *disks, *spare_disks;
	struct qos_group *groups, *spare_groups;
};

/* With the groups of config, which have been checked. 0, or -ENOMEM with err set: nothing is left. */
int qos_tree_init(struct qos_tree *tree, const struct config *config, struct placement *placement, struct error *err);

/* There are no workers any more. */
void qos_tree_destroy(struct qos_tree *tree);

/*
 * A disk, whose queues have not run yet; and it goes, its queues having
 * stopped. Negative errno with err set where there is no such group.
 */
int qos_tree_add_disk(struct qos_tree *tree, const char *name, struct blk *blk, const struct qos_settings *settings,
		      struct error *err);
void qos_tree_remove_disk(struct qos_tree *tree, const struct blk *blk);

/*
 * Change what is said of a disk or a group; of a group that is not there: make
 * it. settings have been checked by themselves (config_check.h). 0, or a
 * negative errno with err set, and nothing has changed: -ENOENT where there is
 * no such disk or group, -EINVAL where groups would be nested too deep or in a
 * circle.
 */
int qos_tree_set_disk(struct qos_tree *tree, const char *disk, const struct qos_settings *settings, struct error *err);
int qos_tree_set_group(struct qos_tree *tree, const char *group, const struct qos_settings *settings,
		       struct error *err);

/* -EBUSY with err set where it has members. */
int qos_tree_remove_group(struct qos_tree *tree, const char *group, struct error *err);

/* qos_watch.c: before it goes. */
void qos_disk_forget_views(struct qos_disk *disk);

/* NULL: none. */
struct qos_disk *qos_tree_find_disk(const struct qos_tree *tree, const char *name);
struct qos_group *qos_tree_find_group(const struct qos_tree *tree, const char *name);

/* The disk's statistics have come. */
void qos_tree_set_stats(struct qos_tree *tree, const struct blk *blk, struct stats_disk *stats);

/* Requests that may be under way of a disk at once; 0: no limit. */
void qos_tree_cap(struct qos_tree *tree, struct qos_disk *disk, uint32_t cap);

#endif
