/* SPDX-License-Identifier: Apache-2.0 */
/* File systems of the live machine that do not answer: who looks into one waits for as long as it does. */
#include <errno.h>
#include <libmount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "host/tree_parts.h"

struct tree_mount {
	const char *target;
	size_t length;
	bool asked, hangs;
};

static void read_mounts(struct tree *tree)
{
	struct libmnt_table *table = mnt_new_table_from_file("/proc/self/mountinfo");
	struct libmnt_iter *at = mnt_new_iter(MNT_ITER_FORWARD);
	const int count = table ? mnt_table_get_nents(table) : 0;
	struct libmnt_fs *fs;

	tree->mounts = tree_alloc(tree, ((size_t)(count > 0 ? count : 0) + 1) * sizeof(*tree->mounts));
	while (at && (int)tree->mount_count < count && mnt_table_next_fs(table, at, &fs) == 0) {
		struct tree_mount *mount = &tree->mounts[tree->mount_count++];

		mount->target = tree_format(tree, "%s", mnt_fs_get_target(fs) ?: "");
		mount->length = strcmp(mount->target, "/") == 0 ? 0 : strlen(mount->target);
	}
	mnt_free_iter(at);
	mnt_unref_table(table);
}

/* Of several in one place the last is what is seen there. */
static struct tree_mount *mount_of(struct tree *tree, const char *path)
{
	struct tree_mount *found = NULL;

	for (size_t i = 0; i < tree->mount_count; i++) {
		struct tree_mount *mount = &tree->mounts[i];

		if (strncmp(path, mount->target, mount->length) == 0 &&
		    (path[mount->length] == '/' || !path[mount->length]) && (!found || mount->length >= found->length))
			found = mount;
	}
	return found;
}

/* No file system keeps the answer to this for itself if it is elsewhere. */
static ssize_t provide(void *context, char **text)
{
	struct statvfs status;

	(void)text;
	return statvfs(context, &status) < 0 ? -errno : 0;
}

bool disk_hangs(struct tree *tree, const char *path)
{
	struct tree_mount *mount;
	char *text = NULL;

	/* The kernel's own, which is most of what is read. */
	if (!tree->live || strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0)
		return false;
	if (!tree->mounts)
		read_mounts(tree);
	mount = mount_of(tree, path);
	if (mount && !mount->asked) {
		mount->asked = true;
		mount->hangs = tree_wait(tree, provide, (void *)mount->target, &text) == -ETIMEDOUT;
		free(text);
	}
	return mount && mount->hangs;
}
