/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/file.h"

#include <limits.h>

#include "base/checked.h"
#include "storage/iov.h"

/*
 * Reads, writes and flushes of a regular file or block device by the worker's
 * io_uring. All that a request needs is in its storage_io: nothing here
 * allocates, locks, or calls the kernel.
 */

/* The kernel moves no more than this in one call and rounds down by itself; a single READ or WRITE has 32 bits. */
#define MAX_TRANSFER 0x7ffff000u

/* Attempts without progress before an error that usually passes is believed. */
#define MAX_RETRIES 1000u

bool file_retry(struct storage_io *io, int32_t result)
{
	return (result == -EINTR || result == -EAGAIN || result == 0) && io->retries++ < MAX_RETRIES;
}

int32_t file_progress(struct file_storage *file, struct storage_io *io, int32_t result)
{
	/* What is left must begin at a block, so the broken one is done again. */
	if (result > 0 && file->direct)
		result &= ~(int32_t)(file->storage.info.block_size - 1);
	if (result > 0) {
		io->retries = 0;
		return result;
	}
	/* The end of the file inside the disk: it was truncated under us. */
	if (result == 0 && io->op == STORAGE_READ)
		return -EIO;
	if (file_retry(io, result))
		return 0;
	return result ? result : -EIO;
}

static void transfer_event(struct storage_io *io, int32_t result);

/*
 * The call itself, for a file in memory. io_uring has no way to try such a file
 * without waiting, and hands each request to a kernel thread of its own, for
 * what is a copy of a few hundred nanoseconds.
 */
static void transfer_now(struct file_storage *file, struct storage_io *io)
{
	int count = io->iov_count < IOV_MAX ? (int)io->iov_count : IOV_MAX;
	off_t offset = (off_t)(io->offset + io->progress);
	ssize_t result;

	if (io->op == STORAGE_WRITE)
		result = pwritev(file->fd, io->iov, count, offset);
	else
		result = preadv(file->fd, io->iov, count, offset);
	transfer_event(io, result < 0 ? -errno : (int32_t)result);
}

static void start_transfer(struct file_storage *file, struct storage_io *io)
{
	bool write = io->op == STORAGE_WRITE;
	uint64_t offset = io->offset + io->progress;
	struct io_uring_sqe *sqe;

	if (file->in_memory) {
		transfer_now(file, io);
		return;
	}
	sqe = storage_sqe(io->thread);
	if (io->iov_count == 1) {
		size_t length = io->iov->iov_len < MAX_TRANSFER ? io->iov->iov_len : MAX_TRANSFER;

		io_uring_prep_rw(write ? IORING_OP_WRITE : IORING_OP_READ, sqe, file->fd, io->iov->iov_base,
				 (unsigned)length, offset);
	} else {
		/* More than IOV_MAX comes back short and goes on from there. */
		io_uring_prep_rw(write ? IORING_OP_WRITEV : IORING_OP_READV, sqe, file->fd, io->iov,
				 io->iov_count < IOV_MAX ? io->iov_count : IOV_MAX, offset);
	}
	if (write)
		sqe->rw_flags = file_write_flags(file, io);
	file_finish_sqe(sqe, file, io);
}

static __attribute__((noinline, cold)) void transfer_incomplete(struct storage_io *io, int32_t result)
{
	struct file_storage *file = file_of(io->owner);
	int32_t bytes = file_progress(file, io, result);

	if (bytes < 0) {
		io->done(io, bytes);
		return;
	}
	iov_advance(&io->iov, &io->iov_count, (uint32_t)bytes);
	io->progress += (uint32_t)bytes;
	if (!io->iov_count) { /* iov and length contradict each other */
		io->done(io, -EINVAL);
		return;
	}
	start_transfer(file, io);
}

static void transfer_event(struct storage_io *io, int32_t result)
{
	/* No negative result can make this true: length is what progress is counted towards. */
	if (__builtin_expect((uint64_t)(int64_t)result + io->progress == io->length, 1))
		file_written(file_of(io->owner), io);
	else
		transfer_incomplete(io, result);
}

/* Whether O_DIRECT can take the memory as it lies. Each part must be whole blocks: kernels before 6.18 ask for it. */
static bool memory_fits(const struct file_storage *file, const struct storage_io *io)
{
	uint64_t address_bits = 0, length_bits = 0;

	for (uint32_t i = 0; i < io->iov_count; i++) {
		address_bits |= (uintptr_t)io->iov[i].iov_base;
		length_bits |= io->iov[i].iov_len;
	}
	return !(address_bits & file->memory_mask) && is_aligned(length_bits, file->storage.info.block_size);
}

static void submit_transfer(struct file_storage *file, struct storage_io *io)
{
	if (__builtin_expect(file->direct && !memory_fits(file, io), 0)) {
		file_bounce(io);
		return;
	}
	io->event = transfer_event;
	start_transfer(file, io);
}

static void queue_sync(struct file_storage *file, struct storage_io *io)
{
	struct io_uring_sqe *sqe = storage_sqe(io->thread);

	io_uring_prep_fsync(sqe, file->fd, IORING_FSYNC_DATASYNC);
	file_finish_sqe(sqe, file, io);
}

static void sync_event(struct storage_io *io, int32_t result)
{
	if (result && file_retry(io, result))
		queue_sync(file_of(io->owner), io);
	else
		io->done(io, result);
}

void file_sync_then_done(struct file_storage *file, struct storage_io *io)
{
	io->event = sync_event;
	io->retries = 0;
	queue_sync(file, io);
}

static void submit_flush(struct file_storage *file, struct storage_io *io)
{
	if (!file->flush) {
		io->done(io, 0);
		return;
	}
	file_sync_then_done(file, io);
}

void file_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	struct file_storage *file = file_of(storage);

	io->owner = storage;
	io->thread = thread;
	io->progress = 0;
	io->retries = 0;
	if (io->op == STORAGE_FLUSH) {
		submit_flush(file, io);
	} else if (!is_aligned(io->offset | io->length, storage->info.block_size)) {
		io->done(io, -EINVAL);
	} else if (io->op != STORAGE_READ && storage->info.read_only) {
		io->done(io, -EROFS);
	} else if (!io->length) {
		io->done(io, 0);
	} else if (io->op == STORAGE_DISCARD) {
		file_discard(file, io);
	} else if (io->op == STORAGE_WRITE_ZEROES) {
		file_write_zeroes(file, io);
	} else {
		submit_transfer(file, io);
	}
}
