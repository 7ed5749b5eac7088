/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_VIRTIO_HAND_PACKED_H
#define STRAIT_TESTS_VIRTIO_HAND_PACKED_H

#include "hand_ring.h"

/* The driver's side of a packed ring, written by hand. The fields are there to be abused. */
struct hand_packed {
	struct guest *guest;
	uint32_t size;
	uint64_t desc_at, driver_at, device_at; /* guest addresses */
	struct vring_packed_desc *desc;
	struct vring_packed_desc_event *driver; /* what the driver wants */
	struct vring_packed_desc_event *device; /* what the device wants */
	uint16_t avail, used;                   /* next positions, */
	bool avail_wrap, used_wrap;             /* and their wrap counters */
	uint16_t slots[VIRTQ_MAX_SIZE];         /* of the chain of each id */
};

#define PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED  (1u << VRING_PACKED_DESC_F_USED)

/*
 * Lay a ring of zeroes out from guest address at. Both sides begin at start,
 * in the round of this wrap counter: 0 and true are a new ring.
 */
void hand_packed_create(struct hand_packed *ring, struct guest *guest, uint64_t at, uint32_t size, uint16_t start,
			bool wrap);

/* How the device finds it and where it begins, with EVENT_IDX and INDIRECT_DESC negotiated. */
struct virtq_setup hand_packed_setup(const struct hand_packed *ring);

/* SET_VRING_BASE's word for two positions. */
uint32_t hand_packed_base(uint16_t avail, bool avail_wrap, uint16_t used, bool used_wrap);

/* The flags that make a descriptor available in the driver's present round. */
uint16_t hand_packed_mark(const struct hand_packed *ring);

/* Write the next descriptor as it is given, marks and all, and go on. */
void hand_packed_write(struct hand_packed *ring, struct vring_packed_desc desc);

/* Leave one entry as it is. */
void hand_packed_skip(struct hand_packed *ring);

/* Make a chain available under id: NEXT and the marks are added, the first descriptor's flags come last. */
void hand_packed_offer(struct hand_packed *ring, const struct vring_packed_desc *chain, uint16_t count, uint16_t id);

/* A chain of one descriptor to be read, one byte long at GUEST_DATA + id. */
void hand_packed_offer_byte(struct hand_packed *ring, uint16_t id);

/* Fetch the next used element. False: none has come. */
bool hand_packed_collect(struct hand_packed *ring, struct vring_packed_desc *element);

#endif
