/* SPDX-License-Identifier: Apache-2.0 */
#include "blk_rig.h"

#include <stdlib.h>
#include <string.h>

enum {
	RING_SIZE = 256,
	GAP = 48, /* between pieces, that nobody may touch */
	CANARY = 0xee,
	READABLE_SIZE = 0x20000,
};

#define READABLE_AT GUEST_DATA
#define WRITABLE_AT (GUEST_DATA + READABLE_SIZE)

void blk_rig_create(struct blk_rig *rig, struct storage *storage)
{
	recorder_init(&rig->recorder);
	rig->storage = storage ? storage : &rig->recorder.storage;
	blk_rig_start(rig);
}

void blk_rig_start(struct blk_rig *rig)
{
	struct error err;

	rig_create(&rig->rig, RING_DEFER_TASKRUN, 0);
	assert_int_equal(blk_init(&rig->blk, "test", "serial-0123", 1, rig->storage, &err), 0);
	blk_set_features(&rig->blk, 1ull << VIRTIO_BLK_F_FLUSH);
	driver_create(&rig->driver, &rig->rig, &rig->blk.queue[0].queue, 0, RING_SIZE, 65530);
	driver_start(&rig->driver);
}

void blk_rig_destroy(struct blk_rig *rig)
{
	driver_stop(&rig->driver);
	driver_destroy(&rig->driver);
	rig_destroy(&rig->rig);
	blk_destroy(&rig->blk);
	storage_close(rig->storage);
}

int blk_rig_set_up(void **state)
{
	struct blk_rig *rig = calloc(1, sizeof(*rig));

	blk_rig_create(rig, NULL);
	*state = rig;
	return 0;
}

int blk_rig_tear_down(void **state)
{
	said_end();
	blk_rig_destroy(*state);
	free(*state);
	return 0;
}

/* A string of bytes in guest memory, in pieces. */
struct string {
	uint64_t at;
	uint16_t flags;
	unsigned count;
	uint32_t piece[160];
};

static void cut(struct string *string, uint32_t length, const uint32_t *cuts)
{
	string->count = 0;
	for (; cuts && *cuts && length; cuts++) {
		string->piece[string->count] = *cuts < length ? *cuts : length;
		length -= string->piece[string->count++];
	}
	if (length)
		string->piece[string->count++] = length;
}

/* Describe the string in descriptors. Their number. */
static unsigned describe(const struct string *string, struct vring_desc *desc)
{
	uint64_t at = string->at;

	for (unsigned i = 0; i < string->count; i++) {
		desc[i] = hand_desc(at, string->piece[i], string->flags, 0);
		at += string->piece[i] + GAP;
	}
	return string->count;
}

static void fill(struct blk_rig *rig, const struct string *string, const void *bytes)
{
	uint8_t *at = guest_at(&rig->rig.guest, string->at);

	for (unsigned i = 0; i < string->count; i++) {
		memcpy(at, bytes, string->piece[i]);
		bytes = (const char *)bytes + string->piece[i];
		at += string->piece[i] + GAP;
	}
}

/* Fetch what was written; between the pieces nothing was. */
static void gather(struct blk_rig *rig, const struct string *string)
{
	const uint8_t *at = guest_at(&rig->rig.guest, string->at);
	uint8_t *to = rig->written;

	for (unsigned i = 0; i < string->count; i++) {
		memcpy(to, at, string->piece[i]);
		to += string->piece[i];
		at += string->piece[i];
		for (unsigned k = 0; k < GAP; k++)
			assert_int_equal(*at++, CANARY);
	}
}

static uint32_t default_writable_cut(const struct layout *layout)
{
	return layout->writable_length > 1 ? layout->writable_length - 1 : 0;
}

