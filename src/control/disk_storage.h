/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DISK_STORAGE_H
#define STRAIT_CONTROL_DISK_STORAGE_H

#include "base/error.h"
#include "control/config.h"
#include "storage/storage.h"

/* Open the storage that a disk is configured to have, with its wrappers. 0, or a negative errno with err set. */
int disk_storage_open(const struct config_disk *config, struct storage **out, struct error *err);

#endif
