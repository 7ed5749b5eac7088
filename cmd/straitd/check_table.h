/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CMD_STRAITD_CHECK_TABLE_H
#define STRAIT_CMD_STRAITD_CHECK_TABLE_H

#include <libsmartcols/libsmartcols.h>

#include "control/config.h"

/* What straitd --check prints: a row for each disk. NULL, or a negative errno, where memory is short. */
struct libscols_table *check_table_new(void);

/* info is NULL where the disk could not be opened. workers: how many serve its queues. */
int check_table_add(struct libscols_table *table, const struct config_disk *disk, const struct storage_info *info,
		    bool served, unsigned workers);

#endif
