/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "device/blk/blk.h"
#include "storage/iov.h"

#define SECTOR 512u

/* A request as virtio 1.2, section 5.2.6 lays it out: header, data, status. */
struct blk_request {
	struct request base; /* first */
	uint8_t *status;     /* in guest memory */
	uint32_t written;    /* bytes of data the driver finds there if all goes well */
	uint16_t range, range_count;
	struct virtio_blk_discard_write_zeroes ranges[BLK_RANGE_SEGMENTS]; /* our copy of a discard's data */
};

static struct blk_counters *counters_of(const struct blk_request *request)
{
	return &((struct blk_queue *)request->base.queue)->counters;
}

/* For the profile: its operation, offset and length are known. */
static inline __attribute__((always_inline)) void count_use(const struct blk_request *request)
{
	const struct queue *queue = request->base.queue;

	/* To the driver, what has not been published is under way. */
	blk_profile_request(((struct blk_queue *)queue)->profile, queue->thread->now, &request->base.io,
			    queue->in_flight + queue->given_back);
}

static const struct blk *blk_of(const struct blk_request *request)
{
	return request->base.queue->device;
}

/* In the dirty log goes all that a read may have written, also where it failed. */
static void log_written(const struct blk_request *request)
{
	struct virtq *vq = &request->base.queue->vq;
	const struct virtq_chain *chain = &request->base.chain;

	virtq_log_written(vq, chain, 0, request->written);
	virtq_log_written(vq, chain, chain->writable_bytes, 1);
}

static void answer(struct blk_request *request, uint8_t status, uint32_t written)
{
	*(volatile uint8_t *)request->status = status;
	if (__builtin_expect(request->base.queue->vq.log != NULL, 0))
		log_written(request);
	request_done(&request->base, written + 1);
}

/* The first error of its queue is logged, then each that makes the count ten times larger. */
static void log_failure(const struct blk_request *request, int error)
{
	const struct storage_io *io = &request->base.io;
	uint64_t count = counters_of(request)->errors;

	while (count % 10 == 0)
		count /= 10;
	if (count != 1)
		return;
	log_error("disk %s: %s of %" PRIu64 " bytes at %" PRIu64 " failed: %s (%" PRIu64
		  " failed so far on queue %u); the guest gets an I/O error",
		  request->base.queue->name, storage_op_names[io->op], io->length, io->offset, strerror(-error),
		  counters_of(request)->errors, request->base.queue->index);
}

static void fail(struct blk_request *request, int error)
{
	if (error == -EOPNOTSUPP) {
		answer(request, VIRTIO_BLK_S_UNSUPP, 0);
		return;
	}
	QUEUE_COUNT(counters_of(request)->errors, 1);
	log_failure(request, error);
	answer(request, VIRTIO_BLK_S_IOERR, 0);
}

static void on_done(struct storage_io *io, int result)
{
	struct blk_request *request = (struct blk_request *)request_of(io);

	if (result < 0)
		fail(request, result);
	else
		answer(request, VIRTIO_BLK_S_OK, request->written);
}

static uint32_t stable_flag(const struct blk *blk)
{
	return __atomic_load_n(&blk->stable_writes, __ATOMIC_RELAXED) ? STORAGE_STABLE : 0;
}

/* Whole blocks that lie on the disk. offset and length in bytes. */
static bool range_is_valid(const struct blk *blk, uint64_t sector, uint64_t length)
{
	const uint64_t block_mask = blk->storage->info.block_size - 1;

	return range_within(sector, length / SECTOR, storage_size(blk->storage) / SECTOR) &&
	       ((sector * SECTOR | length) & block_mask) == 0;
}

