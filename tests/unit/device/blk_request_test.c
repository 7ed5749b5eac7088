/* SPDX-License-Identifier: Apache-2.0 */
/* All commands, laid out in every way a driver may choose (virtio 1.2, section 5.2.6). */
#include "blk_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void stamp(void *memory, size_t size, unsigned generation)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)memory)[i] = (uint8_t)(i * 31 + i / 251 + generation);
}

static void assert_record(const struct blk_rig *rig, unsigned i, enum storage_op op, uint64_t offset, uint64_t length)
{
	assert_true(i < rig->recorder.count);
	assert_int_equal(rig->recorder.record[i].op, op);
	assert_int_equal(rig->recorder.record[i].offset, offset);
	assert_int_equal(rig->recorder.record[i].length, length);
}

static void written_and_read_back(void **state)
{
	static const uint32_t lengths[] = {512, 4096, 65024};
	struct blk_rig *rig = *state;
	struct blk_counters counters;
	char data[65024];

	for (unsigned i = 0; i < COUNT(lengths); i++) {
		const uint64_t sector = 3 + i * 200;

		recorder_expect(&rig->recorder, 0, 0);
		stamp(data, lengths[i], i);
		assert_outcome(blk_out(rig, sector, data, lengths[i]), VIRTIO_BLK_S_OK, 1);
		assert_record(rig, 0, STORAGE_WRITE, sector * 512, lengths[i]);
		assert_memory_equal(rig->recorder.data + sector * 512, data, lengths[i]);
		/* The status byte counts as written. */
		assert_outcome(blk_in(rig, sector, lengths[i]), VIRTIO_BLK_S_OK, lengths[i] + 1);
		assert_record(rig, 1, STORAGE_READ, sector * 512, lengths[i]);
		assert_memory_equal(rig->written, data, lengths[i]);
		assert_int_equal(rig->recorder.count, 2);
	}
	counters = blk_rig_counters(rig);
	assert_int_equal(counters.ops[STORAGE_READ], 3);
	assert_int_equal(counters.ops[STORAGE_WRITE], 3);
	assert_int_equal(counters.bytes_read, 512 + 4096 + 65024);
	assert_int_equal(counters.bytes_written, 512 + 4096 + 65024);
	assert_int_equal(counters.errors, 0);
}

/* The first and the last sector, and the whole disk in pieces. */
static void from_end_to_end(void **state)
{
	struct blk_rig *rig = *state;
	const uint64_t sectors = RECORDER_SIZE / 512;
	char data[512];

	stamp(data, sizeof(data), 9);
	assert_outcome(blk_out(rig, 0, data, 512), VIRTIO_BLK_S_OK, 1);
	assert_outcome(blk_out(rig, sectors - 1, data, 512), VIRTIO_BLK_S_OK, 1);
	assert_memory_equal(rig->recorder.data + RECORDER_SIZE - 512, data, 512);
	for (uint64_t sector = 0; sector < sectors; sector += 64)
		assert_outcome(blk_in(rig, sector, 64 * 512), VIRTIO_BLK_S_OK, 64 * 512 + 1);
}

/* The data goes between guest memory and the back end without a copy. */
static void back_ends_see_guest_memory(void **state)
{
	struct blk_rig *rig = *state;
	char data[1024] = {0};

	assert_outcome(blk_out(rig, 0, data, sizeof(data)), VIRTIO_BLK_S_OK, 1);
	assert_ptr_equal(rig->recorder.record[0].first.iov_base, blk_rig_data(rig));
	assert_outcome(blk_in(rig, 0, sizeof(data)), VIRTIO_BLK_S_OK, sizeof(data) + 1);
	assert_ptr_equal(rig->recorder.record[1].first.iov_base, blk_rig_answer(rig));
}

