/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DAEMON_CONFIG_H
#define STRAIT_CONTROL_DAEMON_CONFIG_H

#include "control/daemon_parts.h"

/* What runs, as configuration, and how a file differs from it. Control thread. */

/* The tree that a file would have from which this would be started. NULL: no memory. */
json_t *daemon_config(const struct daemon *daemon);

/*
 * What would have to change for what runs to be what text says: the result of
 * config.diff. A value that is written otherwise and means the same is no
 * difference. 0 with *out, or a negative errno with err set: -EINVAL where it
 * is no configuration; path is for that message.
 */
int daemon_config_diff(const struct daemon *daemon, const char *path, const char *text, json_t **out,
		       struct error *err);

#endif
