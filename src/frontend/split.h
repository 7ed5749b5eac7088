/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_SPLIT_H
#define STRAIT_FRONTEND_SPLIT_H

#include <linux/virtio_ring.h>

#include "frontend/ring.h"
#include "frontend/slots.h"

/* The split virtqueue (virtio 1.2 section 2.7) as a driver_ring. */
struct driver_split {
	struct driver_ring ring;

	/* Shared with the device. */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t *used_event;  /* in the available ring, ours to write */
	uint16_t *avail_event; /* in the used ring, the device's */

	/* Ours alone. */
	struct driver_slots slots;
	uint16_t mask;
	uint16_t added;     /* available index including what is not published */
	uint16_t published; /* available index as the device sees it */
	uint16_t reaped;    /* used index up to which completions were fetched */
	uint16_t wanted;    /* used_event as last written */
	bool calls;
};

/*
 * Lay a ring of size entries (a power of two up to DRIVER_RING_MAX_SIZE) out in
 * a region of memory, which must outlive it. Starts with calls off and at
 * index start (0 except in tests, which want to see the wrap). Free with
 * driver_ring_destroy(). NULL with err set on failure.
 */
struct driver_split *driver_split_create(struct driver_memory *memory, unsigned region, unsigned size, bool event_idx,
					 uint16_t start, struct error *err);

/* Guest memory a ring of this size takes at most. */
size_t driver_split_bytes(unsigned size);

/*
 * For tests of back ends: write what no driver would. Nothing is checked, the
 * ring's own bookkeeping does not follow, and a ring so treated is only good
 * for more of it.
 */
void driver_split_raw_desc(struct driver_split *split, unsigned i, uint64_t guest, uint32_t length, uint16_t flags,
			   uint16_t next);
/* Entry i (not reduced) of the available ring. */
void driver_split_raw_avail(struct driver_split *split, unsigned i, uint16_t head);
void driver_split_raw_publish(struct driver_split *split, uint16_t avail_idx);
uint16_t driver_split_raw_used(const struct driver_split *split);

#endif
