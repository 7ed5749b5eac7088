/* SPDX-License-Identifier: Apache-2.0 */
#include "driver_side.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>

enum { MOST_SEGMENTS = 6 };

static void put(const struct driver_side *d, uint64_t guest, const void *bytes, size_t length)
{
	d->put(d->memory, guest, bytes, length);
}

/* One descriptor of a chain, which the driver makes available in the packed ring by its flags. */
static void put_descriptor(const struct driver_side *d, uint16_t at, uint64_t address, uint32_t length, uint16_t flags)
{
	const uint16_t available = d->wrap ? 1 << VRING_PACKED_DESC_F_AVAIL : 1 << VRING_PACKED_DESC_F_USED;
	const uint64_t place = d->desc + at * 16ull;

	if (d->packed) {
		const struct vring_packed_desc desc = {
			.addr = address, .len = length, .id = at, .flags = (uint16_t)(flags | available)};

		put(d, place, &desc, sizeof(desc));
	} else {
		const struct vring_desc desc = {
			.addr = address, .len = length, .flags = flags, .next = (uint16_t)((at + 1) % d->size)};

		put(d, place, &desc, sizeof(desc));
	}
}

static void step_on(struct driver_side *d)
{
	if (++d->next == d->size) {
		d->next = 0;
		d->wrap = !d->wrap;
	}
}

void driver_side_offer(struct driver_side *d, uint16_t head)
{
	put(d, d->avail + 4 + d->avail_index % d->size * 2ull, &head, sizeof(head));
	d->avail_index++;
	put(d, d->avail + 2, &d->avail_index, sizeof(d->avail_index));
}

void driver_side_header(struct driver_side *d, struct input *input, uint64_t at)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_OUT,   VIRTIO_BLK_T_FLUSH,
					 VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_IN,    VIRTIO_BLK_T_WRITE_ZEROES,
					 VIRTIO_BLK_T_OUT,     VIRTIO_BLK_T_GET_ID};
	const uint8_t kind = input_u8(input);
	struct virtio_blk_outhdr header = {.type = kind & 0x80 ? input_u32(input) : types[kind % 8]};

	header.sector = kind & 0x40 ? input_u64(input) : input_u16(input) % (DRIVER_SIDE_SECTORS + 16);
	put(d, at, &header, sizeof(header));
}

/* Ranges for a discard, where a request's data is. */
static void put_ranges(struct driver_side *d, struct input *input, uint64_t at)
{
	for (unsigned count = input_u8(input) % 4; count; count--, at += 16) {
		const struct virtio_blk_discard_write_zeroes range = {.sector = input_u16(input) %
										(2 * DRIVER_SIDE_SECTORS),
								      .num_sectors = input_u16(input),
								      .flags = input_u8(input) % 4};

		put(d, at, &range, sizeof(range));
	}
}

static uint32_t any_length(struct input *input)
{
	static const uint32_t lengths[] = {512, 4096, 512, 1024, 1, 16, 32, 0, 511, 17, 65536, UINT32_MAX};
	const uint8_t which = input_u8(input);

	return which < 250 ? lengths[which % 12] : input_u32(input);
}

/* A whole request in descriptors of its own, or in a table; perhaps with one thing wrong. */
void driver_side_request(struct driver_side *d, struct input *input)
{
	const uint8_t whim = input_u8(input), shape = input_u8(input);
	const uint16_t head = d->next, segments = (shape & 0x3f) % MOST_SEGMENTS;
	const uint64_t table = d->tables + head * 64ull, header = d->headers + head * 32ull;
	const bool indirect = shape & 0x40, writable = shape & 0x80;
	const unsigned wrong = whim & 0x80 ? whim % (segments + 2u) : UINT32_MAX;

	driver_side_header(d, input, header);
	put_ranges(d, input, d->data);
	for (unsigned i = 0; i < segments + 2u; i++) {
		uint64_t at = d->data;
		uint32_t length = 1;
		uint16_t flags = i <= segments ? VRING_DESC_F_NEXT : VRING_DESC_F_WRITE;

		if (i == 0) {
			at = header;
			length = 16;
		} else if (i <= segments) {
			at = d->any_address(input);
			length = any_length(input);
			flags |= writable ? VRING_DESC_F_WRITE : 0;
		} else {
			at = d->headers + head * 32ull + 16;
		}
		if (i == wrong) {
			flags = input_u8(input) % 8;
			length = any_length(input);
		}
		if (indirect) {
			const struct vring_desc desc = {
				.addr = at, .len = length, .flags = flags, .next = (uint16_t)(i + 1)};
			const struct vring_packed_desc packed = {.addr = at, .len = length, .flags = flags};

			put(d, table + i * 16, d->packed ? (const void *)&packed : &desc, 16);
		} else {
			put_descriptor(d, d->next, at, length, flags);
			step_on(d);
		}
	}
	if (indirect) {
		put_descriptor(d, d->next, table, (segments + 2u) * 16u, VRING_DESC_F_INDIRECT);
		step_on(d);
	}
	if (!d->packed)
		driver_side_offer(d, head);
}

void driver_side_descriptor(struct driver_side *d, struct input *input)
{
	const uint8_t at = input_u8(input);
	const uint64_t address = d->any_address(input);
	const uint32_t length = any_length(input);

	put_descriptor(d, at % d->size, address, length, input_u8(input) % 16);
}

void driver_side_bytes(struct driver_side *d, struct input *input)
{
	const uint64_t at = d->any_address(input);
	uint8_t bytes[16];
	size_t length = input_u8(input) % (sizeof(bytes) + 1);

	input_bytes(input, bytes, length);
	put(d, at, bytes, length);
}
