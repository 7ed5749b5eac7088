/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/file.h"

static int file_watch_fd(struct storage *storage)
{
	return file_of(storage)->watch_fd;
}

static int file_image_fd(const struct storage *storage)
{
	const struct file_storage *file = (const struct file_storage *)storage;

	/* One that is locked while queues run is opened, and locked, by each for itself. */
	return file->lock_running ? -1 : file->fd;
}

static int measure(const struct file_storage *file, uint64_t *size, struct error *err)
{
	int ret = file_image_size(file, size);

	if (ret)
		return error_set(err, ret, "disk %s: cannot tell the size of \"%s\": %s", file->storage.name,
				 file->path, strerror(-ret));
	return 0;
}

static int file_refresh(struct storage *storage, struct error *err)
{
	struct file_storage *file = file_of(storage);
	uint64_t size;
	int ret;

	/* Before looking, so that a change while we look is announced again. */
	file_watch_drain(file);
	ret = measure(file, &size, err);
	if (ret)
		return ret;
	size -= size % storage->info.block_size;
	if (size == storage_size(storage))
		return 0;
	storage_set_size(storage, size);
	return 1;
}

static void file_close(struct storage *storage)
{
	struct file_storage *file = file_of(storage);

	file_watch_stop(file);
	file_fixed_release(file);
	if (file->fd >= 0)
		close(file->fd); /* the locks go with it, unless a successor has the same open file */
	if (file->own_fd >= 0)
		close(file->own_fd);
	free(file->path);
	free(file);
}

static const struct storage_ops file_ops = {
	.name = "file",
	.submit = file_submit,
	.attach = file_attach,
	.detach = file_detach,
	.watch_fd = file_watch_fd,
	.refresh = file_refresh,
	.activate = file_activate,
	.deactivate = file_deactivate,
	.resize = file_resize,
	.set_cache = file_set_cache,
	.image_fd = file_image_fd,
	.reclaim = file_reclaim,
	.close = file_close,
};

/*
 * Whether ranges can be deallocated. A hole punched beyond the end of a file
 * changes nothing and still tells; of a device the kernel knows whether it can
 * zero by itself, which is what a hole is there. In doubt yes: each request
 * copes with a refusal.
 */
static bool can_deallocate(const struct file_storage *file, uint64_t size)
{
	const uint64_t block = 4096;
	uint64_t beyond = (size + block - 1) / block * block, value;

	if (file->is_block)
		return file_sysfs_queue(file->device, "write_zeroes_max_bytes", &value) || value;
	if (!fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)beyond, (off_t)block))
		return true;
	return errno != EOPNOTSUPP && errno != ENOSYS;
}

static uint32_t discard_granularity(const struct file_storage *file)
{
	const struct storage_info *info = &file->storage.info;
	uint64_t value;

	if (file->is_block && !file_sysfs_queue(file->device, "discard_granularity", &value) && value &&
	    value <= UINT32_MAX && !(value % info->block_size))
		return (uint32_t)value;
	return info->physical_block;
}

static int learn_sizes(struct file_storage *file, const struct stat *st, struct error *err)
{
	struct storage_info *info = &file->storage.info;
	uint64_t size;
	int ret = measure(file, &size, err);

	if (ret)
		return ret;
	if (!size)
		return error_set(err, -EINVAL, "disk %s: \"%s\" is empty; give it a size (truncate -s SIZE FILE)",
				 file->storage.name, file->path);
	ret = file_align(file, st, err);
	if (ret)
		return ret;
	if (size < info->block_size)
		return error_set(
			err, -EINVAL,
			"disk %s: \"%s\" has %llu bytes, less than one block of %u; give it a size (truncate -s SIZE "
			"FILE)",
			file->storage.name, file->path, (unsigned long long)size, info->block_size);
	info->size = size - size % info->block_size;
	if (info->size != size)
		log_warning(
			"disk %s: the size of \"%s\" (%llu bytes) is not a multiple of %u: the last %llu bytes are not "
			"used",
			file->storage.name, file->path, (unsigned long long)size, info->block_size,
			(unsigned long long)(size - info->size));
	return 0;
}

static int open_file(struct file_storage *file, const struct storage_file_options *options, struct error *err)
{
	struct storage_info *info = &file->storage.info;
	struct stat st;
	int ret = file_image_open(file, options, &st, err);

	if (ret)
		return ret;
	if (!options->lock_running) {
		/* An inherited one has the locks of whoever opened it: they belong to the open file. */
		ret = options->inherited ? 0 : file_lock(file, options->at_once ? 0 : FILE_LOCK_START_NS, err);
		if (ret)
			return ret;
		file->active = true;
	}
	ret = learn_sizes(file, &st, err);
	if (ret)
		return ret;
	file->punch_hole = !info->read_only && !options->no_discard && can_deallocate(file, info->size);
	info->discard_granularity = file->punch_hole ? discard_granularity(file) : 0;
	if (!options->confined)
		file_watch_start(file);
	return 0;
}

int storage_file_open(const char *name, const struct storage_file_options *options, struct storage **out,
		      struct error *err)
{
	struct file_storage *file = calloc(1, sizeof(*file));
	int ret;

	if (!file)
		return error_set(err, -ENOMEM, "disk %s: out of memory", name);
	snprintf(file->storage.name, sizeof(file->storage.name), "%s", name);
	file->storage.ops = &file_ops;
	file->storage.info = (struct storage_info){
		.read_only = options->read_only,
		.write_zeroes = !options->read_only, /* where nothing else can, by writing them */
		.volatile_cache = true,
	};
	file->fd = -1;
	file_fixed_take(file);
	file->watch_fd = -1;
	file->own_fd = -1;
	file->inherited = options->inherited;
	file->lock_running = options->lock_running;
	file_take_cache(file, options->cache);
	file->zero_range = true;
	if (options->given)
		file->fd = options->fd;
	file->path = strdup(options->path);
	ret = file->path ? open_file(file, options, err) : error_set(err, -ENOMEM, "disk %s: out of memory", name);
	if (ret) {
		file_close(&file->storage);
		return ret;
	}
	*out = &file->storage;
	return 0;
}
