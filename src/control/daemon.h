/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DAEMON_H
#define STRAIT_CONTROL_DAEMON_H

#include "base/error.h"
#include "control/config.h"

/*
 * Serve every disk of config until SIGTERM or SIGINT, then drain and return 0.
 * A disk that cannot be opened is logged and marked failed while the others go
 * on; where none can be served, a negative errno with err set to the cause.
 * SIGHUP looks at the size of every disk again. Tells systemd what happens
 * (sd_notify(3): READY, STATUS, STOPPING, WATCHDOG) where it listens.
 * Call once, on the main thread, before any other thread exists.
 */
int daemon_run(const struct config *config, struct error *err);

/*
 * Try what daemon_run() would do with disk, short of serving it: open, lock,
 * look at its size and alignment; then close it. *info says what was found.
 */
int daemon_probe_disk(const struct config_disk *disk, struct storage_info *info, struct error *err);

#endif
