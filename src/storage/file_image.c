/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "storage/file.h"

static const char *const cache_names[] = {
	[STORAGE_CACHE_NONE] = "none",
	[STORAGE_CACHE_WRITEBACK] = "writeback",
	[STORAGE_CACHE_WRITETHROUGH] = "writethrough",
	[STORAGE_CACHE_DIRECTSYNC] = "directsync",
	[STORAGE_CACHE_UNSAFE] = "unsafe",
};

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
		return "a character device";
	default:
		return "of an unknown type";
	}
}

static int check_type(const struct file_storage *file, const struct stat *st, struct error *err)
{
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
		return 0;
	return error_set(err, -EINVAL, "disk %s: \"%s\" is %s: expected a regular file or a block device",
			 file->storage.name, file->path, kind_of(st->st_mode));
}

static bool can_be_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int open_error(const struct file_storage *file, const struct storage_file_options *options, int error,
		      struct error *err)
{
	const char *name = file->storage.name, *path = file->path;

	switch (error) {
	case ENOENT:
		return error_set(
			err, -error,
			"disk %s: \"%s\" does not exist; create it (truncate -s SIZE FILE) or correct the path", name,
			path);
	case EACCES:
	case EPERM:
	case EROFS:
		if (!options->read_only && can_be_read(path))
			return error_set(
				err, -error,
				"disk %s: \"%s\" may be read but not written by user %u (%s); set \"read-only: "
				"true\" or allow writing",
				name, path, geteuid(), strerror(error));
		return error_set(err, -error, "disk %s: user %u may not open \"%s\" (%s); correct its owner or mode",
				 name, geteuid(), path, strerror(error));
	case EINVAL:
		if (!file->direct)
			break;
		return error_set(
			err, -error,
			"disk %s: the file system of \"%s\" does not support O_DIRECT, which \"cache: %s\" needs; use "
			"\"cache: %s\"",
			name, path, cache_names[options->cache],
			options->cache == STORAGE_CACHE_DIRECTSYNC ? "writethrough\" or \"cache: writeback"
								   : "writeback");
	case EBUSY:
		return error_set(
			err, -error,
			"disk %s: \"%s\" is in use by this host: mounted, part of another device, or another disk "
			"here; free it, or set \"read-only: true\"",
			name, path);
	}
	return error_set(err, -error, "disk %s: cannot open \"%s\": %s", name, path, strerror(error));
}

/* Not in <linux/magic.h>. */
#define XFS_MAGIC 0x58465342

/*
 * What the file system's kind says. Each syncs a buffered write with RWF_DSYNC,
 * and one with O_DIRECT that it can do at once; but where that goes on in the
 * background, only some sync at its end: FUSE does not (Linux 6.18).
 */
void file_learn_file_system(struct file_storage *file)
{
	struct statfs fs;
	bool known = !file->is_block && fstatfs(file->fd, &fs) == 0;

	file->in_memory = known && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
	file->storage.info.works_inline = file->in_memory;
	file->trust_dsync =
		file->is_block || !file->direct || file->in_memory ||
		(known && (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC));
}

static int open_path(struct file_storage *file, const struct storage_file_options *options, struct error *err)
{
	int flags = O_CLOEXEC | (options->read_only ? O_RDONLY : O_RDWR);
	struct stat st;
	int ret;

	/* Looked at first: opening a FIFO could wait, and opening a device can have effects. */
	if (stat(file->path, &st))
		return open_error(file, options, errno, err);
	ret = check_type(file, &st, err);
	if (ret)
		return ret;
	if (file->direct)
		flags |= O_DIRECT;
	/* The kernel's own users of a device (mounts, RAID, volume groups) know no image locks but these. */
	if (S_ISBLK(st.st_mode) && !options->read_only)
		flags |= O_EXCL;
	file->fd = open(file->path, flags);
	/* A device that is handed over to a neighbour is looked at only: the kernel knows no way to pass that claim on.
	 */
	if (file->fd >= 0 && options->lock_running && flags & O_EXCL) {
		close(file->fd);
		file->fd = open(file->path, flags & ~O_EXCL);
	}
	return file->fd < 0 ? open_error(file, options, errno, err) : 0;
}

