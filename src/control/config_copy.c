/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "control/config.h"

/* The strings of a disk's configuration: all of them, or a copy would point into what it was copied from. */
static void each_string(struct config_disk *disk, const char **strings[], unsigned *count)
{
	*count = 0;
	strings[(*count)++] = (const char **)&disk->name;
	strings[(*count)++] = (const char **)&disk->socket;
	strings[(*count)++] = &disk->access.owner;
	strings[(*count)++] = &disk->access.group;
	strings[(*count)++] = (const char **)&disk->file;
	strings[(*count)++] = (const char **)&disk->record;
}

#define MAX_STRINGS 16

struct config_disk *config_disk_copy(const struct config_disk *from)
{
	struct config_disk *disk = malloc(sizeof(*disk));
	const char **strings[MAX_STRINGS];
	bool complete = true;
	unsigned count;

	if (!disk)
		return NULL;
	*disk = *from;
	each_string(disk, strings, &count);
	for (unsigned i = 0; i < count; i++) {
		if (!*strings[i])
			continue;
		*strings[i] = strdup(*strings[i]);
		complete = complete && *strings[i];
	}
	if (complete)
		return disk;
	config_disk_free(disk);
	return NULL;
}

void config_disk_free(struct config_disk *disk)
{
	const char **strings[MAX_STRINGS];
	unsigned count;

	if (!disk)
		return;
	each_string(disk, strings, &count);
	for (unsigned i = 0; i < count; i++)
		free((char *)*strings[i]);
	free(disk);
}
