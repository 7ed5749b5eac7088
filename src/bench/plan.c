/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "bench/load.h"
#include "bench/units.h"

#define FRAME_REGION 0
#define DATA_REGION  1

/* A fill or read-back goes in blocks of this size where the load's are larger. */
#define SWEEP_BLOCK ((uint64_t)1 << 20)

static bool moves_data(const struct bench_options *options)
{
	return options->mixed || options->op == BENCH_READ || options->op == BENCH_WRITE;
}

static bool changes_disk(const struct bench_options *options)
{
	return options->mixed || options->verify || (options->op != BENCH_READ && options->op != BENCH_FLUSH);
}

static uint64_t sweep_block(const struct bench_options *options)
{
	const uint64_t unit = options->blocks.unit;

	if (options->blocks.max <= SWEEP_BLOCK)
		return options->blocks.max;
	return unit < SWEEP_BLOCK ? SWEEP_BLOCK / unit * unit : unit;
}

static void plan_layout(const struct bench_run *run, struct driver_blk_layout *layout)
{
	const struct bench_options *options = run->options;
	const uint64_t size_max = run->device.config.size_max / DRIVER_BLK_SECTOR * DRIVER_BLK_SECTOR;

	layout->frame_region = FRAME_REGION;
	layout->data_region = DATA_REGION;
	/* GET_ID and the like want a little in any case. */
	layout->capacity = DRIVER_BLK_SECTOR;
	if (moves_data(options))
		layout->capacity = (uint32_t)options->blocks.max;
	else if (options->verify)
		layout->capacity = (uint32_t)sweep_block(options);
	layout->segment = layout->capacity;
	if (size_max && size_max < layout->segment)
		layout->segment = (uint32_t)size_max;
	if (options->segment_size && options->segment_size < layout->segment)
		layout->segment = (uint32_t)options->segment_size;
	layout->indirect = driver_device_has(&run->device, VIRTIO_RING_F_INDIRECT_DESC);
}

static int refuse(struct bench_run *run, const char *option, const char *value, const char *why, uint64_t limit)
{
	return error_set(&run->err, -EINVAL, "--%s=%s: %s %llu (%s)", option, value, why, (unsigned long long)limit,
			 run->options->socket);
}

static int check_region(struct bench_run *run)
{
	const struct bench_options *options = run->options;
	const uint64_t capacity = run->result->device.capacity, unit = options->blocks.unit;
	char text[32];
	uint64_t size;

	if (options->offset % unit)
		return refuse(run, "offset", bench_format_size(options->offset, text, sizeof(text)),
			      "not a multiple of the blocks' unit of", unit);
	if (options->offset >= capacity)
		return refuse(run, "offset", bench_format_size(options->offset, text, sizeof(text)),
			      "the disk has bytes", capacity);
	size = options->size ? options->size : capacity - options->offset;
	if (!range_within(options->offset, size, capacity))
		return refuse(run, "size", bench_format_size(size, text, sizeof(text)),
			      "the region would end beyond the disk, which has bytes", capacity);
	if (size < options->blocks.max)
		return refuse(run, "block-size", options->block_text, "the region has only bytes", size);
	run->result->region = options->offset;
	run->result->region_size = size - size % unit;
	return 0;
}

static int check_commands(struct bench_run *run)
{
	const struct bench_options *options = run->options;
	const struct virtio_blk_config *config = &run->device.config;
	const uint64_t sectors = options->blocks.max / DRIVER_BLK_SECTOR;
	const unsigned block_size = run->result->device.block_size;

	if (options->blocks.unit % block_size || (options->segment_size && options->segment_size % DRIVER_BLK_SECTOR))
		return refuse(run, "block-size", options->block_text, "the disk takes multiples of bytes", block_size);
	if (changes_disk(options) && run->result->device.read_only && !options->force_writes)
		return error_set(&run->err, -EINVAL,
				 "%s: the disk is read-only, and --rw=%s%s would write to it (to see it refuse, use "
				 "--force-writes)",
				 options->socket, options->rw, options->verify ? " --verify" : "");
	if ((options->op == BENCH_FLUSH || options->flush_every) &&
	    !driver_device_has(&run->device, VIRTIO_BLK_F_FLUSH))
		return error_set(&run->err, -EINVAL, "%s: the disk does not offer flushes (VIRTIO_BLK_F_FLUSH)",
				 options->socket);
	if (options->op == BENCH_DISCARD && sectors > config->max_discard_sectors)
		return refuse(run, "block-size", options->block_text, "the disk's largest discard in sectors of 512 is",
			      config->max_discard_sectors);
	if (options->op == BENCH_WRITE_ZEROES && sectors > config->max_write_zeroes_sectors)
		return refuse(run, "block-size", options->block_text,
			      "the disk's largest write-zeroes in sectors of 512 is", config->max_write_zeroes_sectors);
	return 0;
}

