/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/tree_parts.h"

/* In one directory; more are not looked at. */
#define NAMES_MAX (64u << 10)

/*
 * The names before the last are directories, no links: we have followed these
 * ourselves. Whoever puts a link there meanwhile gets an error from the kernel.
 */
static int disk_open(struct tree *tree, const struct node *node, int flags)
{
	const char *path = node_path(tree, node);
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd;

	if (disk_hangs(tree, path))
		return -ETIMEDOUT;
	path = path[1] ? path + 1 : ".";
	fd = (int)syscall(SYS_openat2, tree->root_fd, path, &how, sizeof(how));
	/* Before Linux 5.6, and where a container has no such call. */
	if (fd < 0 && errno == ENOSYS)
		fd = openat(tree->root_fd, path, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static enum node_kind kind_of(mode_t mode)
{
	return S_ISDIR(mode) ? NODE_DIRECTORY : S_ISREG(mode) ? NODE_FILE : S_ISLNK(mode) ? NODE_LINK : NODE_OTHER;
}

static void read_link(struct tree *tree, struct node *node, int fd)
{
	char target[PATH_MAX];
	const ssize_t length = readlinkat(fd, "", target, sizeof(target) - 1);

	if (length >= 0) {
		node_fill(tree, node, NODE_LINK, target, (size_t)length);
	} else {
		node->error = -errno;
		node->taken = true;
	}
}

void disk_find_out(struct tree *tree, struct node *node)
{
	const int fd = disk_open(tree, node, O_PATH);
	struct stat status;

	if (fd < 0) {
		node->kind = fd == -ENOENT || fd == -ENOTDIR || fd == -ENAMETOOLONG ? NODE_ABSENT : NODE_HIDDEN;
		node->error = node->kind == NODE_ABSENT ? -ENOENT : fd;
		return;
	}
	if (fstat(fd, &status) < 0) {
		node->kind = NODE_HIDDEN;
		node->error = -errno;
	} else {
		node->kind = kind_of(status.st_mode);
		if (node->kind == NODE_LINK)
			read_link(tree, node, fd);
	}
	close(fd);
}

/* In pieces, because the kernel makes room for as much as a read of /proc/sys asks for and refuses what is too large.
 */
#define PIECE (64u << 10)

static ssize_t read_all(int fd, char *buffer)
{
	size_t length = 0;

	while (length <= TREE_FILE_MAX) {
		const size_t room = TREE_FILE_MAX + 1 - length;
		const ssize_t got = read(fd, buffer + length, room < PIECE ? room : PIECE);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return (ssize_t)length;
		length += (size_t)got;
	}
	return -E2BIG;
}

ssize_t disk_read_file(struct tree *tree, struct node *node)
{
	struct stat status;
	ssize_t ret;
	int fd;

	/* What a process was given there may be a secret, and nobody has to know it. */
	if (strcmp(node->name, "environ") == 0)
		return -EPERM;
	fd = disk_open(tree, node, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd;
	ret = fstat(fd, &status) < 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
	if (ret == 0)
		ret = read_all(fd, tree_buffer(tree));
	close(fd);
	return ret;
}

static void add_entry(struct tree *tree, struct node *node, const struct dirent *entry)
{
	struct node *child = node_child(node, entry->d_name);

	if (child)
		return;
	child = node_add(tree, node, entry->d_name);
	if (!child)
		return;
	if (entry->d_type == DT_UNKNOWN)
		disk_find_out(tree, child);
	else
		child->kind = kind_of(DTTOIF(entry->d_type));
}

int disk_read_names(struct tree *tree, struct node *node)
{
	const int fd = disk_open(tree, node, O_RDONLY | O_DIRECTORY);
	const struct dirent *entry;
	unsigned count = 0;
	DIR *directory;

	if (fd < 0)
		return fd;
	directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return -ENOMEM;
	}
	while (errno = 0, (entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (++count > NAMES_MAX) {
			errno = E2BIG;
			break;
		}
		add_entry(tree, node, entry);
	}
	count = (unsigned)errno;
	closedir(directory);
	return -(int)count;
}
