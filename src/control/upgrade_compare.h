/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_UPGRADE_COMPARE_H
#define STRAIT_CONTROL_UPGRADE_COMPARE_H

#include "control/upgrade_wire.h"

/*
 * What may not change in an upgrade in place: what a disk is and where it is
 * found; and, while a front end is connected, what it counts on. Everything
 * else may. -EINVAL with err naming disk, key, both values, what to do.
 */
int upgrade_compare(const struct config_disk *config, const struct upgrade_disk *running, struct error *err);

#endif
