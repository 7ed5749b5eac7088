/* SPDX-License-Identifier: Apache-2.0 */
#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/block.h"
#include "host/document.h"
#include "host/tree.h"

/* Device nodes have a "/" where sysfs has "!". */
static int open_device(const char *name)
{
	char path[256];
	const int length = snprintf(path, sizeof(path), "/dev/%s", name);
	int fd;

	if (length < 0 || (size_t)length >= sizeof(path))
		return -ENAMETOOLONG;
	for (char *at = strchr(path, '!'); at; at = strchr(at, '!'))
		*at = '/';
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static ssize_t probe(int fd, char **text)
{
	blkid_probe prober = blkid_new_probe();
	const char *type = NULL;
	json_t *object;
	int result;

	if (!prober)
		return -ENOMEM;
	blkid_probe_enable_superblocks(prober, 1);
	blkid_probe_set_superblocks_flags(prober, BLKID_SUBLKS_TYPE);
	result = blkid_probe_set_device(prober, fd, 0, 0) == 0 ? blkid_do_safeprobe(prober) : -EIO;
	if (result == 0)
		blkid_probe_lookup_value(prober, "TYPE", &type, NULL);
	/* 1: nothing was found, -2: several things were, which is no answer either. */
	object = result == 0 || result == 1 || result == -2 ? json_object() : NULL;
	if (object && type)
		json_object_set_new(object, "type", json_string(type));
	blkid_free_probe(prober);
	return object ? document_text(object, text) : -EIO;
}

static ssize_t ask_blkid(void *context, char **text)
{
	const int fd = open_device(context);
	ssize_t length;

	if (fd < 0)
		return fd;
	length = probe(fd, text);
	close(fd);
	return length;
}

/* Devices that udev's own rules look at, 60-persistent-storage and 13-dm-disk; of others it knows no more than a name.
 */
static bool is_looked_at(const char *name)
{
	static const char *const beginnings[] = {"sd", "vd", "nvme", "dm-", "dasd", "xvd", "mmcblk"};

	for (unsigned i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	}
	return false;
}

/*
 * What udev found out when the device appeared, or was last written to by the host: it can be read without root, and
 * touches no disk. *done: it has looked, whether or not it found anything.
 */
static const char *ask_udev(struct tree *tree, const struct host_block *block, bool *done)
{
	static const char key[] = "E:ID_FS_TYPE=";
	const char *text;

	*done = false;
	if (tree_readf(tree, &text, "/run/udev/data/b%u:%u", block->major, block->minor) < 0)
		return NULL;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		/* when it was done */
		*done |= strncmp(line, "I:", 2) == 0 && is_looked_at(block->name);
		if (strncmp(line, key, strlen(key)) == 0)
			return tree_format(tree, "%.*s", (int)strcspn(line + strlen(key), "\n"), line + strlen(key));
	}
	return NULL;
}

/* What it is mounted as, which nobody has to be allowed to read it for. */
static const char *mounted_as(const struct host_blocks *blocks, const struct host_block *block)
{
	for (unsigned i = 0; i < blocks->mount_count; i++) {
		const struct host_mount *mount = &blocks->mount[i];

		if (mount->type[0] && (mount->major || mount->minor) && mount->major == block->major &&
		    mount->minor == block->minor)
			return mount->type;
	}
	return NULL;
}

const char *host_block_content(struct tree *tree, const struct host_blocks *blocks, const struct host_block *block)
{
	bool looked;
	const char *text, *content = ask_udev(tree, block, &looked);
	ssize_t length;
	json_t *object;

	if (!content)
		content = mounted_as(blocks, block);
	if (content || looked)
		return content;
	/* A read of storage that hangs never comes back. */
	length = tree_ask_patiently(tree, &text, ask_blkid, (void *)block->name, "blkid/%s.json", block->name);
	object = document_object(text, length);
	content = document_string(tree, object, "type");
	json_decref(object);
	return content;
}
