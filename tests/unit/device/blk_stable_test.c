/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a write must be stable before it completes (virtio 1.2, section 5.2.6.2):
 * over what the storage was configured with, what the driver negotiated, and
 * what it wrote into the writeback field.
 */
#include "blk_rig.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BIT(feature) (1ull << (feature))
#define FLUSH        BIT(VIRTIO_BLK_F_FLUSH)
#define WCE          BIT(VIRTIO_BLK_F_CONFIG_WCE)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { UNTOUCHED = 2 };

/* The rule, written a second time: who cannot flush, or has no cache, must find its writes stable. */
static bool expected(bool configured, uint64_t features, unsigned field)
{
	const bool writeback = field == UNTOUCHED ? configured : field;

	if (!(features & (FLUSH | WCE)))
		return true;
	return !writeback;
}

/* The STABLE flag of one request of each kind, as the back end saw it. */
static void assert_flags(struct blk_rig *rig, bool stable)
{
	const struct virtio_blk_discard_write_zeroes range = {.sector = 8, .num_sectors = 8};
	const char data[512] = {0};
	const enum storage_op ops[] = {STORAGE_WRITE, STORAGE_DISCARD, STORAGE_WRITE_ZEROES, STORAGE_READ,
				       STORAGE_FLUSH};

	recorder_expect(&rig->recorder, 0, 0);
	assert_outcome(blk_out(rig, 0, data, 512), VIRTIO_BLK_S_OK, 1);
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_DISCARD, &range, 1), VIRTIO_BLK_S_OK, 1);
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, &range, 1), VIRTIO_BLK_S_OK, 1);
	assert_outcome(blk_in(rig, 0, 512), VIRTIO_BLK_S_OK, 513);
	assert_outcome(blk_plain(rig, VIRTIO_BLK_T_FLUSH, 0, 1), VIRTIO_BLK_S_OK, 1);
	assert_int_equal(rig->recorder.count, COUNT(ops));
	for (unsigned i = 0; i < COUNT(ops); i++) {
		assert_int_equal(rig->recorder.record[i].op, ops[i]);
		assert_int_equal(rig->recorder.record[i].flags, i < 3 && stable ? STORAGE_STABLE : 0);
	}
}

static int set_writeback(struct blk_rig *rig, uint8_t value)
{
	return blk_set_config(&rig->blk, offsetof(struct virtio_blk_config, wce), 1, &value);
}

static struct blk_rig *create(bool writeback)
{
	struct blk_rig *rig = calloc(1, sizeof(*rig));

	recorder_init(&rig->recorder);
	rig->recorder.storage.info.writeback = writeback;
	rig->storage = &rig->recorder.storage;
	blk_rig_start(rig);
	return rig;
}

static void every_combination(void **state)
{
	static const uint64_t features[] = {0, FLUSH, WCE, FLUSH | WCE};

	(void)state;
	for (unsigned configured = 0; configured < 2; configured++) {
		for (unsigned f = 0; f < COUNT(features); f++) {
			for (unsigned field = 0; field <= UNTOUCHED; field++) {
				struct blk_rig *rig = create(configured);

				blk_set_features(&rig->blk, features[f]);
				if (field != UNTOUCHED)
					assert_int_equal(set_writeback(rig, (uint8_t)field), 0);
				assert_flags(rig, expected(configured, features[f], field));
				blk_rig_destroy(rig);
				free(rig);
			}
		}
	}
}

/* The guest turns its cache off and on while it runs: what it sends next is treated so. */
static void changed_while_running(void **state)
{
	struct blk_rig *rig = create(true);

	(void)state;
	blk_set_features(&rig->blk, FLUSH | WCE);
	for (unsigned i = 0; i < 3; i++) {
		assert_flags(rig, false);
		assert_int_equal(set_writeback(rig, 0), 0);
		assert_flags(rig, true);
		assert_int_equal(set_writeback(rig, 1), 0);
	}
	blk_rig_destroy(rig);
	free(rig);
}

/*
 * After a reset nothing is negotiated and the field is as configured. A driver
 * that comes next and negotiates nothing cannot flush.
 */
static void a_reset_forgets(void **state)
{
	(void)state;
	for (unsigned configured = 0; configured < 2; configured++) {
		struct blk_rig *rig = create(configured);
		uint8_t field;

		blk_set_features(&rig->blk, FLUSH | WCE);
		assert_int_equal(set_writeback(rig, !configured), 0);
		assert_flags(rig, configured);
		blk_reset(&rig->blk);
		assert_int_equal(blk_get_config(&rig->blk, offsetof(struct virtio_blk_config, wce), 1, &field), 0);
		assert_int_equal(field, configured);
		assert_flags(rig, true);
		blk_set_features(&rig->blk, FLUSH);
		assert_flags(rig, !configured);
		blk_rig_destroy(rig);
		free(rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination),
		cmocka_unit_test(changed_while_running),
		cmocka_unit_test(a_reset_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