static int check_rings(struct bench_run *run)
{
	const struct bench_options *options = run->options;
	struct driver_blk_layout layout;
	unsigned chain, needed;

	plan_layout(run, &layout);
	chain = driver_blk_descriptors(&layout);
	if (options->packed && !driver_device_has(&run->device, VIRTIO_F_RING_PACKED))
		return error_set(&run->err, -EINVAL,
				 "--ring=packed: the back end has only split rings (it does not offer "
				 "VIRTIO_F_RING_PACKED, %s)",
				 options->socket);
	if (options->queues > run->device.queues_offered)
		return error_set(&run->err, -EINVAL, "--queues=%u: the disk has %u (%s)", options->queues,
				 run->device.queues_offered, options->socket);
	if (run->device.config.seg_max && chain - 2 > run->device.config.seg_max)
		return error_set(&run->err, -EINVAL,
				 "--block-size=%s: takes %u descriptors of %u bytes, the disk allows %u (%s)",
				 options->block_text, chain - 2, layout.segment, run->device.config.seg_max,
				 options->socket);
	/* Even an indirect chain may not be longer than the ring (virtio 1.2 section 2.7.5.3.1). */
	if (chain > options->queue_size)
		return error_set(&run->err, -EINVAL, "--queue-size=%u: a request takes %u descriptors",
				 options->queue_size, chain);
	needed = options->depth * (layout.indirect ? 1 : chain);
	if (options->flush_every)
		needed += layout.indirect ? 1 : 2;
	if (needed > options->queue_size)
		return error_set(&run->err, -EINVAL,
				 "--depth=%u: needs %u descriptors%s%s, and a ring of --queue-size=%u has %u",
				 options->depth, needed, options->flush_every ? " with --flush-every" : "",
				 layout.indirect ? "" : " without indirect ones", options->queue_size,
				 options->queue_size);
	return 0;
}

static int check_survive(struct bench_run *run)
{
	if (!run->options->survive_ns || driver_device_has_protocol(&run->device, VHOST_PROTOCOL_F_INFLIGHT_SHMFD))
		return 0;
	return error_set(
		&run->err, -EINVAL,
		"--survive: requests would be lost, since what is in flight is not tracked (INFLIGHT_SHMFD %s) "
		"(%s)",
		run->options->inflight ? "is not offered" : "was turned off by --no-inflight", run->options->socket);
}

int bench_plan_check(struct bench_run *run)
{
	int ret = check_commands(run);

	if (!ret)
		ret = check_survive(run);
	if (!ret)
		ret = check_region(run);
	return ret ? ret : check_rings(run);
}

/* Guest memory is allocated at once; beyond this it would push out everything else. */
static size_t memory_limit(void)
{
	return (size_t)sysconf(_SC_PHYS_PAGES) / 4 * 3 * (size_t)sysconf(_SC_PAGESIZE);
}

static int create_memory(struct bench_run *run, const struct driver_blk_layout *layout)
{
	const struct bench_options *options = run->options;
	const size_t slots = (size_t)options->queues * (options->depth + 1);
	/* What alignment may cost is less than a cache line a piece. */
	const size_t ring =
		options->packed ? driver_packed_bytes(options->queue_size) : driver_split_bytes(options->queue_size);
	const size_t sizes[2] = {
		[FRAME_REGION] = options->queues * ring + slots * (driver_blk_frame_bytes(layout) + 64),
		[DATA_REGION] = slots * driver_blk_data_bytes(layout),
	};

	if (sizes[DATA_REGION] > memory_limit())
		return error_set(
			&run->err, -ENOMEM,
			"--queues=%u --depth=%u --block-size=%s: buffers would take %zu MiB, more than most of "
			"this machine's memory",
			options->queues, options->depth, options->block_text, sizes[DATA_REGION] >> 20);
	return driver_memory_create(&run->memory, sizes, 2, options->huge_pages ? DRIVER_MEMORY_HUGE_PAGES : 0,
				    &run->err);
}

