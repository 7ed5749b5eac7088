/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/path_build.h"

static bool is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

static void note_file_system(struct path_build *build, struct path_layer *layer, const struct host_mount *mount)
{
	if (is(mount->type, "overlay"))
		path_note(build, layer, PATH_COST, "overlay: the first write copies a whole file");
	else if (is(mount->type, "btrfs") || is(mount->type, "zfs") || is(mount->type, "bcachefs"))
		path_note(build, layer, PATH_COST, "copy on write: images become fragmented");
	else if (is(mount->type, "tmpfs"))
		path_note(build, layer, PATH_RISK, "in memory: gone with the host, and swapped out before");
	else if (mount->type &&
		 (strncmp(mount->type, "nfs", 3) == 0 || is(mount->type, "cifs") || is(mount->type, "ceph")))
		path_note(build, layer, PATH_COST, "a file server: network latency in each request");
	else if (mount->type && strncmp(mount->type, "fuse", 4) == 0)
		path_note(build, layer, PATH_COST, "FUSE: two context switches a request");
}

struct path_layer *path_file(struct path_build *build, struct path_layer *above, const char *file)
{
	const char *path = file ? tree_resolve(build->tree, "%s", file) : NULL;
	const struct host_mount *mount;
	const struct host_block *block;
	struct path_layer *layer;
	bool known;

	if (!file || *file != '/')
		return NULL;
	block = host_block_of_path(build->tree, &build->host->blocks, file);
	if (strncmp(path ? path : file, "/dev/", 5) == 0) {
		if (block)
			path_block(build, above, block);
		return NULL;
	}
	/* Where a file is hidden from us its directory may still be told by name. */
	mount = host_mount_of(&build->host->blocks, path ? path : file);
	if (!mount)
		return NULL;
	layer = path_layer(build, "file system", mount->target, &known);
	path_put_below(build, above, layer);
	if (known)
		return layer;
	path_word(build, layer, "type", mount->type);
	path_fact(build, layer, "source", mount->source);
	note_file_system(build, layer, mount);
	if (!block)
		block = host_block_by_number(&build->host->blocks, mount->major, mount->minor);
	if (block)
		path_block(build, layer, block);
	return layer;
}

/* The words for a block device of a kind. */
static const char *kind_of(const struct host_block *block)
{
	static const char *const kinds[] = {
		[HOST_BLOCK_DISK] = "disk",  [HOST_BLOCK_PARTITION] = "partition", [HOST_BLOCK_DM] = "device mapper",
		[HOST_BLOCK_MD] = "md RAID", [HOST_BLOCK_LOOP] = "loop device",
	};

	if (block->kind == HOST_BLOCK_DM && is(block->dm_kind, "LVM"))
		return "LVM volume";
	if (block->kind == HOST_BLOCK_DM && is(block->dm_kind, "mpath"))
		return "multipath";
	if (block->kind == HOST_BLOCK_DM && block->dm_kind && strncmp(block->dm_kind, "CRYPT", 5) == 0)
		return "dm-crypt";
	return block->kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[block->kind] ? kinds[block->kind]
										    : "block device";
}

static void note_stack(struct path_build *build, struct path_layer *layer, const struct host_block *block)
{
	if (is(layer->kind, "dm-crypt"))
		path_note(build, layer, PATH_COST, "encrypts each byte on the host's CPUs");
	if (block->kind == HOST_BLOCK_MD &&
	    (is(block->md_level, "raid4") || is(block->md_level, "raid5") || is(block->md_level, "raid6")))
		path_note(build, layer, PATH_COST, "%s: small writes read and write parity as well", block->md_level);
	if (block->md_degraded > 0)
		path_note(build, layer, PATH_RISK, "degraded: %lld missing", (long long)block->md_degraded);
	if (block->kind == HOST_BLOCK_LOOP)
		path_note(build, layer, PATH_COST, "a second file system below%s",
			  block->loop_direct == 0 ? ", and its page cache" : "");
	if (block->aligned == 0)
		path_note(build, layer, PATH_COST, "not aligned: small writes are read, changed and written");
}

static void note_disk(struct path_build *build, struct path_layer *layer, const struct host_block *block)
{
	const struct host_nvme_health *nvme = block->nvme;
	/* Virtual ones say that they rotate unless they are told otherwise. */
	const bool virtual = is(block->transport, "virtio"), rotates = block->rotational == 1 && !virtual;

	if (virtual)
		path_note(build, layer, PATH_COST, "itself virtual: its host has more layers below");
	if (rotates)
		path_note(build, layer, PATH_COST, "rotating: milliseconds for each seek");
	if (rotates && is(block->scheduler, "none"))
		path_note(build, layer, PATH_COST, "no scheduler sorts the requests");
	else if (block->rotational == 0 && is(block->transport, "pcie") && block->scheduler &&
		 !is(block->scheduler, "none"))
		path_note(build, layer, PATH_COST, "scheduler %s: work that an NVMe device does itself",
			  block->scheduler);
	if (block->wbt_lat_us > 0 && block->rotational == 0)
		path_fact(build, layer, "writeback-throttling", "on");
	if (!nvme)
		return;
	if (nvme->critical_warning > 0)
		path_note(build, layer, PATH_RISK, "warns of its own health (critical_warning %lld)",
			  (long long)nvme->critical_warning);
	if (nvme->media_errors > 0)
		path_note(build, layer, PATH_RISK, "%lld media errors", (long long)nvme->media_errors);
}

static void add_disk_facts(struct path_build *build, struct path_layer *layer, const struct host_block *block)
{
	path_word(build, layer, "model", block->model);
	path_bytes(build, layer, "size", block->size);
	path_word(build, layer, "transport", block->transport);
	path_fact(build, layer, "scheduler", block->scheduler);
	path_number(build, layer, "requests", block->nr_requests);
	path_number(build, layer, "hardware-queues", block->hardware_queues);
	path_fact(build, layer, "write-cache", block->write_cache);
}

static void add_facts(struct path_build *build, struct path_layer *layer, const struct host_block *block)
{
	path_word(build, layer, "device", block->dm_name);
	path_word(build, layer, "level", block->md_level);
	if (block->kind == HOST_BLOCK_PARTITION)
		path_bytes(build, layer, "size", block->size);
	else
		add_disk_facts(build, layer, block);
	note_stack(build, layer, block);
}

void path_block(struct path_build *build, struct path_layer *above, const struct host_block *block)
{
	struct path_layer *layer;
	bool known;

	layer = path_layer(build, kind_of(block), block->name, &known);
	path_put_below(build, above, layer);
	if (known || build->depth >= PATH_DEPTH)
		return;
	build->depth++;
	add_facts(build, layer, block);
	for (unsigned i = 0; i < block->below_count; i++) {
		const struct host_block *below = host_block_find(&build->host->blocks, block->below[i]);

		if (below)
			path_block(build, layer, below);
	}
	if (block->kind == HOST_BLOCK_LOOP)
		path_file(build, layer, block->loop_file);
	if (!block->below_count && block->kind != HOST_BLOCK_LOOP) {
		note_disk(build, layer, block);
		path_pci(build, layer, block->pci, block->controller ? block->controller : block->name, block->node);
	}
	build->depth--;
}
