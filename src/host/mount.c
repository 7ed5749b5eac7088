/* SPDX-License-Identifier: Apache-2.0 */
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "host/block.h"
#include "host/tree.h"

#define MOUNTS_MAX 65536

/* So many mounts inside of each other on the way to a file; more are a ring, which only a hostile capture has. */
#define DEEPEST 256

/*
 * libmount puts the root disk of the machine that it runs on in the place of "/dev/root", which is wrong for a capture.
 * So it sees another word there.
 */
static const char obscure[] = " /dev/root ", hidden[] = " /dev/ROOT ";

static char *copy_hidden(const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	for (char *at = strstr(copy, obscure); at; at = strstr(at, obscure))
		memcpy(at, hidden, strlen(hidden));
	return copy;
}

static const char *keep(struct tree *tree, const char *text)
{
	return text ? tree_format(tree, "%s", text) : "";
}

static const char *read_source(struct tree *tree, const struct host_blocks *blocks, const struct host_mount *mount,
			       const char *source)
{
	const struct host_block *block;

	if (!source || strcmp(source, "/dev/ROOT") != 0)
		return keep(tree, source);
	block = host_block_by_number(blocks, mount->major, mount->minor);
	return block ? tree_format(tree, "/dev/%s", block->name) : "/dev/root";
}

static void read_mount(struct tree *tree, const struct host_blocks *blocks, struct libmnt_fs *fs,
		       struct host_mount *mount)
{
	const dev_t number = mnt_fs_get_devno(fs);
	char *options = mnt_fs_strdup_options(fs);

	mount->id = mnt_fs_get_id(fs);
	mount->parent = mnt_fs_get_parent_id(fs);
	mount->major = major(number);
	mount->minor = minor(number);
	mount->source = read_source(tree, blocks, mount, mnt_fs_get_source(fs));
	mount->target = keep(tree, mnt_fs_get_target(fs));
	mount->type = keep(tree, mnt_fs_get_fstype(fs));
	mount->options = keep(tree, options);
	free(options);
}

static void read_table(struct tree *tree, struct host_blocks *blocks, struct libmnt_table *table)
{
	struct libmnt_iter *at = mnt_new_iter(MNT_ITER_FORWARD);
	const int count = mnt_table_get_nents(table);
	struct libmnt_fs *fs;

	if (at && count > 0 && count <= MOUNTS_MAX) {
		blocks->mount = tree_alloc(tree, (size_t)count * sizeof(*blocks->mount));
		while ((int)blocks->mount_count < count && mnt_table_next_fs(table, at, &fs) == 0)
			read_mount(tree, blocks, fs, &blocks->mount[blocks->mount_count++]);
	}
	mnt_free_iter(at);
}

static int compare_ids(const void *a, const void *b)
{
	const int left = *(const int *)a, right = *(const int *)b;

	return (left > right) - (left < right);
}

/* The first that has no parent here. */
static void find_root(struct host_blocks *blocks)
{
	int *ids = malloc((blocks->mount_count + 1) * sizeof(*ids));

	for (unsigned i = 0; ids && i < blocks->mount_count; i++)
		ids[i] = blocks->mount[i].id;
	if (ids)
		qsort(ids, blocks->mount_count, sizeof(*ids), compare_ids);
	for (unsigned i = 0; ids && !blocks->root && i < blocks->mount_count; i++) {
		const struct host_mount *mount = &blocks->mount[i];

		if (strcmp(mount->target, "/") == 0 &&
		    (mount->parent == mount->id ||
		     !bsearch(&mount->parent, ids, blocks->mount_count, sizeof(*ids), compare_ids)))
			blocks->root = mount;
	}
	free(ids);
}

/* A line that is none of mountinfo is left out. */
static int leave_out(struct libmnt_table *table, const char *file, int line)
{
	(void)table;
	(void)file;
	(void)line;
	return 1;
}

void host_mounts_read(struct tree *tree, struct host_blocks *blocks)
{
	struct libmnt_table *table;
	const char *text;
	ssize_t length = tree_read(tree, "/proc/self/mountinfo", &text);
	char *copy = length > 0 ? copy_hidden(text, (size_t)length) : NULL;
	FILE *file = copy ? fmemopen(copy, (size_t)length, "r") : NULL;

	if (file) {
		table = mnt_new_table();
		if (table && mnt_table_set_parser_errcb(table, leave_out) == 0 &&
		    mnt_table_parse_stream(table, file, "mountinfo") == 0)
			read_table(tree, blocks, table);
		mnt_unref_table(table);
		fclose(file);
	}
	free(copy);
	find_root(blocks);
}

/* Whether path is target or lies in it. */
static bool lies_in(const char *path, const char *target)
{
	const size_t length = strlen(target);

	if (strcmp(target, "/") == 0)
		return path[0] == '/';
	return length && strncmp(path, target, length) == 0 && (path[length] == '/' || !path[length]);
}

/*
 * What a walk along path meets first when it is in the mount above; NULL: no other. Of two in the same place it is the
 * later one.
 */
static const struct host_mount *next_on(const struct host_blocks *blocks, const struct host_mount *above,
					const char *path)
{
	const struct host_mount *next = NULL;

	for (unsigned i = 0; i < blocks->mount_count; i++) {
		const struct host_mount *mount = &blocks->mount[i];

		if (mount != above && mount->parent == above->id && lies_in(path, mount->target) &&
		    lies_in(mount->target, above->target) && (!next || strlen(mount->target) <= strlen(next->target)))
			next = mount;
	}
	return next;
}

const struct host_mount *host_mount_of(const struct host_blocks *blocks, const char *path)
{
	const struct host_mount *mount = path ? blocks->root : NULL, *next;

	/* Parents of a capture may form a ring. */
	for (unsigned i = 0; mount && i < DEEPEST; i++) {
		next = next_on(blocks, mount, path);
		if (!next)
			break;
		mount = next;
	}
	return mount && lies_in(path, mount->target) ? mount : NULL;
}