/* Beside an inherited one. A block device stays claimed by the one that is shared, as long as that is open. */
static void open_own(struct file_storage *file, const struct storage_file_options *options, const struct stat *shared)
{
	const int flags = O_CLOEXEC | O_NONBLOCK | (options->read_only ? O_RDONLY : O_RDWR);
	struct stat st;

	file->own_fd = open(file->path, flags | (file->direct ? O_DIRECT : 0));
	if (file->own_fd < 0)
		return;
	if (fstat(file->own_fd, &st) == 0 && st.st_dev == shared->st_dev && st.st_ino == shared->st_ino &&
	    fcntl(file->own_fd, F_SETFL, file->direct ? O_DIRECT : 0) == 0)
		return;
	close(file->own_fd);
	file->own_fd = -1;
}

int file_image_set_direct(struct file_storage *file, enum storage_cache cache, struct error *err)
{
	const struct storage_file_options options = {.cache = cache};
	/* With O_NONBLOCK an io_uring answers EAGAIN where a file system knows no other way than to wait. */
	const int got = fcntl(file->fd, F_GETFL), flags = got & ~(O_DIRECT | O_NONBLOCK);

	if (got >= 0 && fcntl(file->fd, F_SETFL, file->direct ? flags | O_DIRECT : flags) == 0)
		return 0;
	return open_error(file, &options, errno, err);
}

/* Whoever opened it had the right to; whether it is what the disk needs is looked at here. */
static int check_given(struct file_storage *file, const struct storage_file_options *options, struct error *err)
{
	const int flags = fcntl(file->fd, F_GETFL);
	const int mode = flags & O_ACCMODE;
	struct stat st;
	int ret;

	if (flags < 0 || fstat(file->fd, &st))
		return open_error(file, options, errno, err);
	ret = check_type(file, &st, err);
	if (ret)
		return ret;
	if (flags & O_PATH || mode == O_WRONLY || (mode == O_RDONLY && !options->read_only))
		return error_set(err, -EACCES, "disk %s: the descriptor of \"%s\" is open %s: expected %s",
				 file->storage.name, file->path,
				 flags & O_PATH     ? "as a path"
				 : mode == O_RDONLY ? "for reading"
						    : "for writing",
				 options->read_only ? "one for reading" : "one for reading and writing");
	if (flags & O_APPEND)
		return error_set(err, -EINVAL,
				 "disk %s: the descriptor of \"%s\" is open for appending: expected one without "
				 "O_APPEND",
				 file->storage.name, file->path);
	return file_image_set_direct(file, options->cache, err);
}

int file_image_open(struct file_storage *file, const struct storage_file_options *options, struct stat *st,
		    struct error *err)
{
	int ret = 0;

	file->direct = file_cache_is_direct(options->cache);
	if (options->inherited)
		file->fd = options->fd;
	else if (options->given)
		ret = check_given(file, options, err);
	else
		ret = open_path(file, options, err);
	if (ret)
		return ret;
	/* What is open now is what counts. */
	if (fstat(file->fd, st))
		return open_error(file, options, errno, err);
	if (options->inherited)
		open_own(file, options, st);
	file->is_block = S_ISBLK(st->st_mode);
	file->device = file->is_block ? st->st_rdev : st->st_dev;
	file_learn_file_system(file);
	return check_type(file, st, err);
}

int file_image_size(const struct file_storage *file, uint64_t *size)
{
	struct stat st;

	if (file->is_block)
		return ioctl(file->fd, BLKGETSIZE64, size) ? -errno : 0;
	if (fstat(file->fd, &st))
		return -errno;
	*size = (uint64_t)st.st_size;
	return 0;
}
