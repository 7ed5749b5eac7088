/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk says of itself: features and the configuration space (virtio 1.2, sections 5.2.3 and 5.2.4). */
#include "recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "device/blk/blk.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BIT(feature) (1ull << (feature))
#define WCE_AT       offsetof(struct virtio_blk_config, wce)

static struct recorder recorder;

static void create(struct blk *blk, uint32_t queues)
{
	struct error err;

	assert_int_equal(blk_init(blk, "test", "serial", queues, &recorder.storage, &err), 0);
}

static struct virtio_blk_config read_config(const struct blk *blk)
{
	struct virtio_blk_config config;

	assert_int_equal(blk_get_config(blk, 0, sizeof(config), &config), 0);
	return config;
}

static int reset_recorder(void **state)
{
	(void)state;
	recorder_init(&recorder);
	return 0;
}

static void features_follow_the_storage(void **state)
{
	const uint64_t always = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
				BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_BLK_F_SIZE_MAX) |
				BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_TOPOLOGY) |
				BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(VIRTIO_BLK_F_MQ);
	const struct {
		bool discard, write_zeroes, read_only;
		uint64_t more;
	} cases[] = {
		{false, false, false, 0},
		{true, false, false, BIT(VIRTIO_BLK_F_DISCARD)},
		{false, true, false, BIT(VIRTIO_BLK_F_WRITE_ZEROES)},
		{true, true, false, BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES)},
		{true, true, true, BIT(VIRTIO_BLK_F_RO)},
		{false, false, true, BIT(VIRTIO_BLK_F_RO)},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct blk blk;

		recorder.storage.info.discard_granularity = cases[i].discard ? 4096 : 0;
		recorder.storage.info.write_zeroes = cases[i].write_zeroes;
		recorder.storage.info.read_only = cases[i].read_only;
		create(&blk, 1);
		assert_int_equal(blk_features(&blk), always | cases[i].more);
		blk_destroy(&blk);
	}
}

static void every_field(void **state)
{
	struct virtio_blk_config config;
	struct blk blk;

	(void)state;
	create(&blk, 3);
	config = read_config(&blk);
	assert_int_equal(config.capacity, RECORDER_SIZE / 512);
	assert_int_equal(config.size_max, BLK_SIZE_MAX);
	assert_int_equal(config.seg_max, BLK_SEG_MAX);
	assert_int_equal(config.blk_size, 512);
	assert_int_equal(config.physical_block_exp, 3);
	assert_int_equal(config.alignment_offset, 0);
	assert_int_equal(config.min_io_size, 8);
	assert_int_equal(config.opt_io_size, 128);
	assert_int_equal(config.wce, 1);
	assert_int_equal(config.num_queues, 3);
	assert_int_equal(config.max_discard_sectors, BLK_DISCARD_SECTORS);
	assert_int_equal(config.max_discard_seg, BLK_RANGE_SEGMENTS);
	assert_int_equal(config.discard_sector_alignment, 8);
	assert_int_equal(config.max_write_zeroes_sectors, BLK_WRITE_ZEROES_SECTORS);
	assert_int_equal(config.max_write_zeroes_seg, BLK_RANGE_SEGMENTS);
	assert_int_equal(config.write_zeroes_may_unmap, 1);
	blk_destroy(&blk);
}

/* A disk of large blocks, without a hint for its best size; capacity is in units of 512 all the same. */
static void a_disk_of_large_blocks(void **state)
{
	struct virtio_blk_config config;
	struct blk blk;

	(void)state;
	recorder.storage.info.block_size = 4096;
	recorder.storage.info.optimal_io = 0;
	create(&blk, 1);
	config = read_config(&blk);
	assert_int_equal(config.capacity, RECORDER_SIZE / 512);
	assert_int_equal(config.blk_size, 4096);
	assert_int_equal(config.physical_block_exp, 0);
	assert_int_equal(config.min_io_size, 1);
	assert_int_equal(config.opt_io_size, 0);
	assert_int_equal(config.discard_sector_alignment, 8);
	blk_destroy(&blk);
}

