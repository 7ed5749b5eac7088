/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_DISK_H
#define STRAIT_DISK_H

#include "keys.h"

/* What the actions of strait disk share. */
struct disk_command {
	const struct client_command *command;
	const struct client_arguments *arguments; /* operands: the action, then names */
	struct key_options *keys;
	const char *unset, *more; /* --unset, --more; NULL: not given */
	bool force;
	struct client *client; /* connected */
};

/* Each returns an exit code, having said what went wrong. */

/* disk_show.c */
int disk_list(const struct disk_command *disk);
int disk_show(const struct disk_command *disk);

/* disk_add.c */
int disk_add(const struct disk_command *disk);

/* disk.c: the keys that were given, also by --more: an object, or NULL with an exit code. */
json_t *disk_given_keys(const struct disk_command *disk, int *code);

#endif
