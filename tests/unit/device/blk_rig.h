/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_DEVICE_BLK_RIG_H
#define STRAIT_TESTS_DEVICE_BLK_RIG_H

#include "device/blk/blk.h"
#include "recorder.h"
#include "rig.h"

/*
 * A block device on a real worker, and a driver that lays its requests out in
 * any pieces. What the device reads is one string of bytes (header, then data),
 * what it writes another (data, then status): how they are cut into
 * descriptors is said apart.
 */
struct blk_rig {
	struct rig rig;
	struct recorder recorder;
	struct storage *storage; /* the recorder, or what a test put in its place */
	struct blk blk;
	struct driver driver;
	uint8_t written[65536]; /* the string that the device wrote, of the last request */
};

/* What the driver is told of a request. */
struct outcome {
	uint8_t status;
	uint32_t length; /* of the used element */
};

/* A device with one queue, EVENT_IDX and FLUSH, running. storage NULL: the recorder. */
void blk_rig_create(struct blk_rig *rig, struct storage *storage);
/* The recorder's info and the device are set up already, but not running. */
void blk_rig_start(struct blk_rig *rig);
void blk_rig_destroy(struct blk_rig *rig);

/* For cmocka_unit_test_setup_teardown(): blk_rig_create() on the recorder. */
int blk_rig_set_up(void **state);
int blk_rig_tear_down(void **state);

/*
 * One request: length readable and writable bytes in all. readable_cuts and
 * writable_cuts are the lengths of the pieces, ended by 0; what they do not
 * cover is one more piece. NULL: the usual layout, the header, the data and the
 * status in a piece each.
 */
struct layout {
	const void *readable;
	uint32_t readable_length, writable_length;
	const uint32_t *readable_cuts, *writable_cuts;
};

/* Run it to its end. Every byte that is not the device's to write is checked to be as it was. */
struct outcome blk_run(struct blk_rig *rig, const struct layout *layout);

/* It must break the queue for this cause, and not come back. The queue is started again afterwards. */
void blk_must_break(struct blk_rig *rig, const struct layout *layout, const char *cause);

/* Where in our memory the data behind a header lies that has a piece of its own. */
void *blk_rig_data(const struct blk_rig *rig);
/* And where the first that the device writes goes. */
void *blk_rig_answer(const struct blk_rig *rig);

/* The usual requests. */
struct outcome blk_in(struct blk_rig *rig, uint64_t sector, uint32_t length);
struct outcome blk_out(struct blk_rig *rig, uint64_t sector, const void *data, uint32_t length);
struct outcome blk_plain(struct blk_rig *rig, uint32_t type, uint64_t sector, uint32_t writable_length);
struct outcome blk_ranges(struct blk_rig *rig, uint32_t type, const struct virtio_blk_discard_write_zeroes *ranges,
			  unsigned count);

struct blk_counters blk_rig_counters(const struct blk_rig *rig);

/* What follows the request is the status expected and the length of the used element. */
#define assert_outcome(...) assert_outcome_at(__VA_ARGS__, __FILE__, __LINE__)
void assert_outcome_at(struct outcome got, uint8_t status, uint32_t length, const char *file, int line);

#endif
