/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DAEMON_H
#define STRAIT_CONTROL_DAEMON_H

#include <stdint.h>

#include "base/error.h"
#include "control/config.h"

/*
 * Of a daemon that takes over from a running one (upgrade in place): called
 * once all is ours, or never. No disk that a front end uses stood still for
 * longer than that.
 */
struct daemon_upgrade {
	void (*done)(void *context, uint64_t longest_pause_ns);
	void *context;
};

/*
 * Serve every disk of config until SIGTERM or SIGINT, then drain and return 0.
 * A disk that cannot be opened is logged and marked failed while the others go
 * on; where none can be served, a negative errno with err set to the cause.
 * SIGHUP looks at the size of every disk again. Tells systemd what happens
 * (sd_notify(3): READY, STATUS, STOPPING, WATCHDOG) where it listens.
 * With upgrade, not NULL, the disks are those of the daemon that listens on
 * config's upgrade socket; any failure leaves them to it and is returned.
 * Call once, on the main thread, before any other thread exists.
 */
int daemon_run(struct config *config, const struct daemon_upgrade *upgrade, struct error *err);

/*
 * Try what daemon_run() would do with disk, short of serving it: open, lock,
 * look at its size and alignment; then close it. *info says what was found.
 */
int daemon_probe_disk(const struct config_disk *disk, struct storage_info *info, struct error *err);

#endif
