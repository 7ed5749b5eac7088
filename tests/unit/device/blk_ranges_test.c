/* SPDX-License-Identifier: Apache-2.0 */
/* Discard and write-zeroes: lists of ranges, of which all are checked before the first is touched. */
#include "blk_rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECTORS      (RECORDER_SIZE / 512)

static const uint32_t types[] = {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};
static const enum storage_op ops[] = {STORAGE_DISCARD, STORAGE_WRITE_ZEROES};

typedef struct virtio_blk_discard_write_zeroes range;

static void assert_nothing_done(const struct blk_rig *rig)
{
	assert_int_equal(rig->recorder.count, 0);
	for (unsigned i = 0; i < RECORDER_SIZE; i++)
		assert_int_equal(rig->recorder.data[i], 'x');
}

/* Neighbours, backwards, twice the same, the last sector, one sector, the most there may be. */
static void each_range_in_turn(void **state)
{
	struct blk_rig *rig = *state;
	range ranges[BLK_RANGE_SEGMENTS] = {
		{.sector = 0, .num_sectors = 8},           {.sector = 8, .num_sectors = 1},
		{.sector = SECTORS - 1, .num_sectors = 1}, {.sector = 100, .num_sectors = 100},
		{.sector = 100, .num_sectors = 100},
	};

	for (unsigned i = 5; i < BLK_RANGE_SEGMENTS; i++)
		ranges[i] = (range){.sector = 1000 - i * 10, .num_sectors = i};
	for (unsigned t = 0; t < COUNT(types); t++) {
		for (unsigned count = 1; count <= BLK_RANGE_SEGMENTS; count++) {
			recorder_expect(&rig->recorder, 0, 0);
			memset(rig->recorder.data, 'x', RECORDER_SIZE);
			assert_outcome(blk_ranges(rig, types[t], ranges, count), VIRTIO_BLK_S_OK, 1);
			assert_int_equal(rig->recorder.count, count);
			for (unsigned i = 0; i < count; i++) {
				const struct record *record = &rig->recorder.record[i];

				assert_int_equal(record->op, ops[t]);
				assert_int_equal(record->offset, ranges[i].sector * 512);
				assert_int_equal(record->length, ranges[i].num_sectors * 512);
				assert_int_equal(record->flags & STORAGE_UNMAP, 0);
			}
		}
		assert_int_equal(blk_rig_counters(rig).ops[ops[t]], BLK_RANGE_SEGMENTS);
	}
}

/* Three ranges, of which the bad one comes first, second or last: nothing is done at all. */
static void one_bad_range_spoils_all(void **state)
{
	const struct {
		range range;
		uint8_t status[2]; /* of discard, of write-zeroes */
	} cases[] = {
		{{.sector = SECTORS, .num_sectors = 1}, {VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR}},
		{{.sector = SECTORS - 1, .num_sectors = 2}, {VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR}},
		{{.sector = UINT64_MAX, .num_sectors = 1}, {VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR}},
		{{.sector = UINT64_MAX, .num_sectors = 2}, {VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR}},
		{{.sector = 1ull << 55, .num_sectors = 8}, {VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR}},
		{{.sector = 0, .num_sectors = UINT32_MAX}, {VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR}},
		{{.sector = 0, .num_sectors = 0}, {VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR}},
		{{.sector = SECTORS, .num_sectors = 0}, {VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR}},
		/* Flags that mean something, but not here, or nothing at all (5.2.6.2). */
		{{.num_sectors = 1, .flags = 2}, {VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP}},
		{{.num_sectors = 1, .flags = 1u << 31}, {VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP}},
		{{.num_sectors = 1, .flags = 3}, {VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP}},
		{{.num_sectors = 1, .flags = 1}, {VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_OK}},
	};
	struct blk_rig *rig = *state;

	memset(rig->recorder.data, 'x', RECORDER_SIZE);
	for (unsigned i = 0; i < 2 * 3 * COUNT(cases); i++) {
		const unsigned t = i % 2, place = i / 2 % 3, c = i / 6;
		range ranges[3];

		if (cases[c].status[t] == VIRTIO_BLK_S_OK)
			continue;
		for (unsigned k = 0; k < 3; k++)
			ranges[k] = k == place ? cases[c].range : (range){.sector = 8 * k, .num_sectors = 8};
		said_begin();
		assert_outcome(blk_ranges(rig, types[t], ranges, 3), cases[c].status[t], 1);
		assert_outcome(blk_ranges(rig, types[t], &cases[c].range, 1), cases[c].status[t], 1);
		said_end();
		assert_nothing_done(rig);
	}
}

