/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/falloc.h>

#include "storage/file.h"

/*
 * Discard and write zeroes. What a file system cannot do is only learnt by
 * trying, so each way leads to the next: deallocate, then let the file system
 * mark the range as zeroes, then write them. A discard is a hint and ends after
 * the first. io->event tells on which way a request is.
 *
 * On a block device the kernel takes the same calls: punching a hole zeroes
 * the range and unmaps it where the device can do both.
 */

/* 1 MiB of zeroes for one WRITEV, out of a sixteenth of it. Never written, so it takes no memory of its own. */
#define ZERO_BLOCK (64u * 1024)
#define ZERO_PARTS 16u

static char zero_block[ZERO_BLOCK] __attribute__((aligned(4096)));
static const struct iovec zero_iov[ZERO_PARTS] = {
	[0 ... ZERO_PARTS - 1] = {.iov_base = zero_block, .iov_len = ZERO_BLOCK},
};

static void queue_fallocate(struct file_storage *file, struct storage_io *io, int mode)
{
	struct io_uring_sqe *sqe = storage_sqe(io->thread);

	io_uring_prep_fallocate(sqe, file->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)io->offset, (off_t)io->length);
	file_finish_sqe(sqe, file, io);
}

static bool is_unsupported(int32_t result)
{
	return result == -EOPNOTSUPP || result == -ENOSYS;
}

static void queue_zeroes(struct file_storage *file, struct storage_io *io)
{
	struct io_uring_sqe *sqe = storage_sqe(io->thread);
	uint64_t left = io->length - io->progress;
	uint64_t offset = io->offset + io->progress;

	if (left < ZERO_BLOCK) {
		io_uring_prep_write(sqe, file->fd, zero_block, (unsigned)left, offset);
	} else {
		uint64_t parts = left / ZERO_BLOCK;

		io_uring_prep_writev(sqe, file->fd, zero_iov, parts < ZERO_PARTS ? (unsigned)parts : ZERO_PARTS,
				     offset);
	}
	file_finish_sqe(sqe, file, io);
}

static void zeroes_event(struct storage_io *io, int32_t result)
{
	struct file_storage *file = file_of(io->owner);
	int32_t bytes = file_progress(file, io, result);

	if (bytes < 0) {
		io->done(io, bytes);
		return;
	}
	io->progress += (uint32_t)bytes;
	if (io->progress == io->length)
		file_changed(file, io);
	else
		queue_zeroes(file, io);
}

static void write_zeroes(struct file_storage *file, struct storage_io *io)
{
	io->event = zeroes_event;
	io->retries = 0;
	queue_zeroes(file, io);
}

static void zero_range_event(struct storage_io *io, int32_t result)
{
	struct file_storage *file = file_of(io->owner);

	if (!result) {
		file_changed(file, io);
	} else if (is_unsupported(result)) {
		__atomic_store_n(&file->zero_range, false, __ATOMIC_RELAXED);
		write_zeroes(file, io);
	} else if (file_retry(io, result)) {
		queue_fallocate(file, io, FALLOC_FL_ZERO_RANGE);
	} else {
		io->done(io, result);
	}
}

static void zero_range(struct file_storage *file, struct storage_io *io)
{
	if (!__atomic_load_n(&file->zero_range, __ATOMIC_RELAXED)) {
		write_zeroes(file, io);
		return;
	}
	io->event = zero_range_event;
	io->retries = 0;
	queue_fallocate(file, io, FALLOC_FL_ZERO_RANGE);
}

static void punch_event(struct storage_io *io, int32_t result)
{
	struct file_storage *file = file_of(io->owner);

	if (!result) {
		file_changed(file, io);
	} else if (is_unsupported(result)) {
		__atomic_store_n(&file->punch_hole, false, __ATOMIC_RELAXED);
		if (io->op == STORAGE_DISCARD)
			io->done(io, 0);
		else
			zero_range(file, io);
	} else if (file_retry(io, result)) {
		queue_fallocate(file, io, FALLOC_FL_PUNCH_HOLE);
	} else {
		io->done(io, result);
	}
}

static void punch(struct file_storage *file, struct storage_io *io)
{
	io->event = punch_event;
	queue_fallocate(file, io, FALLOC_FL_PUNCH_HOLE);
}

void file_discard(struct file_storage *file, struct storage_io *io)
{
	if (!file->storage.info.discard_granularity)
		io->done(io, -EOPNOTSUPP);
	else if (__atomic_load_n(&file->punch_hole, __ATOMIC_RELAXED))
		punch(file, io);
	else
		io->done(io, 0);
}

void file_write_zeroes(struct file_storage *file, struct storage_io *io)
{
	if ((io->flags & STORAGE_UNMAP) && __atomic_load_n(&file->punch_hole, __ATOMIC_RELAXED))
		punch(file, io);
	else
		zero_range(file, io);
}
