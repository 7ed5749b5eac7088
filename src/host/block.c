/* SPDX-License-Identifier: Apache-2.0 */
#include "host/block.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "host/pci.h"
#include "host/tree.h"

#define SECTOR 512

static const char *read_line(struct tree *tree, const char *name, const char *file)
{
	return tree_line(tree, "/sys/class/block/%s/%s", name, file);
}

static int64_t read_number(struct tree *tree, const char *name, const char *file)
{
	return tree_number(tree, HOST_UNKNOWN, "/sys/class/block/%s/%s", name, file);
}

static host_answer read_answer(struct tree *tree, const char *name, const char *file)
{
	const int64_t number = read_number(tree, name, file);

	return number < 0 ? HOST_UNKNOWN : (host_answer)(number != 0);
}

/* The part of text between a word that it begins with and the next of these characters; NULL: it begins otherwise. */
static const char *between(struct tree *tree, const char *text, const char *end)
{
	return tree_format(tree, "%.*s", (int)strcspn(text, end), text);
}

/* "LVM" of "LVM-0xyz..."; a partition of a multipath device is "part1-mpath-...". */
static const char *read_dm_kind(struct tree *tree, const char *uuid)
{
	if (!uuid || !strchr(uuid, '-'))
		return NULL;
	if (strncmp(uuid, "part", strlen("part")) == 0)
		return "part";
	return between(tree, uuid, "-");
}

static void read_kind(struct tree *tree, struct host_block *block)
{
	const char *name = block->name;

	block->start = block->md_degraded = HOST_UNKNOWN;
	block->loop_direct = HOST_UNKNOWN;
	if (tree_exists(tree, "/sys/class/block/%s/partition", name)) {
		block->kind = HOST_BLOCK_PARTITION;
		block->start = read_number(tree, name, "start");
		if (block->start > INT64_MAX / SECTOR)
			block->start = HOST_UNKNOWN;
		else if (block->start > 0)
			block->start *= SECTOR;
	} else if (tree_exists(tree, "/sys/class/block/%s/dm", name)) {
		block->kind = HOST_BLOCK_DM;
		block->dm_name = read_line(tree, name, "dm/name");
		block->dm_kind = read_dm_kind(tree, read_line(tree, name, "dm/uuid"));
	} else if (tree_exists(tree, "/sys/class/block/%s/md", name)) {
		block->kind = HOST_BLOCK_MD;
		block->md_level = read_line(tree, name, "md/level");
		block->md_degraded = read_number(tree, name, "md/degraded");
	} else if (strncmp(name, "loop", strlen("loop")) == 0) {
		block->kind = HOST_BLOCK_LOOP;
		block->loop_file = read_line(tree, name, "loop/backing_file");
		if (block->loop_file)
			block->loop_direct = read_answer(tree, name, "loop/dio");
	} else {
		block->kind = HOST_BLOCK_DISK;
	}
}

/* NAME of the component "NAME" in a path which begins with one of these words and goes on with a digit; NULL: none. */
static const char *component(struct tree *tree, const char *path, const char *word)
{
	const size_t length = strlen(word);

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		if (strncmp(at + 1, word, length) == 0 && strchr("0123456789", at[1 + length]) && at[1 + length])
			return between(tree, at + 1, "/");
	}
	return NULL;
}

/*
 * The disk of a namespace that has several paths belongs to a subsystem, which lists its controllers. The first of them
 * stands for all.
 */
static const char *read_controller(struct tree *tree, const char *path, const char **controller_path)
{
	const char *subsystem = component(tree, path, "nvme-subsys"), *const * names;
	ssize_t count;

	if (!subsystem) {
		*controller_path = path;
		return component(tree, path, "nvme");
	}
	count = tree_listf(tree, &names, "/sys/class/nvme-subsystem/%s", subsystem);
	for (ssize_t i = 0; i < count; i++) {
		unsigned number;
		int end = 0;

		if (sscanf(names[i], "nvme%u%n", &number, &end) != 1 || names[i][end])
			continue;
		*controller_path = tree_resolve(tree, "/sys/class/nvme/%s", names[i]);
		if (*controller_path)
			return names[i];
	}
	*controller_path = path;
	return NULL;
}

static const char *read_transport(struct tree *tree, const struct host_block *block, const char *path)
{
	static const struct {
		const char *component, *transport;
	} known[] = {
		{"usb", "usb"}, {"ata", "sata"}, {"session", "iscsi"}, {"rport-", "fc"}, {"mmc", "mmc"},
	};

	if (block->controller)
		return tree_line(tree, "/sys/class/nvme/%s/transport", block->controller);
	if (component(tree, path, "virtio"))
		return component(tree, path, "host") ? "virtio-scsi" : "virtio";
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (component(tree, path, known[i].component))
			return known[i].transport;
	}
	if (strstr(path, "/end_device-"))
		return "sas";
	return component(tree, path, "host") ? "scsi" : NULL;
}

/* Where the disk is plugged in. disk is the name of the disk that holds the queue: of a partition not its own. */
static void read_place(struct tree *tree, struct host_block *block, const char *disk, const char *path)
{
	const char *controller_path = path;

	block->node = HOST_UNKNOWN;
	if (strncmp(disk, "nvme", strlen("nvme")) == 0)
		block->controller = read_controller(tree, path, &controller_path);
	block->pci = host_pci_of_path(tree, controller_path);
	if (block->pci)
		block->node = (int)tree_number(tree, HOST_UNKNOWN, "/sys/bus/pci/devices/%s/numa_node", block->pci);
	block->transport = read_transport(tree, block, path);
	block->model = block->controller ? tree_line(tree, "/sys/class/nvme/%s/model", block->controller)
					 : read_line(tree, disk, "device/model");
}

