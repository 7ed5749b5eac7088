/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_TINY_DEVICE_H
#define STRAIT_TESTS_TINY_DEVICE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <string.h>

#include "frontend/split.h"

/*
 * The device's side of a split ring, written for the tests from the
 * specification alone (virtio 1.2 sections 2.7.6 to 2.7.8): single-threaded,
 * with its own idea of both indices.
 */
struct tiny_device {
	struct driver_split *split;
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t signalled; /* used index at the last call */
	unsigned calls;
};

static inline void tiny_init(struct tiny_device *device, struct driver_split *split)
{
	memset(device, 0, sizeof(*device));
	device->split = split;
	device->last_avail = device->used_idx = device->signalled = split->avail->idx;
}

static inline bool tiny_has_work(const struct tiny_device *device)
{
	return device->split->avail->idx != device->last_avail;
}

static inline uint16_t tiny_pop(struct tiny_device *device)
{
	return device->split->avail->ring[device->last_avail++ % device->split->ring.size];
}

/* The chain that starts at head, indirect or not, copied to chain. Its length. */
static inline unsigned tiny_walk(const struct tiny_device *device, const struct driver_memory *memory, uint16_t head,
				 struct vring_desc *chain, unsigned max)
{
	const struct vring_desc *table = device->split->desc;
	uint16_t at = head;
	unsigned count = 0;

	if (table[at].flags & VRING_DESC_F_INDIRECT) {
		table = driver_memory_at(memory, table[at].addr, table[at].len);
		at = 0;
	}
	while (count < max) {
		chain[count++] = table[at];
		if (!(table[at].flags & VRING_DESC_F_NEXT))
			break;
		at = table[at].next;
	}
	return count;
}

static inline void tiny_push(struct tiny_device *device, uint32_t id, uint32_t length)
{
	struct vring_used *used = device->split->used;

	used->ring[device->used_idx % device->split->ring.size] = (struct vring_used_elem){.id = id, .len = length};
	used->idx = ++device->used_idx;
}

/* Call the driver if it wants to be (sections 2.7.7.2 and 2.7.10). */
static inline void tiny_notify(struct tiny_device *device)
{
	const uint16_t before = device->signalled;

	if (device->split->ring.event_idx) {
		if (vring_need_event(*device->split->used_event, device->used_idx, before))
			device->calls++;
	} else if (!(device->split->avail->flags & VRING_AVAIL_F_NO_INTERRUPT)) {
		device->calls++;
	}
	device->signalled = device->used_idx;
}

/* Ask to be kicked for the next buffer, or not at all. */
static inline void tiny_kicks(struct tiny_device *device, bool on)
{
	if (device->split->ring.event_idx)
		*device->split->avail_event = on ? device->last_avail : (uint16_t)(device->last_avail - 1);
	else
		device->split->used->flags = on ? 0 : VRING_USED_F_NO_NOTIFY;
}

#endif
