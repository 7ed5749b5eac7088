/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "storage/storage.h"

/*
 * The null back end: each request succeeds at once and nothing is stored. It
 * shows what the way to a back end costs, and how a back end is written.
 *
 * A read leaves the guest's memory as it is: filling it with zeroes would
 * measure memory, not the path. It claims a write cache so that flushes travel
 * the path as they do to a real disk.
 */

static void null_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	bool changes = io->op != STORAGE_READ && io->op != STORAGE_FLUSH;

	(void)thread;
	io->done(io, changes && storage->info.read_only ? -EROFS : 0);
}

static int null_resize(struct storage *storage, uint64_t size, struct error *err)
{
	if (size < storage->info.size || size % storage->info.block_size)
		return error_set(err, -EINVAL,
				 "disk %s: size: %llu: expected a multiple of %u, and at least %llu bytes",
				 storage->name, (unsigned long long)size, storage->info.block_size,
				 (unsigned long long)storage->info.size);
	storage_set_size(storage, size);
	return 0;
}

static void null_close(struct storage *storage)
{
	free(storage);
}

static const struct storage_ops null_ops = {
	.name = "null",
	.submit = null_submit,
	.resize = null_resize,
	.close = null_close,
};

int storage_null_open(const char *name, uint64_t size, bool read_only, struct storage **out, struct error *err)
{
	const uint32_t block_size = 512;
	struct storage *storage;

	if (!size || size % block_size)
		return error_set(err, -EINVAL, "disk %s: a null disk of %llu bytes: expected a multiple of %u above 0",
				 name, (unsigned long long)size, block_size);
	storage = calloc(1, sizeof(*storage));
	if (!storage)
		return error_set(err, -ENOMEM, "disk %s: out of memory", name);
	storage->ops = &null_ops;
	storage->info = (struct storage_info){
		.size = size,
		.block_size = block_size,
		.physical_block = 4096,
		.discard_granularity = read_only ? 0 : block_size,
		.read_only = read_only,
		.write_zeroes = !read_only,
		.volatile_cache = true,
		.writeback = true,
	};
	snprintf(storage->name, sizeof(storage->name), "%s", name);
	*out = storage;
	return 0;
}
