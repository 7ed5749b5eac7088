/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_FLEET_H
#define STRAIT_CONTROL_FLEET_H

#include "control/config.h"
#include "control/disk.h"

/*
 * The disks of a daemon, which come and go at run time. Control thread. A
 * member stays where it is in memory as long as it exists, and owns its
 * configuration.
 */
struct fleet_disk {
	struct fleet_disk *next; /* in the order of the configuration, later ones at the end */
	struct config_disk *config;
	struct disk disk; /* disk.closed: it failed to open, or is gone */
	bool failed;
	bool paused; /* by an operator */
	bool removed; /* is being closed, and then forgotten */
};

struct fleet {
	struct fleet_disk *first;
	unsigned count;
};

/* NULL where there is none of that name. */
struct fleet_disk *fleet_find(const struct fleet *fleet, const char *name);

#endif
