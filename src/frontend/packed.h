/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_PACKED_H
#define STRAIT_FRONTEND_PACKED_H

#include <linux/virtio_ring.h>

#include "frontend/ring.h"
#include "frontend/slots.h"

/* A place in the ring: the wrap counter turns each time the position passes the end (virtio 1.2 section 2.8.1). */
struct driver_packed_place {
	uint16_t at;
	bool wrap;
};

/*
 * The packed virtqueue (virtio 1.2 section 2.8) as a driver_ring. What a linked
 * chain keeps is a template; each use of it copies it into the ring.
 */
struct driver_packed {
	struct driver_ring ring;

	/* Shared with the device. */
	struct vring_packed_desc *desc;
	struct vring_packed_desc_event *driver_event; /* ours to write */
	struct vring_packed_desc_event *device_event; /* the device's */

	/* Ours alone. */
	struct driver_slots slots;
	struct vring_packed_desc *template; /* by slot, without the marks of availability */
	uint16_t *heads;                    /* by position: the chain whose descriptors begin there */
	struct driver_packed_place avail;   /* next to write */
	struct driver_packed_place used;    /* next to be used by the device */
	/* What was added and not published: its first descriptor is hidden until its flags are written. */
	unsigned batch; /* descriptors */
	struct driver_packed_place batch_start;
	uint16_t batch_flags;
	bool calls;
};

/*
 * Lay a ring of size entries (up to DRIVER_RING_MAX_SIZE) out in a region of
 * memory, which must outlive it. Starts with calls off, and at position start
 * of its first round (0 except in tests, which want to see the wrap). Free with
 * driver_ring_destroy(). NULL with err set on failure.
 */
struct driver_packed *driver_packed_create(struct driver_memory *memory, unsigned region, unsigned size, bool event_idx,
					   uint16_t start, struct error *err);

/* Guest memory a ring of this size takes at most. */
size_t driver_packed_bytes(unsigned size);

#endif
