/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_FLEET_H
#define STRAIT_CONTROL_FLEET_H

#include <stddef.h>
#include <sys/types.h>

#include "control/config.h"
#include "control/disk.h"

/*
 * The disks of a daemon, which come and go at run time. Control thread. A
 * member stays where it is in memory as long as it exists, and owns its
 * configuration. Whoever keeps a pointer to one asks fleet_find() again after
 * he was back in the event loop: it may have gone meanwhile.
 *
 *	for (struct fleet_disk *member = fleet->first; member; member = member->next)
 *
 * Members are forgotten from the event loop alone, so such a loop may close
 * disks; it skips those whose disk is closed.
 */
struct disk_change;

/* What file an image is, whatever it is called: of a block device its number, of a file where it lies. */
struct fleet_image {
	bool known;
	dev_t device;
	ino_t inode;
};

struct fleet_disk {
	struct fleet_disk *next; /* in the order of the configuration, later ones at the end */
	struct config_disk *config;
	json_t *tree;     /* of it, as it was written (config.tree): what is written back */
	struct disk disk; /* disk.closed: it failed to open, or is gone */
	struct fleet_image image;
	struct disk_change *change; /* waits until nothing runs (daemon_change.c); NULL: none */
	bool failed;
	bool paused;  /* by an operator */
	bool removed; /* is being closed, and then forgotten */
};

struct fleet {
	struct fleet_disk *first;
	unsigned count;
};

/* A member at the end with copies of config and tree, and a closed disk. NULL: no memory. */
struct fleet_disk *fleet_add(struct fleet *fleet, const struct config_disk *config, const json_t *tree);

/* Each of config's disks. 0 or -ENOMEM with err set; fleet_clear() is next in either case. */
int fleet_fill(struct fleet *fleet, const struct config *config, struct error *err);

/* Take away and free a member whose disk is closed. */
void fleet_forget(struct fleet *fleet, struct fleet_disk *member);

/* All of them. */
void fleet_clear(struct fleet *fleet);

/* NULL where there is none of that name. */
struct fleet_disk *fleet_find(const struct fleet *fleet, const char *name);

/* Look at the image of a member that is about to be opened. */
void fleet_identify(struct fleet_disk *member);

/*
 * Whether a disk can be one of the fleet beside the others: name, socket, and
 * an image of its own unless all only read it. Else -EEXIST with err set and
 * *key, which of these it is.
 */
int fleet_compare(const struct fleet *fleet, const struct fleet_disk *member, const char **key, struct error *err);

static inline struct fleet_disk *fleet_member(const struct disk *disk)
{
	return (struct fleet_disk *)((char *)(uintptr_t)disk - offsetof(struct fleet_disk, disk));
}

/* How many are open, how many have a front end, how many failed. */
struct fleet_tally {
	unsigned open, connected, failed;
};
struct fleet_tally fleet_count(const struct fleet *fleet);

#endif