/* Cut header, data and status wherever one can: a driver may frame its messages as it likes (2.7.4.1). */
static void cut_anywhere(void **state)
{
	static const uint32_t cuts[][6] = {
		{0},                         /* all in one piece */
		{1, 0},                      /* header split near its beginning, */
		{8, 0},                      /* in the middle, */
		{15, 0},                     /* near its end */
		{17, 0},                     /* header with a byte of data */
		{528, 0},                    /* header with a sector, then the rest */
		{1, 1, 1, 1, 12, 0},         /* header in five pieces */
		{4, 4, 4, 4, 512, 0},        /* and the data in two */
		{8, 7, 2, 510, 1, 0},        /* nothing where one would expect it */
		{16, 512, 512, 512, 511, 0}, /* the status with a byte of data */
		{512, 512, 512, 511, 1, 0},  /* data cut unevenly */
		{2047, 0},
	};
	struct blk_rig *rig = *state;
	struct {
		struct virtio_blk_outhdr header;
		char data[2048];
	} request;

	for (unsigned i = 0; i < COUNT(cuts); i++) {
		const uint64_t sector = 100;
		struct layout layout = {.readable = &request, .readable_cuts = cuts[i], .writable_cuts = cuts[i]};

		stamp(request.data, sizeof(request.data), i);
		request.header = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_OUT, .sector = sector};
		layout.readable_length = sizeof(request);
		layout.writable_length = 1;
		assert_outcome(blk_run(rig, &layout), VIRTIO_BLK_S_OK, 1);
		assert_memory_equal(rig->recorder.data + sector * 512, request.data, sizeof(request.data));
		request.header.type = VIRTIO_BLK_T_IN;
		layout.readable_length = sizeof(request.header);
		layout.writable_length = sizeof(request.data) + 1;
		assert_outcome(blk_run(rig, &layout), VIRTIO_BLK_S_OK, sizeof(request.data) + 1);
		assert_memory_equal(rig->written, request.data, sizeof(request.data));
	}
}

/* As many data segments as the device offers, and the header and status as Linux lays them out. */
static void as_many_segments_as_offered(void **state)
{
	struct blk_rig *rig = *state;
	uint32_t cuts[BLK_SEG_MAX + 2] = {sizeof(struct virtio_blk_outhdr)};
	const uint32_t length = BLK_SEG_MAX * 512;
	char data[BLK_SEG_MAX * 512 + sizeof(struct virtio_blk_outhdr)] = {0};
	struct layout layout = {.readable = data, .readable_cuts = cuts};

	for (unsigned i = 1; i <= BLK_SEG_MAX; i++)
		cuts[i] = 512;
	stamp(data, sizeof(data), 5);
	memcpy(data, &(struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_OUT}, sizeof(struct virtio_blk_outhdr));
	layout.readable_length = sizeof(data);
	layout.writable_length = 1;
	assert_outcome(blk_run(rig, &layout), VIRTIO_BLK_S_OK, 1);
	assert_int_equal(rig->recorder.record[0].iov_count, BLK_SEG_MAX);
	memcpy(data, &(struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN}, sizeof(struct virtio_blk_outhdr));
	layout = (struct layout){.readable = data,
				 .readable_length = sizeof(struct virtio_blk_outhdr),
				 .writable_length = length + 1,
				 .writable_cuts = cuts + 1};
	assert_outcome(blk_run(rig, &layout), VIRTIO_BLK_S_OK, length + 1);
	assert_int_equal(rig->recorder.record[1].iov_count, BLK_SEG_MAX);
	assert_memory_equal(rig->written, data + sizeof(struct virtio_blk_outhdr), length);
}

static void a_flush(void **state)
{
	struct blk_rig *rig = *state;
	struct {
		struct virtio_blk_outhdr header;
		char stray[100];
	} request = {.header = {.type = VIRTIO_BLK_T_FLUSH, .sector = UINT64_MAX}};

	/* The sector means nothing; nor do data that do not belong to it. */
	assert_outcome(blk_plain(rig, VIRTIO_BLK_T_FLUSH, 0, 1), VIRTIO_BLK_S_OK, 1);
	assert_outcome(blk_plain(rig, VIRTIO_BLK_T_FLUSH, UINT64_MAX, 513), VIRTIO_BLK_S_OK, 1);
	assert_outcome(blk_run(rig, &(struct layout){.readable = &request,
						     .readable_length = sizeof(request),
						     .writable_length = 1}),
		       VIRTIO_BLK_S_OK, 1);
	assert_int_equal(rig->recorder.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_record(rig, i, STORAGE_FLUSH, 0, 0);
		assert_int_equal(rig->recorder.record[i].iov_count, 0);
	}
	assert_int_equal(blk_rig_counters(rig).ops[STORAGE_FLUSH], 3);
}

/* Twenty bytes, as many of them as there is room for (5.2.6.1). */
static void the_id(void **state)
{
	static const uint32_t rooms[] = {20, 19, 1, 0, 21, 512};
	static const uint32_t odd_cuts[] = {3, 5, 0};
	const char id[20] = "serial-0123";
	struct blk_rig *rig = *state;

	for (unsigned i = 0; i < 2 * COUNT(rooms); i++) {
		const uint32_t room = rooms[i / 2], length = room < 20 ? room : 20;
		const struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_GET_ID};
		const struct layout layout = {.readable = &header,
					      .readable_length = sizeof(header),
					      .writable_length = room + 1,
					      .writable_cuts = i % 2 ? odd_cuts : NULL};

		assert_outcome(blk_run(rig, &layout), VIRTIO_BLK_S_OK, length + 1);
		assert_memory_equal(rig->written, id, length);
		for (uint32_t k = length; k < room; k++)
			assert_int_equal(rig->written[k], 0xee);
	}
	assert_int_equal(rig->recorder.count, 0);
}

