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
	memcpy(disk, from, sizeof(*disk));
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

/* Only what can be compared byte by byte, with what lies between the members. */
static void strip(struct config_disk *disk)
{
	const char **strings[MAX_STRINGS];
	unsigned count;

	each_string(disk, strings, &count);
	for (unsigned i = 0; i < count; i++)
		*strings[i] = NULL;
	disk->socket_fd = disk->image_fd = -1;
	disk->at_run_time = disk->confined = false;
}

bool config_disk_same(const struct config_disk *a, const struct config_disk *b)
{
	const char **a_strings[MAX_STRINGS], **b_strings[MAX_STRINGS];
	struct config_disk a_copy, b_copy;
	unsigned count;

	memcpy(&a_copy, a, sizeof(*a));
	memcpy(&b_copy, b, sizeof(*b));
	each_string(&a_copy, a_strings, &count);
	each_string(&b_copy, b_strings, &count);
	for (unsigned i = 0; i < count; i++) {
		const char *one = *a_strings[i], *other = *b_strings[i];

		if (!one != !other || (one && strcmp(one, other) != 0))
			return false;
	}
	strip(&a_copy);
	strip(&b_copy);
	return memcmp(&a_copy, &b_copy, sizeof(a_copy)) == 0;
}

void config_disk_update(struct config_disk *disk, const struct config_disk *from)
{
	const char **old[MAX_STRINGS], **new[MAX_STRINGS];
	struct config_disk copy;
	unsigned count;

	memcpy(&copy, from, sizeof(copy));
	each_string(disk, old, &count);
	each_string(&copy, new, &count);
	for (unsigned i = 0; i < count; i++)
		*new[i] = *old[i];
	copy.socket_fd = disk->socket_fd;
	copy.image_fd = disk->image_fd;
	copy.at_run_time = disk->at_run_time;
	copy.confined = disk->confined;
	memcpy(disk, &copy, sizeof(copy));
}