static int prepare_slots(struct bench_run *run, struct bench_queue *queue, const struct driver_blk_layout *layout)
{
	const unsigned depth = run->options->depth;
	struct driver_blk_layout small = *layout;

	queue->slots = calloc(depth + 1, sizeof(*queue->slots));
	queue->free = calloc(depth, sizeof(struct bench_slot *));
	if (!queue->slots || !queue->free)
		return -ENOMEM;
	/* The first slot ends on top: one request at a time then always uses the same. */
	for (unsigned i = depth; i-- > 0;) {
		if (driver_blk_init(&queue->slots[i].request, &run->memory, layout) < 0)
			return -ENOMEM;
		queue->free[queue->free_count++] = &queue->slots[i];
	}
	if (!run->options->flush_every)
		return 0;
	small.capacity = 0;
	queue->flusher = &queue->slots[depth];
	return driver_blk_init(&queue->flusher->request, &run->memory, &small);
}

static struct driver_ring *create_ring(struct bench_run *run)
{
	const unsigned size = run->options->queue_size;
	const bool event_idx = driver_device_has(&run->device, VIRTIO_RING_F_EVENT_IDX);
	struct driver_packed *packed;
	struct driver_split *split;

	if (!run->options->packed) {
		split = driver_split_create(&run->memory, FRAME_REGION, size, event_idx, 0, &run->err);
		return split ? &split->ring : NULL;
	}
	packed = driver_packed_create(&run->memory, FRAME_REGION, size, event_idx, 0, &run->err);
	return packed ? &packed->ring : NULL;
}

static int prepare_queue(struct bench_run *run, unsigned index, const struct driver_blk_layout *layout)
{
	struct bench_queue *queue = &run->queues[index];
	struct driver_ring *ring = create_ring(run);

	if (!ring)
		return run->err.code;
	if (driver_queue_open(&queue->queue, index, ring, &run->err) < 0) {
		driver_ring_destroy(ring);
		queue->queue.ring = NULL;
		return run->err.code;
	}
	run->queue_count++;
	if (prepare_slots(run, queue, layout) < 0)
		return error_set(&run->err, -ENOMEM, "no memory for %u requests", run->options->depth);
	return 0;
}

int bench_plan_prepare(struct bench_run *run)
{
	const struct bench_options *options = run->options;
	struct driver_blk_layout layout;
	int ret;

	bench_workload_init(&run->load, options, run->result->region, run->result->region_size);
	bench_workload_init_sweep(&run->sweep, &run->load, BENCH_READ, sweep_block(options));
	plan_layout(run, &layout);
	ret = create_memory(run, &layout);
	if (ret < 0) {
		run->result->outcome = BENCH_REFUSED;
		return ret;
	}
	run->queues = calloc(options->queues, sizeof(*run->queues));
	if (!run->queues)
		return error_set(&run->err, -ENOMEM, "no memory for %u queues", options->queues);
	for (unsigned i = 0; i < options->queues; i++) {
		ret = prepare_queue(run, i, &layout);
		if (ret < 0)
			return ret;
	}
	return options->verify ? bench_verify_init(&run->verify, &run->load, options->seed, &run->err) : 0;
}

void bench_plan_free(struct bench_run *run)
{
	for (unsigned i = 0; i < run->queue_count; i++) {
		struct bench_queue *queue = &run->queues[i];

		driver_queue_close(&queue->queue);
		driver_ring_destroy(queue->queue.ring);
		free(queue->slots);
		free(queue->free);
	}
	free(run->queues);
	run->queues = NULL;
	run->queue_count = 0;
	bench_verify_free(&run->verify);
	driver_memory_destroy(&run->memory);
}