/* Limits are those of what is offered, and then never 0: that has crashed guests. */
static void limits_of_what_is_not_offered(void **state)
{
	struct virtio_blk_config config;
	struct blk blk;

	(void)state;
	recorder.storage.info.discard_granularity = 0;
	create(&blk, 1);
	config = read_config(&blk);
	assert_int_equal(config.max_discard_sectors, 0);
	assert_int_equal(config.max_discard_seg, 0);
	assert_true(config.max_write_zeroes_sectors > 0 && config.max_write_zeroes_seg > 0);
	assert_int_equal(config.write_zeroes_may_unmap, 0);
	blk_destroy(&blk);
	recorder.storage.info.write_zeroes = false;
	create(&blk, 1);
	config = read_config(&blk);
	assert_int_equal(config.max_write_zeroes_sectors, 0);
	assert_int_equal(config.max_write_zeroes_seg, 0);
	blk_destroy(&blk);
}

static void the_capacity_follows_the_size(void **state)
{
	struct blk blk;

	(void)state;
	create(&blk, 1);
	storage_set_size(&recorder.storage, 1ull << 40);
	assert_int_equal(read_config(&blk).capacity, 1ull << 31);
	storage_set_size(&recorder.storage, 512);
	assert_int_equal(read_config(&blk).capacity, 1);
	blk_destroy(&blk);
}

/* Parts of the space; what newer front ends know beyond reads as zero; what is beyond that is refused. */
static void parts_of_the_space(void **state)
{
	uint8_t whole[256], part[257];
	struct blk blk;

	(void)state;
	create(&blk, 1);
	assert_int_equal(blk_get_config(&blk, 0, 256, whole), 0);
	for (uint32_t i = sizeof(struct virtio_blk_config); i < 256; i++)
		assert_int_equal(whole[i], 0);
	for (uint32_t offset = 0; offset <= 256; offset++) {
		for (uint32_t size = 0; size <= 257; size += 1 + size / 8) {
			const int expected = offset + size <= 256 ? 0 : -EINVAL;

			memset(part, 0xaa, sizeof(part));
			assert_int_equal(blk_get_config(&blk, offset, size, part), expected);
			if (expected == 0)
				assert_memory_equal(part, whole + offset, size);
			assert_int_equal(part[expected ? 0 : size], 0xaa);
		}
	}
	assert_int_equal(blk_get_config(&blk, UINT32_MAX, 1, part), -EINVAL);
	assert_int_equal(blk_get_config(&blk, UINT32_MAX, 2, part), -EINVAL);
	assert_int_equal(blk_get_config(&blk, 1, UINT32_MAX, part), -EINVAL);
	blk_destroy(&blk);
}

/* The writeback field, a byte that is 0 or 1, and nothing else. */
static void what_may_be_written(void **state)
{
	uint8_t bytes[256] = {0};
	struct blk blk;

	(void)state;
	create(&blk, 1);
	for (uint32_t offset = 0; offset < 256; offset++) {
		for (uint32_t size = 0; size <= 256; size += 1 + size / 4) {
			if (offset == WCE_AT && size == 1)
				continue;
			assert_int_equal(blk_set_config(&blk, offset, size, bytes), -EINVAL);
		}
	}
	assert_int_equal(read_config(&blk).wce, 1);
	for (unsigned value = 0; value < 256; value++) {
		bytes[0] = (uint8_t)value;
		assert_int_equal(blk_set_config(&blk, WCE_AT, 1, bytes), value < 2 ? 0 : -EINVAL);
		assert_int_equal(read_config(&blk).wce, value != 0);
	}
	/* Reset is back to what was configured. */
	bytes[0] = 0;
	assert_int_equal(blk_set_config(&blk, WCE_AT, 1, bytes), 0);
	blk_reset(&blk);
	assert_int_equal(read_config(&blk).wce, 1);
	blk_destroy(&blk);
	recorder.storage.info.writeback = false;
	create(&blk, 1);
	assert_int_equal(read_config(&blk).wce, 0);
	blk_destroy(&blk);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup(test, reset_recorder)
	const struct CMUnitTest tests[] = {
		CASE(features_follow_the_storage),   CASE(every_field),
		CASE(a_disk_of_large_blocks),        CASE(limits_of_what_is_not_offered),
		CASE(the_capacity_follows_the_size), CASE(parts_of_the_space),
		CASE(what_may_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