/* One that fills the field has no terminator; a longer one is cut. */
static void ids_of_any_length(void **state)
{
	static const char *const serials[] = {"", "x", "exactly-twenty-bytes", "more-than-twenty-bytes-long"};

	(void)state;
	for (unsigned i = 0; i < COUNT(serials); i++) {
		struct recorder *recorder = malloc(sizeof(*recorder));
		struct error err;
		struct blk blk;

		recorder_init(recorder);
		assert_int_equal(blk_init(&blk, "test", serials[i], 1, &recorder->storage, &err), 0);
		for (unsigned k = 0; k < 20; k++)
			assert_int_equal(blk.serial[k], k < strlen(serials[i]) ? serials[i][k] : 0);
		blk_destroy(&blk);
		free(recorder);
	}
}

/* Nothing to read or write is soon done. */
static void no_data(void **state)
{
	struct blk_rig *rig = *state;

	assert_outcome(blk_in(rig, 5, 0), VIRTIO_BLK_S_OK, 1);
	assert_outcome(blk_out(rig, 5, NULL, 0), VIRTIO_BLK_S_OK, 1);
	assert_outcome(blk_in(rig, RECORDER_SIZE / 512, 0), VIRTIO_BLK_S_OK, 1);
	assert_int_equal(rig->recorder.count, 0);
}

static void unknown_types(void **state)
{
	static const uint32_t types[] = {2, 3, 5, 6, 7, 9, 10, 12, 14, 15, 255, 0x80000000, 0x80000001, UINT32_MAX};
	struct blk_rig *rig = *state;
	char data[512] = {0};

	for (unsigned i = 0; i < COUNT(types); i++) {
		struct {
			struct virtio_blk_outhdr header;
			char data[512];
		} request = {.header = {.type = types[i]}};

		assert_outcome(blk_plain(rig, types[i], 0, 1), VIRTIO_BLK_S_UNSUPP, 1);
		assert_outcome(blk_plain(rig, types[i], UINT64_MAX, 513), VIRTIO_BLK_S_UNSUPP, 1);
		assert_outcome(blk_run(rig, &(struct layout){.readable = &request,
							     .readable_length = sizeof(request),
							     .writable_length = 1}),
			       VIRTIO_BLK_S_UNSUPP, 1);
	}
	assert_int_equal(rig->recorder.count, 0);
	assert_int_equal(blk_rig_counters(rig).errors, 0);
	/* The queue goes on. */
	assert_outcome(blk_out(rig, 0, data, 512), VIRTIO_BLK_S_OK, 1);
}

/* The whole repertoire over the null back end, which answers at once and touches nothing. */
static void over_the_null_back_end(void **state)
{
	const struct virtio_blk_discard_write_zeroes range = {.sector = 8, .num_sectors = 8};
	struct blk_rig *rig = calloc(1, sizeof(*rig));
	struct storage *storage;
	struct error err;
	char data[4096] = {0};

	(void)state;
	assert_int_equal(storage_null_open("test", MIB, false, &storage, &err), 0);
	blk_rig_create(rig, storage);
	for (unsigned i = 0; i < 20; i++) {
		assert_outcome(blk_in(rig, i, 4096), VIRTIO_BLK_S_OK, 4097);
		assert_int_equal(rig->written[0], 0xee);
		assert_outcome(blk_out(rig, i, data, 4096), VIRTIO_BLK_S_OK, 1);
		assert_outcome(blk_plain(rig, VIRTIO_BLK_T_FLUSH, 0, 1), VIRTIO_BLK_S_OK, 1);
		assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_DISCARD, &range, 1), VIRTIO_BLK_S_OK, 1);
		assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, &range, 1), VIRTIO_BLK_S_OK, 1);
		assert_outcome(blk_plain(rig, VIRTIO_BLK_T_GET_ID, 0, 21), VIRTIO_BLK_S_OK, 21);
		assert_outcome(blk_in(rig, 2048, 512), VIRTIO_BLK_S_IOERR, 1);
	}
	blk_rig_destroy(rig);
	free(rig);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, blk_rig_set_up, blk_rig_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(written_and_read_back),
		CASE(from_end_to_end),
		CASE(back_ends_see_guest_memory),
		CASE(cut_anywhere),
		CASE(as_many_segments_as_offered),
		CASE(a_flush),
		CASE(the_id),
		CASE(no_data),
		CASE(unknown_types),
		cmocka_unit_test(ids_of_any_length),
		cmocka_unit_test(over_the_null_back_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