static void read_or_write(struct blk_request *request, enum storage_op op, uint64_t sector)
{
	struct storage_io *io = &request->base.io;
	const struct blk *blk = blk_of(request);

	io->op = op;
	io->flags = op == STORAGE_WRITE ? stable_flag(blk) : 0;
	io->offset = sector * SECTOR;
	QUEUE_COUNT(counters_of(request)->ops[op], 1);
	count_use(request);
	if (!range_is_valid(blk, sector, io->length)) {
		fail(request, -EINVAL);
		return;
	}
	if (op == STORAGE_READ) {
		QUEUE_COUNT(counters_of(request)->bytes_read, io->length);
		request->written = (uint32_t)io->length;
	} else {
		QUEUE_COUNT(counters_of(request)->bytes_written, io->length);
		if (blk->storage->info.read_only) {
			fail(request, -EROFS);
			return;
		}
	}
	if (io->length == 0)
		answer(request, VIRTIO_BLK_S_OK, 0);
	else
		request_submit(&request->base);
}

static void flush(struct blk_request *request)
{
	struct storage_io *io = &request->base.io;

	io->op = STORAGE_FLUSH;
	io->flags = 0;
	io->offset = io->length = 0;
	io->iov_count = 0;
	QUEUE_COUNT(counters_of(request)->ops[STORAGE_FLUSH], 1);
	count_use(request);
	request_submit(&request->base);
}

static void get_id(struct blk_request *request)
{
	const struct storage_io *io = &request->base.io;
	/* A driver that has no room for all of it gets the beginning. */
	size_t length = io->length < VIRTIO_BLK_ID_BYTES ? io->length : VIRTIO_BLK_ID_BYTES;

	iov_scatter(io->iov, io->iov_count, blk_of(request)->serial, length);
	request->written = (uint32_t)length;
	answer(request, VIRTIO_BLK_S_OK, (uint32_t)length);
}

static void submit_range(struct blk_request *request)
{
	const struct virtio_blk_discard_write_zeroes *range = &request->ranges[request->range];
	struct storage_io *io = &request->base.io;

	io->offset = range->sector * SECTOR;
	io->length = (uint64_t)range->num_sectors * SECTOR;
	io->flags = stable_flag(blk_of(request));
	/* What cannot be unmapped has to be written, and counts as that where bytes are limited. */
	if (io->op == STORAGE_WRITE_ZEROES && range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP &&
	    blk_of(request)->storage->info.discard_granularity)
		io->flags |= STORAGE_UNMAP;
	if (request->range == 0)
		count_use(request);
	request_submit(&request->base);
}

static void on_range_done(struct storage_io *io, int result)
{
	struct blk_request *request = (struct blk_request *)request_of(io);

	if (result == 0 && ++request->range < request->range_count)
		submit_range(request);
	else
		on_done(io, result);
}

/* 0, or what is wrong with one range of a discard or write-zeroes (virtio 1.2, 5.2.6.2). */
static int check_range(const struct blk_request *request, const struct virtio_blk_discard_write_zeroes *range,
		       uint32_t max_sectors)
{
	uint32_t allowed = request->base.io.op == STORAGE_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	if (range->flags & ~allowed)
		return -EOPNOTSUPP;
	if (!range->num_sectors || range->num_sectors > max_sectors)
		return -EINVAL;
	return range_is_valid(blk_of(request), range->sector, (uint64_t)range->num_sectors * SECTOR) ? 0 : -EINVAL;
}

/* Discard or write-zeroes: all ranges are checked before the first is touched. */
static void change_ranges(struct blk_request *request, enum storage_op op, bool supported, uint32_t max_sectors)
{
	struct storage_io *io = &request->base.io;
	uint64_t length = io->length;
	int ret = 0;

	io->op = op;
	io->offset = 0;
	io->done = on_range_done;
	QUEUE_COUNT(counters_of(request)->ops[op], 1);
	if (blk_of(request)->storage->info.read_only)
		ret = -EROFS;
	else if (!supported)
		ret = -EOPNOTSUPP;
	else if (!length || length % sizeof(request->ranges[0]) || length > sizeof(request->ranges))
		ret = -EINVAL;
	if (ret == 0)
		iov_gather(io->iov, io->iov_count, request->ranges, length);
	request->range = 0;
	request->range_count = (uint16_t)(length / sizeof(request->ranges[0]));
	for (unsigned i = 0; ret == 0 && i < request->range_count; i++)
		ret = check_range(request, &request->ranges[i], max_sectors);
	if (ret < 0)
		fail(request, ret);
	else
		submit_range(request);
}

