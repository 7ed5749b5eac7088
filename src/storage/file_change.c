/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "storage/file.h"

void file_take_cache(struct file_storage *file, enum storage_cache cache)
{
	struct storage_info *info = &file->storage.info;

	info->writeback = cache != STORAGE_CACHE_WRITETHROUGH && cache != STORAGE_CACHE_DIRECTSYNC;
	info->flush_ignored = cache == STORAGE_CACHE_UNSAFE;
	file->flush = cache != STORAGE_CACHE_UNSAFE;
}

static int refuse_size(const struct file_storage *file, uint64_t size, const char *reason, struct error *err)
{
	return error_set(err, -EINVAL, "disk %s: size: %" PRIu64 ": %s", file->storage.name, size, reason);
}

int file_resize(struct storage *storage, uint64_t size, struct error *err)
{
	struct file_storage *file = file_of(storage);
	uint64_t now;
	int ret = file_image_size(file, &now);

	if (ret)
		return error_set(err, ret, "disk %s: cannot tell the size of \"%s\": %s", storage->name, file->path,
				 strerror(-ret));
	if (size % storage->info.block_size)
		return error_set(err, -EINVAL, "disk %s: size: %" PRIu64 ": expected a multiple of %u bytes",
				 storage->name, size, storage->info.block_size);
	if (size == now || (file->is_block && size == now - now % storage->info.block_size))
		return 0;
	if (file->is_block)
		return error_set(err, -EINVAL,
				 "disk %s: size: %" PRIu64 ": the block device \"%s\" has %" PRIu64
				 " bytes: resize the device itself, then give its size here",
				 storage->name, size, file->path, now);
	if (size < now)
		return error_set(err, -EINVAL,
				 "disk %s: size: %" PRIu64 ": the image has %" PRIu64
				 " bytes, and what is cut off would be lost: expected at least as many",
				 storage->name, size, now);
	if (storage->info.read_only)
		return refuse_size(file, size, "the disk is read-only: resize the image by whoever may write to it",
				   err);
	if (ftruncate(file->fd, (off_t)size))
		return error_set(err, -errno, "disk %s: \"%s\" cannot be made %" PRIu64 " bytes large: %s",
				 storage->name, file->path, size, strerror(errno));
	return 0;
}

/*
 * The open file stays, and with it the locks; what changes is a flag of it. The
 * guest has been told a block size, which cannot become larger.
 */
static int set_direct(struct file_storage *file, enum storage_cache cache, struct error *err)
{
	const uint32_t told = file->storage.info.block_size;
	struct stat st;
	int ret = file_image_set_direct(file, cache, err);

	if (ret)
		return ret;
	if (fstat(file->fd, &st))
		return error_set(err, -errno, "disk %s: \"%s\" cannot be looked at: %s", file->storage.name, file->path,
				 strerror(errno));
	ret = file_align(file, &st, err);
	if (ret)
		return ret;
	if (file->storage.info.block_size <= told)
		return 0;
	return error_set(err, -EINVAL,
			 "disk %s: without page cache \"%s\" has blocks of %u bytes, and the disk was made with %u: "
			 "remove it and add it again",
			 file->storage.name, file->path, file->storage.info.block_size, told);
}

int file_set_cache(struct storage *storage, int cache, struct error *err)
{
	struct file_storage *file = file_of(storage);
	const bool was_direct = file->direct;
	const struct storage_info was = storage->info;
	const uint32_t was_mask = file->memory_mask;
	struct error ignored;
	int ret;

	file->direct = file_cache_is_direct((enum storage_cache)cache);
	ret = file->direct == was_direct ? 0 : set_direct(file, (enum storage_cache)cache, err);
	if (ret) {
		file->direct = was_direct;
		file->memory_mask = was_mask;
		file_image_set_direct(file, STORAGE_CACHE_NONE, &ignored);
	}
	/* What the guest was told of blocks it goes by. */
	storage->info.block_size = was.block_size;
	storage->info.physical_block = was.physical_block;
	storage->info.optimal_io = was.optimal_io;
	if (ret)
		return ret;
	file_learn_file_system(file);
	file_take_cache(file, (enum storage_cache)cache);
	return 0;
}
