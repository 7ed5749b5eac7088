/* SPDX-License-Identifier: Apache-2.0 */
#include "control/fleet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void free_member(struct fleet_disk *member)
{
	config_disk_free(member->config);
	json_decref(member->tree);
	free(member);
}

struct fleet_disk *fleet_add(struct fleet *fleet, const struct config_disk *config, const json_t *tree)
{
	struct fleet_disk *member = calloc(1, sizeof(*member)), **link = &fleet->first;

	if (!member)
		return NULL;
	member->disk.closed = true;
	member->config = config_disk_copy(config);
	member->tree = json_deep_copy(tree);
	if (!member->config || !member->tree) {
		free_member(member);
		return NULL;
	}
	member->disk.config = member->config;
	while (*link)
		link = &(*link)->next;
	*link = member;
	fleet->count++;
	return member;
}

int fleet_fill(struct fleet *fleet, const struct config *config, struct error *err)
{
	for (unsigned i = 0; i < config->disk_count; i++) {
		if (!fleet_add(fleet, &config->disks[i], json_array_get(json_object_get(config->tree, "disks"), i)))
			return error_set(err, -ENOMEM, "no memory for %u disks", config->disk_count);
	}
	return 0;
}

void fleet_forget(struct fleet *fleet, struct fleet_disk *member)
{
	struct fleet_disk **link = &fleet->first;

	while (*link != member)
		link = &(*link)->next;
	*link = member->next;
	fleet->count--;
	free_member(member);
}

void fleet_clear(struct fleet *fleet)
{
	while (fleet->first)
		fleet_forget(fleet, fleet->first);
}

struct fleet_disk *fleet_find(const struct fleet *fleet, const char *name)
{
	struct fleet_disk *member = fleet->first;

	while (member && strcmp(member->config->name, name) != 0)
		member = member->next;
	return member;
}

struct fleet_tally fleet_count(const struct fleet *fleet)
{
	struct fleet_tally tally = {0};

	for (const struct fleet_disk *member = fleet->first; member; member = member->next) {
		tally.open += !member->disk.closed;
		tally.connected += !member->disk.closed && member->disk.session != NULL;
		tally.failed += member->failed;
	}
	return tally;
}

void fleet_identify(struct fleet_disk *member)
{
	const struct config_disk *config = member->config;
	struct stat status;
	int ret;

	if (!config->file)
		return;
	ret = config->image_fd >= 0 ? fstat(config->image_fd, &status) : stat(config->file, &status);
	if (ret < 0)
		return;
	member->image.known = true;
	member->image.device = S_ISBLK(status.st_mode) ? status.st_rdev : status.st_dev;
	member->image.inode = S_ISBLK(status.st_mode) ? 0 : status.st_ino;
}

static bool same_image(const struct fleet_disk *a, const struct fleet_disk *b)
{
	if (!a->config->file || !b->config->file || (a->config->read_only && b->config->read_only))
		return false;
	if (strcmp(a->config->file, b->config->file) == 0)
		return true;
	return a->image.known && b->image.known && a->image.device == b->image.device &&
	       a->image.inode == b->image.inode;
}

int fleet_compare(const struct fleet *fleet, const struct fleet_disk *member, const char **key, struct error *err)
{
	const struct config_disk *config = member->config;

	for (const struct fleet_disk *other = fleet->first; other; other = other->next) {
		if (other == member)
			continue;
		*key = "name";
		if (strcmp(other->config->name, config->name) == 0)
			return error_set(err, -EEXIST, "disk %s: there is one of that name: expected another name",
					 config->name);
		*key = "socket";
		if (other->config->socket && strcmp(other->config->socket, config->socket) == 0)
			return error_set(err, -EEXIST,
					 "disk %s: socket: \"%s\" is disk %s's: expected a socket of its own",
					 config->name, config->socket, other->config->name);
		*key = "file";
		if (same_image(other, member))
			return error_set(err, -EEXIST,
					 "disk %s: file: \"%s\" is disk %s's: expected an image of its own, unless "
					 "both are read-only",
					 config->name, config->file, other->config->name);
	}
	return 0;
}