/* Read once, volatile, so that the compiler does not come back to guest memory for a field. */
static void read_header(struct virtio_blk_outhdr *header, const void *at)
{
	typedef uint64_t __attribute__((may_alias, aligned(1))) word;
	const volatile word *from = at;
	const uint64_t words[] = {from[0], from[1]};

	_Static_assert(sizeof(words) == sizeof(*header), "a header is two words");
	memcpy(header, words, sizeof(words));
}

/* Cut the 16 bytes of the header off the readable segments: nearly always a segment of its own, but it may be split. */
static int take_header(struct virtq_chain *chain, struct virtio_blk_outhdr *header)
{
	uint32_t count = chain->readable;

	if (chain->readable_bytes < sizeof(*header))
		return -EPROTO;
	chain->readable_bytes -= sizeof(*header);
	if (chain->iov[0].iov_len == sizeof(*header)) {
		read_header(header, chain->iov[0].iov_base);
		chain->iov++;
		chain->readable--;
		return 0;
	}
	iov_gather(chain->iov, count, header, sizeof(*header));
	iov_advance(&chain->iov, &count, sizeof(*header));
	chain->readable = (uint16_t)count;
	return 0;
}

/* Cut the status byte off the end of the writable segments. */
static uint8_t *take_status(struct virtq_chain *chain)
{
	struct iovec *last;

	if (!chain->writable)
		return NULL;
	last = &chain->iov[chain->readable + chain->writable - 1];
	last->iov_len--;
	chain->writable_bytes--;
	if (!last->iov_len)
		chain->writable--;
	return (uint8_t *)last->iov_base + last->iov_len;
}

static int blk_handle(struct queue *queue, struct request *base)
{
	struct blk_request *request = (struct blk_request *)base;
	struct virtq_chain *chain = &base->chain;
	struct storage_io *io = &base->io;
	const struct storage_info *info = &queue->storage->info;
	struct virtio_blk_outhdr header;

	if (take_header(chain, &header) < 0)
		return virtq_break(&queue->vq, "a block request without a complete header");
	request->status = take_status(chain);
	if (!request->status)
		return virtq_break(&queue->vq, "a block request without a byte for its status");
	request->written = 0;
	io->done = on_done;
	/* What the driver sends is readable, what it wants to have is writable. */
	if (header.type & VIRTIO_BLK_T_OUT || header.type == VIRTIO_BLK_T_FLUSH) {
		io->iov = chain->iov;
		io->iov_count = chain->readable;
		io->length = chain->readable_bytes;
	} else {
		io->iov = chain->iov + chain->readable;
		io->iov_count = chain->writable;
		io->length = chain->writable_bytes;
	}
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		read_or_write(request, STORAGE_READ, header.sector);
		break;
	case VIRTIO_BLK_T_OUT:
		read_or_write(request, STORAGE_WRITE, header.sector);
		break;
	case VIRTIO_BLK_T_FLUSH:
		flush(request);
		break;
	case VIRTIO_BLK_T_GET_ID:
		get_id(request);
		break;
	case VIRTIO_BLK_T_DISCARD:
		change_ranges(request, STORAGE_DISCARD, info->discard_granularity != 0, BLK_DISCARD_SECTORS);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		change_ranges(request, STORAGE_WRITE_ZEROES, info->write_zeroes, BLK_WRITE_ZEROES_SECTORS);
		break;
	default:
		answer(request, VIRTIO_BLK_S_UNSUPP, 0);
		break;
	}
	return 0;
}

const struct queue_device_ops blk_queue_ops = {
	.request_size = sizeof(struct blk_request),
	.handle = blk_handle,
};