/* No range, part of one, one and a half, one too many, far too many. */
static void lists_that_are_none(void **state)
{
	static const uint32_t lengths[] = {0, 1, 15, 17, 24, 31, 255, 257, 272, 512, 4096, 65536 + 16};
	struct blk_rig *rig = *state;
	struct {
		struct virtio_blk_outhdr header;
		range ranges[5000];
	} *request = calloc(1, sizeof(*request));

	memset(rig->recorder.data, 'x', RECORDER_SIZE);
	for (unsigned i = 0; i < COUNT(request->ranges); i++)
		request->ranges[i].num_sectors = 1;
	for (unsigned i = 0; i < 2 * COUNT(lengths); i++) {
		const struct layout layout = {.readable = request,
					      .readable_length = (uint32_t)sizeof(request->header) + lengths[i / 2],
					      .writable_length = 1};

		request->header.type = types[i % 2];
		said_begin();
		assert_outcome(blk_run(rig, &layout), VIRTIO_BLK_S_IOERR, 1);
		said_end();
	}
	assert_nothing_done(rig);
	free(request);
}

/* The list itself may be cut into any pieces. */
static void lists_in_pieces(void **state)
{
	static const uint32_t cuts[][5] = {{0}, {17, 0}, {16, 15, 2, 0}, {16, 16, 16, 16, 0}, {1, 30, 1, 0}};
	struct blk_rig *rig = *state;
	const struct {
		struct virtio_blk_outhdr header;
		range ranges[4];
	} request = {
		.header = {.type = VIRTIO_BLK_T_WRITE_ZEROES},
		.ranges = {{.sector = 1, .num_sectors = 1},
			   {.sector = 3, .num_sectors = 1},
			   {.sector = 5, .num_sectors = 1},
			   {.sector = 7, .num_sectors = 1}},
	};

	for (unsigned i = 0; i < COUNT(cuts); i++) {
		recorder_expect(&rig->recorder, 0, 0);
		memset(rig->recorder.data, 'x', RECORDER_SIZE);
		assert_outcome(blk_run(rig, &(struct layout){.readable = &request,
							     .readable_length = sizeof(request),
							     .readable_cuts = cuts[i],
							     .writable_length = 1}),
			       VIRTIO_BLK_S_OK, 1);
		assert_int_equal(rig->recorder.count, 4);
		for (unsigned sector = 0; sector < 9; sector++)
			assert_int_equal(rig->recorder.data[sector * 512 + 100], sector % 2 ? 0 : 'x');
	}
}

static void the_unmap_flag_is_handed_on(void **state)
{
	const range ranges[] = {{.sector = 8, .num_sectors = 8, .flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP},
				{.sector = 16, .num_sectors = 8},
				{.sector = 24, .num_sectors = 8, .flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP}};
	struct blk_rig *rig = *state;

	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, ranges, 3), VIRTIO_BLK_S_OK, 1);
	assert_int_equal(rig->recorder.count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(!!(rig->recorder.record[i].flags & STORAGE_UNMAP), i != 1);
}

/* By a limit on bytes, zeroes that are unmapped cost nothing. */
static void the_unmap_flag_is_no_way_around_what_writing_costs(void **state)
{
	const range one = {.sector = 8, .num_sectors = 8, .flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP};
	struct blk_rig *rig = *state;

	rig->storage->info.discard_granularity = 0;
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, &one, 1), VIRTIO_BLK_S_OK, 1);
	assert_int_equal(rig->recorder.count, 1);
	assert_int_equal(rig->recorder.record[0].flags & STORAGE_UNMAP, 0);
}

/* What the back end does not support, or a range longer than was offered. */
static void limits_and_lacks(void **state)
{
	struct blk_rig *rig = calloc(1, sizeof(*rig));
	range one = {.sector = 0, .num_sectors = 1};
	struct storage *storage;
	struct error err;

	(void)state;
	recorder_init(&rig->recorder);
	rig->recorder.storage.info.discard_granularity = 0;
	rig->recorder.storage.info.write_zeroes = false;
	rig->storage = &rig->recorder.storage;
	blk_rig_start(rig);
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_DISCARD, &one, 1), VIRTIO_BLK_S_UNSUPP, 1);
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, &one, 1), VIRTIO_BLK_S_UNSUPP, 1);
	assert_int_equal(rig->recorder.count, 0);
	assert_int_equal(blk_rig_counters(rig).errors, 0);
	blk_rig_destroy(rig);
	/* On a disk that is long enough for both limits. */
	memset(rig, 0, sizeof(*rig));
	assert_int_equal(storage_null_open("test", 1ull << 40, false, &storage, &err), 0);
	blk_rig_create(rig, storage);
	said_begin();
	one.num_sectors = BLK_DISCARD_SECTORS;
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_DISCARD, &one, 1), VIRTIO_BLK_S_OK, 1);
	one.num_sectors++;
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_DISCARD, &one, 1), VIRTIO_BLK_S_IOERR, 1);
	one.num_sectors = BLK_WRITE_ZEROES_SECTORS;
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, &one, 1), VIRTIO_BLK_S_OK, 1);
	one.num_sectors++;
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, &one, 1), VIRTIO_BLK_S_IOERR, 1);
	said_end();
	blk_rig_destroy(rig);
	free(rig);
}

