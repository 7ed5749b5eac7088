/* SPDX-License-Identifier: Apache-2.0 */
#include "device/blk/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "base/checked.h"
#include "engine/stage_clock.h"

#define BIT(feature) (1ull << (feature))
#define SECTOR       512u

int blk_init(struct blk *blk, const char *name, const char *serial, uint32_t queue_count, struct storage *storage,
	     struct error *err)
{
	struct blk_profile *profiles;

	*blk = (struct blk){.storage = storage, .name = name, .queue_count = queue_count};
	memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
	blk->queue = aligned_alloc(_Alignof(struct blk_queue), queue_count * sizeof(struct blk_queue));
	if (!blk->queue)
		return error_set(err, -ENOMEM, "disk %s: no memory for %u queues", name, queue_count);
	memset(blk->queue, 0, queue_count * sizeof(struct blk_queue));
	profiles = blk_profile_create(queue_count);
	for (uint32_t i = 0; i < queue_count; i++) {
		struct queue *queue = &blk->queue[i].queue;

		blk->queue[i].profile = profiles ? &profiles[i] : NULL;
		queue->ops = &blk_queue_ops;
		queue->device = blk;
		queue->storage = storage;
		queue->name = name;
		queue->index = i;
		queue->op_counts = blk->queue[i].counters.ops;
		queue->clock = stage_clock_create();
		if (STRAIT_STAGE_CLOCK && !queue->clock) {
			blk_destroy(blk);
			return error_set(err, -ENOMEM, "disk %s: no memory for the stage clocks of %u queues", name,
					 queue_count);
		}
	}
	blk_reset(blk);
	return 0;
}

void blk_destroy(struct blk *blk)
{
	for (uint32_t i = 0; blk->queue && i < blk->queue_count; i++)
		stage_clock_destroy(blk->queue[i].queue.clock);
	if (blk->queue)
		blk_profile_destroy(blk->queue[0].profile, blk->queue_count);
	free(blk->queue);
}

uint64_t blk_features(const struct blk *blk)
{
	const struct storage_info *info = &blk->storage->info;
	uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |
			    BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX) |
			    BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_FLUSH) |
			    BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(VIRTIO_BLK_F_MQ);

	if (info->read_only)
		features |= BIT(VIRTIO_BLK_F_RO);
	if (info->discard_granularity && !info->read_only)
		features |= BIT(VIRTIO_BLK_F_DISCARD);
	if (info->write_zeroes && !info->read_only)
		features |= BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	return features;
}

/*
 * When a write is stable (virtio 1.2, section 5.2.6.2): a driver that took
 * neither FLUSH nor CONFIG_WCE cannot flush, so each write has to be stable;
 * so it has where the cache was turned off, by the guest or by the
 * configuration.
 */
static void update_stable_writes(struct blk *blk)
{
	bool can_flush = blk->features & (BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_CONFIG_WCE));

	__atomic_store_n(&blk->stable_writes, !blk->writeback || !can_flush, __ATOMIC_RELAXED);
}

void blk_set_features(struct blk *blk, uint64_t features)
{
	blk->features = features;
	update_stable_writes(blk);
}

void blk_reset(struct blk *blk)
{
	/* Nothing is negotiated any more: a driver that comes next and does not negotiate cannot flush. */
	blk->features = 0;
	blk->writeback = blk->storage->info.writeback;
	update_stable_writes(blk);
}

void blk_cache_changed(struct blk *blk)
{
	const bool negotiated = blk->features != 0;

	blk->writeback = blk->storage->info.writeback && (blk->writeback || !negotiated);
	update_stable_writes(blk);
}

static uint8_t log2_of(uint32_t power_of_two)
{
	return (uint8_t)__builtin_ctz(power_of_two);
}

static void fill_config(const struct blk *blk, struct virtio_blk_config *config)
{
	const struct storage_info *info = &blk->storage->info;

	*config = (struct virtio_blk_config){
		.capacity = storage_size(blk->storage) / SECTOR,
		.size_max = BLK_SIZE_MAX,
		.seg_max = BLK_SEG_MAX,
		.blk_size = info->block_size,
		.physical_block_exp = log2_of(info->physical_block / info->block_size),
		.min_io_size = (uint16_t)(info->physical_block / info->block_size),
		.opt_io_size = info->optimal_io / info->block_size,
		.wce = blk->writeback,
		.num_queues = (uint16_t)blk->queue_count,
	};
	if (info->discard_granularity) {
		config->max_discard_sectors = BLK_DISCARD_SECTORS;
		config->max_discard_seg = BLK_RANGE_SEGMENTS;
		config->discard_sector_alignment = info->discard_granularity / SECTOR;
	}
	if (info->write_zeroes) {
		config->max_write_zeroes_sectors = BLK_WRITE_ZEROES_SECTORS;
		config->max_write_zeroes_seg = BLK_RANGE_SEGMENTS;
		config->write_zeroes_may_unmap = info->discard_granularity != 0;
	}
}