/* "none" of "[none] mq-deadline"; "none" alone is what has no other. */
static const char *read_chosen(struct tree *tree, const char *line)
{
	const char *open = line ? strchr(line, '[') : NULL;

	return open ? between(tree, open + 1, "]") : line;
}

static void read_queue(struct tree *tree, struct host_block *block, const char *disk)
{
	const char *const *names;
	const struct {
		int64_t *value;
		const char *file;
	} numbers[] = {
		{&block->nr_requests, "queue/nr_requests"},
		{&block->rq_affinity, "queue/rq_affinity"},
		{&block->wbt_lat_us, "queue/wbt_lat_usec"},
		{&block->nomerges, "queue/nomerges"},
		{&block->io_poll, "queue/io_poll"},
		{&block->logical_block, "queue/logical_block_size"},
		{&block->physical_block, "queue/physical_block_size"},
		{&block->minimum_io, "queue/minimum_io_size"},
		{&block->optimal_io, "queue/optimal_io_size"},
		{&block->queue_tags, "mq/0/nr_tags"},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		*numbers[i].value = read_number(tree, disk, numbers[i].file);
	block->rotational = read_answer(tree, disk, "queue/rotational");
	block->scheduler = read_chosen(tree, read_line(tree, disk, "queue/scheduler"));
	block->write_cache = read_line(tree, disk, "queue/write_cache");
	block->hardware_queues = tree_listf(tree, &names, "/sys/class/block/%s/mq", disk);
	if (block->hardware_queues < 0)
		block->hardware_queues = HOST_UNKNOWN;
}

/* Some disks claim 65535 sectors to be their best: that is no unit of anything. */
#define PAGE 4096

int64_t host_block_unit(const struct host_block *block)
{
	return block->optimal_io > 0 && block->optimal_io % PAGE == 0 ? block->optimal_io : block->physical_block;
}

static void read_alignment(struct tree *tree, struct host_block *block)
{
	const char *offset = read_line(tree, block->name, "alignment_offset");
	const int64_t unit = host_block_unit(block);

	block->aligned = !offset ? HOST_UNKNOWN : (host_answer)(strcmp(offset, "0") == 0);
	if (block->aligned == 1 && block->start != HOST_UNKNOWN && unit > 0)
		block->aligned = block->start % unit == 0;
}

/* What it is made of: its slaves, or the disk of a partition. */
static void read_below(struct tree *tree, struct host_block *block, const char *disk)
{
	const char *const *names, **one;
	ssize_t count;

	if (block->kind == HOST_BLOCK_PARTITION) {
		if (strcmp(disk, block->name) == 0)
			return;
		one = tree_alloc(tree, sizeof(*one));
		one[0] = disk;
		block->below = one;
		block->below_count = 1;
		return;
	}
	count = tree_listf(tree, &names, "/sys/class/block/%s/slaves", block->name);
	if (count > 0) {
		block->below = names;
		block->below_count = (unsigned)count;
	}
}

/* The last component but one of a path, which of a partition is its disk. */
static const char *parent_of(struct tree *tree, const char *path)
{
	const char *end = strrchr(path, '/'), *begin = end;

	while (begin && begin > path && begin[-1] != '/')
		begin--;
	return begin && begin < end ? tree_format(tree, "%.*s", (int)(end - begin), begin) : NULL;
}

static void read_block(struct tree *tree, struct host_block *block, const char *name)
{
	const char *path = tree_resolve(tree, "/sys/class/block/%s", name), *number, *disk = name;
	int64_t sectors;

	block->name = name;
	number = read_line(tree, name, "dev");
	if (!number || sscanf(number, "%u:%u", &block->major, &block->minor) != 2)
		block->major = block->minor = 0;
	if (!path)
		path = name;
	read_kind(tree, block);
	if (block->kind == HOST_BLOCK_PARTITION && parent_of(tree, path))
		disk = parent_of(tree, path);
	sectors = read_number(tree, name, "size");
	block->size = sectors > 0 && sectors <= INT64_MAX / SECTOR ? (uint64_t)sectors * SECTOR : 0;
	read_below(tree, block, disk);
	read_place(tree, block, disk, path);
	if (block->kind == HOST_BLOCK_DISK && !block->transport && strstr(path, "/virtual/"))
		block->kind = HOST_BLOCK_OTHER;
	read_queue(tree, block, disk);
	read_alignment(tree, block);
	host_nvme_health_read(tree, block);
}

void host_blocks_read(struct tree *tree, struct host_blocks *blocks)
{
	const char *const *names;
	ssize_t count = tree_list(tree, "/sys/class/block", &names);

	*blocks = (struct host_blocks){0};
	if (count > 0) {
		blocks->block = tree_alloc(tree, (size_t)count * sizeof(*blocks->block));
		for (ssize_t i = 0; i < count; i++)
			read_block(tree, &blocks->block[blocks->count++], names[i]);
	}
	host_mounts_read(tree, blocks);
	for (unsigned i = 0; i < blocks->count; i++) {
		if (blocks->block[i].size)
			blocks->block[i].content = host_block_content(tree, blocks, &blocks->block[i]);
	}
}

const struct host_block *host_block_find(const struct host_blocks *blocks, const char *name)
{
	for (unsigned i = 0; i < blocks->count; i++) {
		if (strcmp(blocks->block[i].name, name) == 0)
			return &blocks->block[i];
	}
	return NULL;
}

const struct host_block *host_block_by_number(const struct host_blocks *blocks, unsigned major, unsigned minor)
{
	for (unsigned i = 0; i < blocks->count; i++) {
		const struct host_block *block = &blocks->block[i];

		if ((major || minor) && block->major == major && block->minor == minor)
			return block;
	}
	return NULL;
}
