/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/block.h"
#include "host/tree.h"

/* Stacks that are deeper or have more parts are rings, which only a hostile capture has. */
#define DEEPEST 16
#define PARTS   1024

/* Whether dm's "vg-my--lv" is VG/LV, as in /dev/vg/my-lv: hyphens of their own are doubled. */
static bool is_volume(const char *dm_name, const char *volume)
{
	for (; *volume && *dm_name; volume++, dm_name++) {
		if (*volume == '/' ? *dm_name != '-' : *dm_name != *volume)
			return false;
		if (*volume == '-' && *++dm_name != '-')
			return false;
	}
	return !*volume && !*dm_name;
}

/* name: behind "/dev/" */
static bool has_name(const struct host_block *block, const char *name)
{
	static const char mapper[] = "mapper/";

	if (strcmp(block->name, name) == 0)
		return true;
	if (!block->dm_name)
		return false;
	if (strncmp(name, mapper, strlen(mapper)) == 0)
		return strcmp(block->dm_name, name + strlen(mapper)) == 0;
	return strchr(name, '/') && is_volume(block->dm_name, name);
}

static const char dev[] = "/dev/";

static const struct host_block *by_device(struct tree *tree, const struct host_blocks *blocks, const char *path)
{
	const char *leads = tree_resolve(tree, "%s", path);

	if (!leads || strncmp(leads, dev, strlen(dev)) != 0)
		leads = path;
	for (unsigned i = 0; strncmp(leads, dev, strlen(dev)) == 0 && i < blocks->count; i++) {
		if (has_name(&blocks->block[i], leads + strlen(dev)))
			return &blocks->block[i];
	}
	return NULL;
}

const struct host_block *host_block_of_path(struct tree *tree, const struct host_blocks *blocks, const char *path)
{
	const struct host_block *block;
	const struct host_mount *mount;
	const char *leads;

	if (!path || path[0] != '/')
		return NULL;
	block = by_device(tree, blocks, path);
	if (block || strncmp(path, dev, strlen(dev)) == 0)
		return block;
	leads = tree_resolve(tree, "%s", path);
	mount = host_mount_of(blocks, leads ? leads : path);
	if (!mount)
		return NULL;
	block = host_block_by_number(blocks, mount->major, mount->minor);
	/* btrfs numbers its file systems itself. */
	return block ? block : by_device(tree, blocks, mount->source);
}

struct walk {
	const struct host_blocks *blocks;
	const struct host_block **disks;
	unsigned count, room, parts;
};

static void walk_down(struct walk *walk, const struct host_block *block, unsigned depth)
{
	if (depth > DEEPEST || ++walk->parts > PARTS || walk->count == walk->room)
		return;
	for (unsigned i = 0; i < block->below_count; i++) {
		const struct host_block *below = host_block_find(walk->blocks, block->below[i]);

		if (below)
			walk_down(walk, below, depth + 1);
	}
	if (block->below_count)
		return;
	for (unsigned i = 0; i < walk->count; i++) {
		if (walk->disks[i] == block)
			return;
	}
	walk->disks[walk->count++] = block;
}

unsigned host_block_disks(const struct host_blocks *blocks, const struct host_block *block,
			  const struct host_block **disks, unsigned room)
{
	struct walk walk = {.blocks = blocks, .disks = disks, .room = room};

	walk_down(&walk, block, 0);
	return walk.count;
}