int blk_get_config(const struct blk *blk, uint32_t offset, uint32_t size, void *data)
{
	/* Newer front ends know a longer structure: what we have no fields for reads as zero. */
	uint8_t space[256] = {0};
	struct virtio_blk_config config;

	if (!range_within(offset, size, sizeof(space)))
		return -EINVAL;
	fill_config(blk, &config);
	memcpy(space, &config, sizeof(config));
	memcpy(data, space + offset, size);
	return 0;
}

int blk_set_config(struct blk *blk, uint32_t offset, uint32_t size, const void *data)
{
	uint8_t writeback;

	/* The one field that a driver may write (5.2.5.2). */
	if (offset != offsetof(struct virtio_blk_config, wce) || size != sizeof(writeback))
		return -EINVAL;
	memcpy(&writeback, data, sizeof(writeback));
	if (writeback > 1)
		return -EINVAL;
	blk->writeback = writeback;
	update_stable_writes(blk);
	return 0;
}

static void add_counter(uint64_t *sum, const uint64_t *counter)
{
	*sum += __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void blk_read_counters(const struct blk *blk, struct blk_counters *device, struct queue_counters *queues)
{
	*device = (struct blk_counters){0};
	*queues = (struct queue_counters){0};
	for (uint32_t i = 0; i < blk->queue_count; i++) {
		const struct blk_counters *from = &blk->queue[i].counters;
		const struct queue_counters *queue = &blk->queue[i].queue.counters;

		for (unsigned op = 0; op < STORAGE_OP_COUNT; op++)
			add_counter(&device->ops[op], &from->ops[op]);
		add_counter(&device->bytes_read, &from->bytes_read);
		add_counter(&device->bytes_written, &from->bytes_written);
		add_counter(&device->errors, &from->errors);
		add_counter(&queues->requests, &queue->requests);
		add_counter(&queues->kicks, &queue->kicks);
		add_counter(&queues->calls, &queue->calls);
		add_counter(&queues->broken, &queue->broken);
		add_counter(&queues->moves, &queue->moves);
		add_counter(&queues->moves_given_up, &queue->moves_given_up);
		add_counter(&queues->held, &queue->held);
		add_counter(&queues->held_ns, &queue->held_ns);
		if (__atomic_load_n(&queue->move_pause_max_ns, __ATOMIC_RELAXED) > queues->move_pause_max_ns)
			queues->move_pause_max_ns = queue->move_pause_max_ns;
	}
}

void blk_restore(struct blk *blk, bool writeback, const struct blk_counters *device,
		 const struct queue_counters *queues)
{
	blk->writeback = writeback;
	update_stable_writes(blk);
	/* Only sums are looked at. */
	blk->queue[0].counters = *device;
	blk->queue[0].queue.counters = *queues;
}

void blk_read_profile(const struct blk *blk, uint64_t word[BLK_PROFILE_WORDS])
{
	memset(word, 0, BLK_PROFILE_WORDS * sizeof(*word));
	for (uint32_t i = 0; i < blk->queue_count; i++) {
		if (blk->queue[i].profile)
			blk_profile_read(blk->queue[i].profile, word, NULL);
	}
}

double blk_working_set(const struct blk *blk)
{
	uint8_t region[BLK_PROFILE_REGISTERS] = {0};
	uint64_t word[BLK_PROFILE_WORDS] = {0};
	double bytes;

	for (uint32_t i = 0; i < blk->queue_count; i++) {
		if (blk->queue[i].profile)
			blk_profile_read(blk->queue[i].profile, word, region);
	}
	bytes = blk_profile_regions(region) * (1u << BLK_PROFILE_REGION_BITS);
	return bytes < (double)storage_size(blk->storage) ? bytes : (double)storage_size(blk->storage);
}
