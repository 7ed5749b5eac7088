/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that no driver should send: what is not a request breaks the queue, what is not possible is an I/O error. */
#include "blk_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECTORS      (RECORDER_SIZE / 512)

static void headers_that_are_none(void **state)
{
	static const uint32_t cuts[][4] = {{0}, {1, 0}, {1, 2, 3, 0}};
	const struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN};
	struct blk_rig *rig = *state;

	for (uint32_t length = 0; length < sizeof(header); length++) {
		for (unsigned i = 0; i < COUNT(cuts); i++) {
			const struct layout layout = {.readable = &header,
						      .readable_length = length,
						      .readable_cuts = cuts[i],
						      .writable_length = 513};

			blk_must_break(rig, &layout, "without a complete header");
		}
	}
	/* Set up anew the queue works. */
	assert_outcome(blk_in(rig, 0, 512), VIRTIO_BLK_S_OK, 513);
}

static void no_place_for_the_status(void **state)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN,     VIRTIO_BLK_T_OUT,     VIRTIO_BLK_T_FLUSH,
					 VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD, 99};
	struct blk_rig *rig = *state;

	for (unsigned i = 0; i < COUNT(types); i++) {
		struct {
			struct virtio_blk_outhdr header;
			char data[512];
		} request = {.header = {.type = types[i]}};
		struct layout layout = {.readable = &request, .readable_length = sizeof(request)};

		blk_must_break(rig, &layout, "without a byte for its status");
		layout.readable_length = sizeof(request.header);
		blk_must_break(rig, &layout, "without a byte for its status");
	}
	assert_outcome(blk_in(rig, 0, 512), VIRTIO_BLK_S_OK, 513);
}

/* Reads and writes that are refused before they reach the back end. */
static void impossible_reads_and_writes(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t length;
	} cases[] = {
		{0, 1}, /* not a multiple of 512 */
		{0, 511},
		{0, 513},
		{0, 1023},
		{SECTORS - 1, 513},
		{SECTORS, 512},      /* begins at the end */
		{SECTORS - 1, 1024}, /* and reaches beyond it */
		{SECTORS - 7, 4096},
		{SECTORS + 1, 512},
		{UINT64_MAX, 512}, /* sector and length overflow */
		{UINT64_MAX, 1024},
		{UINT64_MAX - 7, 4096},
		{UINT64_MAX / 512, 512},     /* the offset in bytes is the last that fits, */
		{UINT64_MAX / 512 + 1, 512}, /* or wraps to 0, */
		{(1ull << 55) + 1, 512},     /* or to 512 */
		{1ull << 63, 512},
		{SECTORS + 1, 0},
		{UINT64_MAX, 0},
	};
	struct blk_rig *rig = *state;
	const char data[4096] = {0};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		said_begin();
		assert_outcome(blk_in(rig, cases[i].sector, cases[i].length), VIRTIO_BLK_S_IOERR, 1);
		assert_outcome(blk_out(rig, cases[i].sector, data, cases[i].length), VIRTIO_BLK_S_IOERR, 1);
		said_end();
	}
	assert_int_equal(rig->recorder.count, 0);
	assert_int_equal(blk_rig_counters(rig).errors, 2 * COUNT(cases));
	assert_int_equal(blk_rig_counters(rig).bytes_read, 0);
	assert_int_equal(blk_rig_counters(rig).bytes_written, 0);
}

/* A disk of large blocks: each request begins and ends on one. */
static void misaligned_to_large_blocks(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t length;
		bool good;
	} cases[] = {
		{0, 4096, true},
		{8, 8192, true},
		{SECTORS - 8, 4096, true},
		{0, 512, false},
		{1, 4096, false},
		{4, 4096, false},
		{7, 512, false},
		{8, 4608, false},
		{0, 4095, false},
		{8, 0, true},
		{1, 0, false},
		{SECTORS, 4096, false},
		{SECTORS - 4, 2048, false},
	};
	struct blk_rig *rig = calloc(1, sizeof(*rig));
	const char data[8192] = {0};

	(void)state;
	recorder_init(&rig->recorder);
	rig->recorder.storage.info.block_size = 4096;
	rig->storage = &rig->recorder.storage;
	blk_rig_start(rig);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		const uint8_t status = cases[i].good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;

		recorder_expect(&rig->recorder, 0, 0);
		said_begin();
		assert_outcome(blk_in(rig, cases[i].sector, cases[i].length), status,
			       cases[i].good ? cases[i].length + 1 : 1);
		assert_outcome(blk_out(rig, cases[i].sector, data, cases[i].length), status, 1);
		said_end();
		assert_int_equal(rig->recorder.count, cases[i].good && cases[i].length ? 2 : 0);
	}
	blk_rig_destroy(rig);
	free(rig);
}

/* Writing to a read-only disk is an error even if the driver did not take F_RO. */
static void changes_to_a_read_only_disk(void **state)
{
	const struct virtio_blk_discard_write_zeroes range = {.sector = 8, .num_sectors = 8};
	struct blk_rig *rig = calloc(1, sizeof(*rig));
	const char data[512] = {0};

	(void)state;
	recorder_init(&rig->recorder);
	rig->recorder.storage.info.read_only = true;
	rig->storage = &rig->recorder.storage;
	blk_rig_start(rig);
	assert_true(blk_features(&rig->blk) >> VIRTIO_BLK_F_RO & 1);
	said_begin();
	assert_outcome(blk_out(rig, 0, data, 512), VIRTIO_BLK_S_IOERR, 1);
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_DISCARD, &range, 1), VIRTIO_BLK_S_IOERR, 1);
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, &range, 1), VIRTIO_BLK_S_IOERR, 1);
	said_end();
	assert_int_equal(rig->recorder.count, 0);
	assert_int_equal(blk_rig_counters(rig).errors, 3);
	assert_outcome(blk_in(rig, 0, 512), VIRTIO_BLK_S_OK, 513);
	assert_outcome(blk_plain(rig, VIRTIO_BLK_T_FLUSH, 0, 1), VIRTIO_BLK_S_OK, 1);
	assert_int_equal(rig->recorder.count, 2);
	blk_rig_destroy(rig);
	free(rig);
}

/* The disk has shrunk under the guest: what it has lost is an error, the rest is there. */
static void a_disk_that_shrinks_and_grows(void **state)
{
	struct blk_rig *rig = *state;

	storage_set_size(&rig->recorder.storage, RECORDER_SIZE / 2);
	said_begin();
	assert_outcome(blk_in(rig, SECTORS / 2 - 1, 512), VIRTIO_BLK_S_OK, 513);
	assert_outcome(blk_in(rig, SECTORS / 2, 512), VIRTIO_BLK_S_IOERR, 1);
	assert_outcome(blk_in(rig, SECTORS / 2 - 1, 1024), VIRTIO_BLK_S_IOERR, 1);
	said_end();
	storage_set_size(&rig->recorder.storage, RECORDER_SIZE);
	assert_outcome(blk_in(rig, SECTORS / 2 - 1, 1024), VIRTIO_BLK_S_OK, 1025);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, blk_rig_set_up, blk_rig_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(headers_that_are_none),
		CASE(no_place_for_the_status),
		CASE(impossible_reads_and_writes),
		CASE(a_disk_that_shrinks_and_grows),
		cmocka_unit_test(misaligned_to_large_blocks),
		cmocka_unit_test(changes_to_a_read_only_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