/* Write the request into the ring and the memory, and offer it. */
static void put(struct blk_rig *rig, const struct layout *layout, struct string *readable, struct string *writable)
{
	const uint32_t header[] = {sizeof(struct virtio_blk_outhdr), 0};
	const uint32_t data[] = {default_writable_cut(layout), 0};
	struct vring_desc chain[160];
	unsigned count;

	*readable = (struct string){.at = READABLE_AT};
	*writable = (struct string){.at = WRITABLE_AT, .flags = VRING_DESC_F_WRITE};
	cut(readable, layout->readable_length, layout->readable_cuts ? layout->readable_cuts : header);
	cut(writable, layout->writable_length, layout->writable_cuts ? layout->writable_cuts : data);
	memset(guest_at(&rig->rig.guest, READABLE_AT), CANARY, 2 * READABLE_SIZE);
	fill(rig, readable, layout->readable);
	count = describe(readable, chain);
	assert_true(count + writable->count <= sizeof(chain) / sizeof(chain[0]));
	count += describe(writable, chain + count);
	driver_put(&rig->driver, chain, count, 0);
	driver_kick(&rig->driver);
}

struct outcome blk_run(struct blk_rig *rig, const struct layout *layout)
{
	struct string readable, writable;
	struct vring_used_elem element;

	put(rig, layout, &readable, &writable);
	element = driver_wait(&rig->driver);
	assert_int_equal(element.id, 0);
	gather(rig, &writable);
	assert_true(layout->writable_length <= sizeof(rig->written));
	return (struct outcome){.status = rig->written[layout->writable_length - 1], .length = element.len};
}

void blk_must_break(struct blk_rig *rig, const struct layout *layout, const char *cause)
{
	const unsigned before = rig->recorder.count;
	struct string readable, writable;
	struct vring_used_elem element;

	said_begin();
	put(rig, layout, &readable, &writable);
	wait_readable(rig->driver.err_fd);
	driver_stop(&rig->driver);
	assert_contains(said_end(), cause);
	read_event(rig->driver.err_fd);
	/* It did not come back, and nothing was done. */
	assert_false(driver_collect(&rig->driver, &element));
	assert_int_equal(rig->recorder.count, before);
	driver_forget(&rig->driver);
	driver_start(&rig->driver);
}

void *blk_rig_data(const struct blk_rig *rig)
{
	return guest_at(&rig->rig.guest, READABLE_AT + sizeof(struct virtio_blk_outhdr) + GAP);
}

void *blk_rig_answer(const struct blk_rig *rig)
{
	return guest_at(&rig->rig.guest, WRITABLE_AT);
}

struct outcome blk_plain(struct blk_rig *rig, uint32_t type, uint64_t sector, uint32_t writable_length)
{
	const struct virtio_blk_outhdr header = {.type = type, .sector = sector};
	const struct layout layout = {
		.readable = &header, .readable_length = sizeof(header), .writable_length = writable_length};

	return blk_run(rig, &layout);
}

struct outcome blk_in(struct blk_rig *rig, uint64_t sector, uint32_t length)
{
	return blk_plain(rig, VIRTIO_BLK_T_IN, sector, length + 1);
}

static struct outcome run_with(struct blk_rig *rig, uint32_t type, uint64_t sector, const void *data, uint32_t length)
{
	const struct virtio_blk_outhdr header = {.type = type, .sector = sector};
	char *bytes = malloc(sizeof(header) + length);
	struct outcome outcome;

	memcpy(bytes, &header, sizeof(header));
	if (length)
		memcpy(bytes + sizeof(header), data, length);
	outcome = blk_run(rig, &(struct layout){.readable = bytes,
						.readable_length = (uint32_t)sizeof(header) + length,
						.writable_length = 1});
	free(bytes);
	return outcome;
}

struct outcome blk_out(struct blk_rig *rig, uint64_t sector, const void *data, uint32_t length)
{
	return run_with(rig, VIRTIO_BLK_T_OUT, sector, data, length);
}

struct outcome blk_ranges(struct blk_rig *rig, uint32_t type, const struct virtio_blk_discard_write_zeroes *ranges,
			  unsigned count)
{
	return run_with(rig, type, 0, ranges, count * (uint32_t)sizeof(ranges[0]));
}

struct blk_counters blk_rig_counters(const struct blk_rig *rig)
{
	struct blk_counters counters;
	struct queue_counters queues;

	blk_read_counters(&rig->blk, &counters, &queues);
	return counters;
}

void assert_outcome_at(struct outcome got, uint8_t status, uint32_t length, const char *file, int line)
{
	_assert_int_equal(got.status, status, file, line);
	_assert_int_equal(got.length, length, file, line);
}
