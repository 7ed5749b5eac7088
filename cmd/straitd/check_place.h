/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CMD_STRAITD_CHECK_PLACE_H
#define STRAIT_CMD_STRAITD_CHECK_PLACE_H

#include <sched.h>

#include "base/error.h"

/*
 * What the machine must have for a configuration to work, found out without
 * touching anything: a running back end must not notice that it was asked
 * about. Both return 0, or a negative errno with err set.
 */

/* Could a socket be made at path: its directory, what is there, who listens on it. */
int check_socket_place(const char *path, struct error *err);

/* May this process run on at least one CPU of cpus? */
int check_cpus(unsigned worker, const cpu_set_t *cpus, struct error *err);

#endif
