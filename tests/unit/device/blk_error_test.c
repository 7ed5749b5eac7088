/* SPDX-License-Identifier: Apache-2.0 */
/* What the storage cannot do: what the guest is told, what is counted and what is logged. */
#include "blk_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct virtio_blk_discard_write_zeroes range = {.sector = 8, .num_sectors = 8};

/* One request of each kind. */
static struct outcome ask(struct blk_rig *rig, enum storage_op op)
{
	const char data[512] = {0};

	switch (op) {
	case STORAGE_READ:
		return blk_in(rig, 2, 512);
	case STORAGE_WRITE:
		return blk_out(rig, 2, data, 512);
	case STORAGE_FLUSH:
		return blk_plain(rig, VIRTIO_BLK_T_FLUSH, 0, 1);
	case STORAGE_DISCARD:
		return blk_ranges(rig, VIRTIO_BLK_T_DISCARD, &range, 1);
	default:
		return blk_ranges(rig, VIRTIO_BLK_T_WRITE_ZEROES, &range, 1);
	}
}

static void each_error_of_each_operation(void **state)
{
	static const struct {
		int error;
		uint8_t status;
	} cases[] = {
		{-EIO, VIRTIO_BLK_S_IOERR},    {-ENOSPC, VIRTIO_BLK_S_IOERR}, {-EINVAL, VIRTIO_BLK_S_IOERR},
		{-ENOMEM, VIRTIO_BLK_S_IOERR}, {-EROFS, VIRTIO_BLK_S_IOERR},  {-EOPNOTSUPP, VIRTIO_BLK_S_UNSUPP},
	};
	struct blk_rig *rig = *state;
	uint64_t errors = 0;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		for (int op = 0; op < STORAGE_OP_COUNT; op++) {
			recorder_expect(&rig->recorder, 0, cases[i].error);
			said_begin();
			assert_outcome(ask(rig, (enum storage_op)op), cases[i].status, 1);
			said_end();
			assert_int_equal(rig->recorder.count, 1);
			errors += cases[i].status == VIRTIO_BLK_S_IOERR;
			assert_int_equal(blk_rig_counters(rig).errors, errors);
			/* The next one is none the worse for it. */
			recorder_expect(&rig->recorder, 0, 0);
			assert_int_equal(ask(rig, (enum storage_op)op).status, VIRTIO_BLK_S_OK);
		}
	}
	for (int op = 0; op < STORAGE_OP_COUNT; op++)
		assert_int_equal(blk_rig_counters(rig).ops[op], 2 * COUNT(cases));
	assert_int_equal(count_of(&rig->blk.queue[0].queue.counters.broken), 0);
}

/* The first error is said, then the tenth, the hundredth: a full disk does not fill the log as well. */
static void said_once_with_a_count(void **state)
{
	struct blk_rig *rig = *state;
	const char *log;

	recorder_expect(&rig->recorder, 0, -ENOSPC);
	said_begin();
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ask(rig, STORAGE_WRITE).status, VIRTIO_BLK_S_IOERR);
	log = said_end();
	assert_int_equal(said_lines(log, ""), 3);
	assert_int_equal(said_lines(log, "disk test: write of 512 bytes at 1024 failed: No space left on device"), 3);
	assert_int_equal(said_lines(log, "(1 failed so far on queue 0)"), 1);
	assert_int_equal(said_lines(log, "(10 failed"), 1);
	assert_int_equal(said_lines(log, "(100 failed"), 1);
	assert_int_equal(blk_rig_counters(rig).errors, 100);
}

/* A list of ranges ends with the first that fails. */
static void in_the_middle_of_a_list(void **state)
{
	static const int errors[] = {-EIO, -ENOSPC, -EOPNOTSUPP};
	const uint32_t types[] = {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};
	struct virtio_blk_discard_write_zeroes ranges[8];
	struct blk_rig *rig = *state;

	for (unsigned i = 0; i < 8; i++)
		ranges[i] = (struct virtio_blk_discard_write_zeroes){.sector = i * 10, .num_sectors = 1 + i};
	for (unsigned after = 0; after < 8; after++) {
		for (unsigned i = 0; i < 2 * COUNT(errors); i++) {
			const uint8_t status = errors[i / 2] == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;

			recorder_expect(&rig->recorder, after, errors[i / 2]);
			said_begin();
			assert_outcome(blk_ranges(rig, types[i % 2], ranges, 8), status, 1);
			said_end();
			assert_int_equal(rig->recorder.count, after + 1);
		}
	}
}

/* An error that comes later, through the worker's ring, from below a wrapper. */
static void an_error_that_takes_its_time(void **state)
{
	const struct storage_delay_options options = {.kind = STORAGE_DELAY_FIXED, .mean_us = 100};
	struct blk_rig *rig = calloc(1, sizeof(*rig));
	struct error err;

	(void)state;
	recorder_init(&rig->recorder);
	assert_int_equal(storage_delay_open(&rig->recorder.storage, &options, &rig->storage, &err), 0);
	blk_rig_start(rig);
	recorder_expect(&rig->recorder, 0, -EIO);
	said_begin();
	for (int op = 0; op < STORAGE_OP_COUNT; op++)
		assert_outcome(ask(rig, (enum storage_op)op), VIRTIO_BLK_S_IOERR, 1);
	said_end();
	assert_int_equal(blk_rig_counters(rig).errors, STORAGE_OP_COUNT);
	blk_rig_destroy(rig);
	free(rig);
}

/* The counters of a device are those of all its queues. */
static void counters_of_several_queues(void **state)
{
	struct recorder *recorder = malloc(sizeof(*recorder));
	struct blk_counters counters;
	struct queue_counters queues;
	struct error err;
	struct blk blk;

	(void)state;
	recorder_init(recorder);
	assert_int_equal(blk_init(&blk, "test", "", 4, &recorder->storage, &err), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(blk.queue[i].queue.index, i);
		blk.queue[i].counters = (struct blk_counters){
			.ops = {1, 2, 3, 4, 5}, .bytes_read = 1000, .bytes_written = 2000, .errors = i};
		blk.queue[i].queue.counters =
			(struct queue_counters){.requests = 15, .kicks = 7, .calls = 8, .broken = i % 2};
	}
	blk_read_counters(&blk, &counters, &queues);
	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++)
		assert_int_equal(counters.ops[op], 4 * (op + 1));
	assert_int_equal(counters.bytes_read, 4000);
	assert_int_equal(counters.bytes_written, 8000);
	assert_int_equal(counters.errors, 6);
	assert_int_equal(queues.requests, 60);
	assert_int_equal(queues.kicks, 28);
	assert_int_equal(queues.calls, 32);
	assert_int_equal(queues.broken, 2);
	blk_destroy(&blk);
	free(recorder);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, blk_rig_set_up, blk_rig_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(each_error_of_each_operation),
		CASE(said_once_with_a_count),
		CASE(in_the_middle_of_a_list),
		cmocka_unit_test(an_error_that_takes_its_time),
		cmocka_unit_test(counters_of_several_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
