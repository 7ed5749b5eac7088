/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "storage/file.h"

static int read_number(const char *path, uint64_t *value)
{
	char text[32], *end;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return -EIO;
	text[length] = '\0';
	errno = 0;
	*value = strtoull(text, &end, 10);
	return end == text || errno ? -EINVAL : 0;
}

int file_sysfs_queue(dev_t device, const char *name, uint64_t *value)
{
	/* A partition has no queue of its own; the directory above it is its disk's. */
	static const char *const layouts[] = {
		"/sys/dev/block/%u:%u/queue/%s",
		"/sys/dev/block/%u:%u/../queue/%s",
	};
	char path[128];
	int ret = -ENOENT;

	for (unsigned i = 0; i < sizeof(layouts) / sizeof(layouts[0]) && ret; i++) {
		snprintf(path, sizeof(path), layouts[i], major(device), minor(device), name);
		ret = read_number(path, value);
	}
	return ret;
}
