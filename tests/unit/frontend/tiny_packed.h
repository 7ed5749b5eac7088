/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_TINY_PACKED_H
#define STRAIT_TESTS_TINY_PACKED_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <string.h>

#include "frontend/packed.h"

/*
 * The device's side of a packed ring, written for the tests from the
 * specification alone (virtio 1.2 section 2.8). Positions are counted through:
 * position n is entry n % size, in a round with wrap counter 1 where n / size
 * is even.
 */
struct tiny_packed {
	struct driver_packed *packed;
	uint32_t avail; /* next to look at */
	uint32_t used;  /* next to write */
	uint32_t signalled;
	unsigned calls;
	uint16_t length[DRIVER_RING_MAX_SIZE]; /* of the chain of each id, in descriptors */
};

#define TINY_AVAIL 0x80u
#define TINY_USED  0x8000u

static inline struct vring_packed_desc *tiny_packed_at(struct tiny_packed *device, uint32_t position)
{
	return &device->packed->desc[position % device->packed->ring.size];
}

static inline bool tiny_packed_wrap(const struct tiny_packed *device, uint32_t position)
{
	return position / device->packed->ring.size % 2 == 0;
}

static inline bool tiny_packed_has_work(struct tiny_packed *device)
{
	const uint16_t flags = tiny_packed_at(device, device->avail)->flags;
	const bool wrap = tiny_packed_wrap(device, device->avail);

	return !!(flags & TINY_AVAIL) == wrap && !!(flags & TINY_USED) == !wrap;
}

/* Copy the next chain, all of its flags but the marks, which must be right. Its id; its length goes to *count. */
static inline uint16_t tiny_packed_pop(struct tiny_packed *device, struct vring_packed_desc *chain, unsigned *count)
{
	uint16_t flags;

	*count = 0;
	do {
		if (!tiny_packed_has_work(device))
			return UINT16_MAX;
		chain[*count] = *tiny_packed_at(device, device->avail++);
		flags = chain[*count].flags;
		chain[(*count)++].flags &= (uint16_t) ~(TINY_AVAIL | TINY_USED);
	} while (flags & VRING_DESC_F_NEXT);
	device->length[chain[*count - 1].id] = (uint16_t)*count;
	return chain[*count - 1].id;
}

/* Say that a chain was used, skipping this many entries. */
static inline void tiny_packed_push_raw(struct tiny_packed *device, uint16_t id, uint32_t length, uint16_t entries)
{
	struct vring_packed_desc *at = tiny_packed_at(device, device->used);

	at->id = id;
	at->len = length;
	at->flags = tiny_packed_wrap(device, device->used) ? TINY_AVAIL | TINY_USED : 0;
	device->used += entries;
}

static inline void tiny_packed_push(struct tiny_packed *device, uint16_t id, uint32_t length)
{
	tiny_packed_push_raw(device, id, length, device->length[id]);
}

/* A place as the event structures have it. */
static inline uint16_t tiny_packed_word(const struct tiny_packed *device, uint32_t position)
{
	return (uint16_t)(position % device->packed->ring.size | (tiny_packed_wrap(device, position) ? 0x8000 : 0));
}

/* Call the driver if it wants to be (section 2.8.10): the entry it names was used since the last time. */
static inline void tiny_packed_notify(struct tiny_packed *device)
{
	const struct vring_packed_desc_event wish = *device->packed->driver_event;
	bool call = wish.flags == VRING_PACKED_EVENT_FLAG_ENABLE;

	for (uint32_t at = device->signalled; at != device->used; at++)
		call = call ||
		       (wish.flags == VRING_PACKED_EVENT_FLAG_DESC && wish.off_wrap == tiny_packed_word(device, at));
	device->calls += call;
	device->signalled = device->used;
}

/* What GET_VRING_BASE would say. */
static inline uint32_t tiny_packed_base(const struct tiny_packed *device)
{
	return tiny_packed_word(device, device->avail) | (uint32_t)tiny_packed_word(device, device->used) << 16;
}

static inline void tiny_packed_init(struct tiny_packed *device, struct driver_packed *packed, uint32_t start)
{
	memset(device, 0, sizeof(*device));
	device->packed = packed;
	device->avail = device->used = device->signalled = start;
}

#endif
