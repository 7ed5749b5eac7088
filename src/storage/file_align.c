/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/checked.h"
#include "storage/file.h"
#include "storage/file_dioalign.h"

#define MIN_BLOCK 512u
#define MAX_BLOCK 4096u /* the most that the contract, and any guest, knows */

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/*
 * The smallest of 512 to MAX_BLOCK for which a read works, as memory alignment
 * (of a read of length bytes) where length is given, else as length. MAX_BLOCK
 * where none does: the real request will tell why.
 */
static uint32_t probe(int fd, uint32_t length)
{
	uint32_t align = MIN_BLOCK;
	char *buffer;

	if (posix_memalign((void **)&buffer, 2 * (size_t)MAX_BLOCK, 2 * (size_t)MAX_BLOCK))
		return MAX_BLOCK;
	for (; align < MAX_BLOCK; align *= 2)
		if (pread(fd, length ? buffer + align : buffer, length ? length : align, 0) >= 0)
			break;
	free(buffer);
	return align;
}

/*
 * Reads of 512 bytes also work in a hole of a file on a disk with blocks of
 * 4096, and its data would not: a file is never offered with smaller blocks
 * than the disk below its file system.
 */
static uint32_t device_block(const struct file_storage *file)
{
	uint64_t value;

	if (file_sysfs_queue(file->device, "logical_block_size", &value) || value > MAX_BLOCK)
		return MIN_BLOCK;
	return larger((uint32_t)value, MIN_BLOCK);
}

static int direct_alignment(const struct file_storage *file, uint32_t *block, uint32_t *memory, struct error *err)
{
	const char *name = file->storage.name;

	if (file_dioalign(file->fd, memory, block)) {
		*block = larger(larger(probe(file->fd, 0), device_block(file)), *block);
		*memory = probe(file->fd, *block);
		return 0;
	}
	if (!*memory || !*block)
		return error_set(
			err, -EOPNOTSUPP,
			"disk %s: \"%s\" cannot be read or written without the page cache (compressed, encrypted or "
			"stored in its inode); use \"cache: writeback\" or another file",
			name, file->path);
	if (!is_power_of_two(*block) || *block > MAX_BLOCK || !is_power_of_two(*memory) || *memory > MAX_BLOCK)
		return error_set(
			err, -EINVAL,
			"disk %s: \"%s\" takes direct I/O in blocks of %u bytes at memory aligned to %u: expected "
			"powers of two up to %u; use \"cache: writeback\"",
			name, file->path, *block, *memory, MAX_BLOCK);
	*block = larger(*block, MIN_BLOCK);
	return 0;
}

static int device_sizes(const struct file_storage *file, uint32_t *block, uint32_t *physical, uint32_t *optimal,
			struct error *err)
{
	int logical = 0;
	unsigned value = 0;

	if (ioctl(file->fd, BLKSSZGET, &logical) < 0)
		return error_set(err, -errno, "disk %s: cannot tell the block size of \"%s\": %s", file->storage.name,
				 file->path, strerror(errno));
	if (logical < (int)MIN_BLOCK || logical > (int)MAX_BLOCK)
		return error_set(err, -EINVAL, "disk %s: \"%s\" has blocks of %d bytes: expected %u to %u",
				 file->storage.name, file->path, logical, MIN_BLOCK, MAX_BLOCK);
	*block = (uint32_t)logical;
	if (!ioctl(file->fd, BLKPBSZGET, &value) && is_power_of_two(value))
		*physical = value;
	if (!ioctl(file->fd, BLKIOOPT, &value))
		*optimal = value;
	return 0;
}

int file_align(struct file_storage *file, const struct stat *st, struct error *err)
{
	struct storage_info *info = &file->storage.info;
	uint32_t block = MIN_BLOCK, memory = 1, physical = 0, optimal = 0;
	int ret;

	if (file->is_block) {
		ret = device_sizes(file, &block, &physical, &optimal, err);
		if (ret)
			return ret;
	} else if (st->st_blksize > 0 && is_power_of_two((uint64_t)st->st_blksize)) {
		/* Some file systems give the size they like to be read in; more than a page is no block. */
		physical = st->st_blksize < (blksize_t)MAX_BLOCK ? (uint32_t)st->st_blksize : MAX_BLOCK;
	}
	if (file->direct) {
		uint32_t direct_block = block;

		ret = direct_alignment(file, &direct_block, &memory, err);
		if (ret)
			return ret;
		block = larger(block, direct_block);
	}
	info->block_size = block;
	info->physical_block = larger(block, physical);
	info->optimal_io = is_aligned(optimal, block) ? optimal : 0;
	file->memory_mask = memory - 1;
	return 0;
}
