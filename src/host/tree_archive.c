/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "host/tree_parts.h"

#define BLOCK (64u << 10)

/* While an archive, of which nothing is believed, is read into memory. Nothing of it ever reaches a disk. */
struct loading {
	struct tree *tree;
	struct archive *archive;
	const char *name; /* of the file */
	size_t total;
	struct error *err;
};

static int refuse(const struct loading *loading, const char *path, const char *what)
{
	return error_set(loading->err, -EINVAL, "%s: %.200s: %s: is no capture that \"strait capture\" wrote",
			 loading->name, path, what);
}

static int damaged(const struct loading *loading)
{
	const char *why = archive_error_string(loading->archive);

	return error_set(loading->err, -EINVAL,
			 "%s: %.200s: expected a whole file that \"strait capture\" wrote; copy it again, or take a "
			 "new one",
			 loading->name, why ? why : "is damaged");
}

/* Holes are zeroes, and count. */
static int take_file(struct loading *loading, struct node *node, const char *path, int64_t size)
{
	size_t length = 0;
	char *text;

	if (size < 0 || size > (int64_t)TREE_FILE_MAX)
		return refuse(loading, path, "is larger than a file of a capture can be (16 MiB)");
	loading->total += (size_t)size;
	if (loading->total > TREE_TOTAL_MAX)
		return refuse(loading, path, "is too much: a capture holds up to 256 MiB");
	text = tree_alloc(loading->tree, (size_t)size + 1);
	while (length < (size_t)size) {
		const la_ssize_t got = archive_read_data(loading->archive, text + length, (size_t)size - length);

		if (got < 0)
			return damaged(loading);
		if (got == 0)
			return refuse(loading, path, "is shorter than it says");
		length += (size_t)got;
	}
	node_keep(node, NODE_FILE, text, length);
	return 0;
}

static int take_link(const struct loading *loading, struct node *node, const char *path, const char *target)
{
	if (!target || !*target || strlen(target) >= PATH_MAX)
		return refuse(loading, path, "is a link without a target that can be");
	node_fill(loading->tree, node, NODE_LINK, target, strlen(target));
	return 0;
}

/* The node it makes; NULL with the error in ret, or without: nothing is to be made. */
static struct node *make(const struct loading *loading, const char *path, int *ret)
{
	struct node *node = NULL;

	*ret = 0;
	if (path[0] == '/') {
		*ret = refuse(loading, path, "begins at the root: expected a path inside of the capture");
		return NULL;
	}
	*ret = node_make(loading->tree, path, &node);
	if (*ret == -EINVAL)
		refuse(loading, path, "leads out of the capture by \"..\"");
	else if (*ret == -ENOTDIR)
		refuse(loading, path, "is below what is no directory");
	else if (*ret == -ENOSPC)
		refuse(loading, path, "is one file too many: a capture has up to 262144");
	else if (*ret < 0)
		refuse(loading, path, strerror(-*ret));
	return *ret < 0 || node == &loading->tree->root ? NULL : node;
}

static int take(struct loading *loading, struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);
	const mode_t type = archive_entry_filetype(entry);
	struct node *node;
	int ret;

	if (!path)
		return refuse(loading, "?", "has a name that is no text");
	if (archive_entry_hardlink(entry))
		return refuse(loading, path, "is a hard link");
	node = make(loading, path, &ret);
	if (!node)
		return ret;
	if (type == AE_IFDIR) {
		if (node->kind != NODE_ABSENT && node->kind != NODE_DIRECTORY)
			return refuse(loading, path, "is there twice");
		node->kind = NODE_DIRECTORY;
		return 0;
	}
	if (node->kind != NODE_ABSENT)
		return refuse(loading, path, "is there twice");
	if (type == AE_IFLNK)
		return take_link(loading, node, path, archive_entry_symlink(entry));
	if (type == AE_IFREG)
		return take_file(loading, node, path, archive_entry_size(entry));
	return refuse(loading, path, "is a device or a pipe");
}

static int read_entries(struct loading *loading)
{
	struct archive_entry *entry;
	int ret;

	while ((ret = archive_read_next_header(loading->archive, &entry)) == ARCHIVE_OK) {
		ret = take(loading, entry);
		if (ret < 0)
			return ret;
	}
	return ret == ARCHIVE_EOF ? 0 : damaged(loading);
}

int archive_load(struct tree *tree, int fd, const char *name, struct error *err)
{
	struct loading loading = {.tree = tree, .archive = archive_read_new(), .name = name, .err = err};
	int ret = 0;

	if (!loading.archive)
		return error_set(err, -ENOMEM, "%s: no memory", name);
	archive_read_support_filter_zstd(loading.archive);
	archive_read_support_filter_gzip(loading.archive);
	archive_read_support_format_tar(loading.archive);
	if (archive_read_open_fd(loading.archive, fd, BLOCK) != ARCHIVE_OK)
		ret = damaged(&loading);
	else
		ret = read_entries(&loading);
	archive_read_free(loading.archive);
	return ret;
}