/* Ranges are whole blocks of the disk. */
static void ranges_of_a_disk_of_large_blocks(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t sectors;
		bool good;
	} cases[] = {{0, 8, true}, {8, 16, true}, {0, 1, false}, {1, 8, false}, {4, 4, false}, {0, 12, false}};
	struct blk_rig *rig = calloc(1, sizeof(*rig));

	(void)state;
	recorder_init(&rig->recorder);
	rig->recorder.storage.info.block_size = 4096;
	rig->storage = &rig->recorder.storage;
	blk_rig_start(rig);
	said_begin();
	for (unsigned i = 0; i < 2 * COUNT(cases); i++) {
		const range wanted = {.sector = cases[i / 2].sector, .num_sectors = cases[i / 2].sectors};

		recorder_expect(&rig->recorder, 0, 0);
		assert_outcome(blk_ranges(rig, types[i % 2], &wanted, 1),
			       cases[i / 2].good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR, 1);
		assert_int_equal(rig->recorder.count, cases[i / 2].good);
	}
	said_end();
	blk_rig_destroy(rig);
	free(rig);
}

/* The same where each range completes later, through the worker's ring. */
static void ranges_that_take_their_time(void **state)
{
	const struct storage_delay_options options = {.kind = STORAGE_DELAY_FIXED, .mean_us = 100};
	struct blk_rig *rig = calloc(1, sizeof(*rig));
	range ranges[BLK_RANGE_SEGMENTS];
	struct error err;

	(void)state;
	recorder_init(&rig->recorder);
	assert_int_equal(storage_delay_open(&rig->recorder.storage, &options, &rig->storage, &err), 0);
	blk_rig_start(rig);
	for (unsigned i = 0; i < BLK_RANGE_SEGMENTS; i++)
		ranges[i] = (range){.sector = 10 * i, .num_sectors = 2 + i % 3};
	assert_outcome(blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, ranges, BLK_RANGE_SEGMENTS), VIRTIO_BLK_S_OK, 1);
	assert_int_equal(rig->recorder.count, BLK_RANGE_SEGMENTS);
	for (unsigned i = 0; i < BLK_RANGE_SEGMENTS; i++) {
		assert_int_equal(rig->recorder.record[i].offset, 10 * i * 512);
		assert_int_equal(rig->recorder.record[i].length, (2 + i % 3) * 512);
	}
	blk_rig_destroy(rig);
	free(rig);
}

/* A range in guest memory that changes between two looks at it. */
struct changing {
	volatile range *range;
	bool started, stop;
};

/* A race by intent, as between a guest and its device: the thread sanitizer is not to look. */
__attribute__((no_sanitize("thread"))) static void change(volatile range *at, unsigned i)
{
	static const uint64_t sectors[] = {8, SECTORS - 8, SECTORS, UINT64_MAX};
	static const uint32_t counts[] = {8, 8, 16, 0};

	at->sector = sectors[i % COUNT(sectors)];
	at->num_sectors = counts[i / 4 % COUNT(counts)];
}

static void *change_all_the_time(void *argument)
{
	struct changing *changing = argument;

	for (unsigned i = 0; !__atomic_load_n(&changing->stop, __ATOMIC_RELAXED); i++) {
		change(changing->range, i);
		__atomic_store_n(&changing->started, true, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* What was checked is what is done: nothing beyond the end ever reaches the back end. */
static void ranges_that_change_while_they_are_read(void **state)
{
	const range wanted = {.sector = 8, .num_sectors = 8};
	struct blk_rig *rig = *state;
	struct changing changing = {.range = blk_rig_data(rig)};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, change_all_the_time, &changing), 0);
	while (!__atomic_load_n(&changing.started, __ATOMIC_RELAXED))
		sched_yield();
	said_begin();
	for (unsigned i = 0; i < 3000; i++) {
		struct outcome outcome;

		recorder_expect(&rig->recorder, 0, 0);
		outcome = blk_ranges(rig, types[i % 2], &wanted, 1);
		assert_int_equal(outcome.length, 1);
		assert_int_equal(rig->recorder.count, outcome.status == VIRTIO_BLK_S_OK);
		if (rig->recorder.count) {
			assert_true(rig->recorder.record[0].offset < RECORDER_SIZE);
			assert_true(rig->recorder.record[0].length > 0);
			assert_true(rig->recorder.record[0].length <= RECORDER_SIZE - rig->recorder.record[0].offset);
		}
	}
	said_end();
	__atomic_store_n(&changing.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, blk_rig_set_up, blk_rig_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(each_range_in_turn),
		CASE(one_bad_range_spoils_all),
		CASE(lists_that_are_none),
		CASE(lists_in_pieces),
		CASE(the_unmap_flag_is_handed_on),
		CASE(the_unmap_flag_is_no_way_around_what_writing_costs),
		CASE(ranges_that_change_while_they_are_read),
		cmocka_unit_test(limits_and_lacks),
		cmocka_unit_test(ranges_of_a_disk_of_large_blocks),
		cmocka_unit_test(ranges_that_take_their_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
