/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libudev.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/file.h"

/*
 * Notice that somebody has changed the size of an image.
 *
 * A file: IN_MODIFY would tell of each of our own writes. Whoever resizes a
 * file opens it for writing and closes it again, or at least touches it, and
 * we do neither. truncate(2) by path alone escapes this; for that there is
 * SIGHUP.
 *
 * A block device: the kernel announces a new capacity as a change of the
 * device. It is asked itself, not udevd, which a container or an initramfs may
 * not have.
 */

static int watch_file(struct file_storage *file)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (inotify_add_watch(fd, file->path, IN_CLOSE_WRITE | IN_ATTRIB) < 0) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

static int watch_device(struct file_storage *file)
{
	int ret;

	file->udev = udev_new();
	if (!file->udev)
		return -ENOMEM;
	file->monitor = udev_monitor_new_from_netlink(file->udev, "kernel");
	if (!file->monitor)
		return -ENOTSUP;
	ret = udev_monitor_filter_add_match_subsystem_devtype(file->monitor, "block", NULL);
	if (ret >= 0)
		ret = udev_monitor_enable_receiving(file->monitor);
	return ret < 0 ? ret : udev_monitor_get_fd(file->monitor);
}

void file_watch_start(struct file_storage *file)
{
	int fd = file->is_block ? watch_device(file) : watch_file(file);

	if (fd >= 0) {
		file->watch_fd = fd;
		return;
	}
	file_watch_stop(file);
	log_warning("disk %s: changes of the size of \"%s\" go unnoticed (%s); send SIGHUP after a resize",
		    file->storage.name, file->path, strerror(-fd));
}

void file_watch_drain(struct file_storage *file)
{
	struct udev_device *device;
	char events[4096];

	if (file->watch_fd < 0)
		return;
	if (file->monitor) {
		while ((device = udev_monitor_receive_device(file->monitor)))
			udev_device_unref(device);
		return;
	}
	while (read(file->watch_fd, events, sizeof(events)) > 0)
		;
}

void file_watch_stop(struct file_storage *file)
{
	if (file->monitor)
		udev_monitor_unref(file->monitor);
	else if (file->watch_fd >= 0)
		close(file->watch_fd);
	if (file->udev)
		udev_unref(file->udev);
	file->monitor = NULL;
	file->udev = NULL;
	file->watch_fd = -1;
}
