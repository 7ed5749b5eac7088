/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/bounce.h"
#include "storage/file.h"
#include "storage/iov.h"

/*
 * Requests that O_DIRECT cannot take as they lie in memory: copied through one
 * of the worker's buffers, piece after piece. A request that finds no buffer
 * waits in the pool and is started by whoever gives one back; the pool is the
 * worker's, so that may be a request of another disk.
 */

static void queue_piece(struct storage_io *io)
{
	struct file_storage *file = file_of(io->owner);
	struct io_uring_sqe *sqe = storage_sqe(io->thread);
	uint64_t left = io->length - io->progress;
	uint32_t piece = left < STORAGE_BOUNCE_SIZE ? (uint32_t)left : STORAGE_BOUNCE_SIZE;
	uint64_t offset = io->offset + io->progress;

	if (io->op == STORAGE_WRITE) {
		iov_gather(io->iov, io->iov_count, io->bounce, piece);
		io_uring_prep_rw(IORING_OP_WRITE, sqe, file->fd, io->bounce, piece, offset);
		sqe->rw_flags = file_write_flags(file, io);
	} else {
		io_uring_prep_rw(IORING_OP_READ, sqe, file->fd, io->bounce, piece, offset);
	}
	file_finish_sqe(sqe, file, io);
}

static void finish(struct storage_io *io, int result)
{
	struct storage_io *next = storage_bounce_put(io->thread->bounce, io);

	/* Before done(), which may bring a new request that must not overtake. */
	if (next)
		queue_piece(next);
	if (result)
		io->done(io, result);
	else
		file_written(file_of(io->owner), io);
}

static void bounce_event(struct storage_io *io, int32_t result)
{
	int32_t bytes = file_progress(file_of(io->owner), io, result);

	if (bytes < 0) {
		finish(io, bytes);
		return;
	}
	if (io->op == STORAGE_READ)
		iov_scatter(io->iov, io->iov_count, io->bounce, (uint32_t)bytes);
	iov_advance(&io->iov, &io->iov_count, (uint32_t)bytes);
	io->progress += (uint32_t)bytes;
	if (io->progress == io->length)
		finish(io, 0);
	else
		queue_piece(io);
}

void file_bounce(struct storage_io *io)
{
	io->event = bounce_event;
	io->thread->bounced++;
	if (storage_bounce_get(io->thread->bounce, io))
		queue_piece(io);
}
