/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CMD_STRAITD_CHECK_H
#define STRAIT_CMD_STRAITD_CHECK_H

#include "control/config.h"

/*
 * straitd --check: try every disk as daemon_run() would and print what would
 * be served, and below it what would go wrong. Returns the exit status.
 */
int check_config(const struct config *config);

#endif
