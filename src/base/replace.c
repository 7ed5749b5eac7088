/* SPDX-License-Identifier: Apache-2.0 */
#include "base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *text, size_t length)
{
	while (length) {
		const ssize_t written = write(fd, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		length -= (size_t)written;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* As the file that was there. Who may not give it away keeps it, and then for himself: the mode is not for others. */
static int dress(int fd, const char *path)
{
	struct stat old;
	mode_t mask;

	if (stat(path, &old) < 0) {
		mask = umask(0);
		umask(mask);
		return fchmod(fd, 0644 & ~mask) < 0 ? -errno : 0;
	}
	if (fchown(fd, old.st_uid, old.st_gid) < 0 && errno != EPERM)
		return -errno;
	return fchmod(fd, old.st_mode & 07777) < 0 ? -errno : 0;
}

/* The name is there after a power cut, too. Some file systems cannot say. */
static void sync_directory(char *path)
{
	char *slash = strrchr(path, '/');
	int fd;

	if (slash)
		slash[slash == path] = '\0';
	fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* A device or a directory is not to be lost, whoever names it. */
static bool may_be_replaced(const char *path)
{
	struct stat old;

	return stat(path, &old) < 0 || S_ISREG(old.st_mode);
}

static int replace(const char *path, char *temporary, const char *text, size_t length)
{
	int fd, ret;

	if (!may_be_replaced(path))
		return -EINVAL;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = dress(fd, path);
	if (ret == 0)
		ret = write_all(fd, text, length);
	if (close(fd) < 0 && ret == 0)
		ret = -errno;
	if (ret == 0 && rename(temporary, path) < 0)
		ret = -errno;
	if (ret < 0)
		unlink(temporary);
	else
		sync_directory(temporary);
	return ret;
}

int replace_file(const char *path, const char *text, size_t length, struct error *err)
{
	char *real = realpath(path, NULL), *temporary;
	const char *target = real ? real : path;
	int ret = -ENOMEM;

	if (asprintf(&temporary, "%s.XXXXXX", target) >= 0) {
		ret = replace(target, temporary, text, length);
		free(temporary);
	}
	free(real);
	if (ret == -EINVAL)
		return error_set(err, ret, "%s: cannot be replaced: expected a file, or a name that is free", path);
	return ret < 0 ? error_set(err, ret, "%s: cannot be written: %s", path, strerror(-ret)) : 0;
}
