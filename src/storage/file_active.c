/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/file.h"

/*
 * Two daemons may have one image open, so that a guest can go from one to the
 * other: the locks that say who writes are then held by the one whose queues
 * run. Nothing here takes a path: by then the sandbox allows none.
 */

int file_activate(struct storage *storage, struct error *err)
{
	struct file_storage *file = file_of(storage);
	int ret;

	if (file->active)
		return 0;
	ret = file_lock(file, FILE_LOCK_RUNNING_NS, err);
	if (ret) {
		/* What was taken before one was refused. */
		file_unlock(file);
		return ret;
	}
	file->active = true;
	return 1;
}

void file_deactivate(struct storage *storage)
{
	struct file_storage *file = file_of(storage);

	if (!file->lock_running || !file->active)
		return;
	file_unlock(file);
	file->active = false;
}

/*
 * The locks on the open file that we share say nothing about the dead: we hold
 * them as well. Those on a file that we opened ourselves are to be had when the
 * last request of theirs, which holds the shared one, is done.
 */
int file_reclaim(struct storage *storage, struct error *err)
{
	struct file_storage *file = file_of(storage);

	if (!file->inherited)
		return 0;
	if (file->own_fd < 0)
		return error_set(err, -ESTALE,
				 "disk %s: \"%s\" is another file than the one that was served: expected it to stay in "
				 "its place during an upgrade",
				 storage->name, file->path);
	close(file->fd);
	file->fd = file->own_fd;
	file->own_fd = -1;
	file->inherited = false;
	return file_lock(file, FILE_LOCK_START_NS, err);
}
