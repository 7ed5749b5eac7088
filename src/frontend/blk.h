/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_BLK_H
#define STRAIT_FRONTEND_BLK_H

#include <linux/virtio_blk.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend/memory.h"
#include "frontend/ring.h"

/*
 * virtio-blk requests (virtio 1.2 section 5.2.6) that are used over and over:
 * header, status, data buffer and descriptors are laid out once, and preparing
 * the next request writes only what differs from the last.
 */

/* What a status byte holds until the device writes it. No status has this value. */
#define DRIVER_BLK_NO_STATUS 0xffu

#define DRIVER_BLK_SECTOR 512u

/* The serial number that GET_ID returns, not terminated where it fills all of it. */
#define DRIVER_BLK_ID_SIZE 20u

/*
 * Everything of a request but its data, in guest memory. One cache line: it
 * goes to the device with the header and comes back with the status.
 */
struct driver_blk_frame {
	struct virtio_blk_outhdr header;
	struct virtio_blk_discard_write_zeroes range;
	uint8_t status;
	uint8_t unused[31];
};
_Static_assert(sizeof(struct driver_blk_frame) == 64, "a frame is one cache line");

struct driver_blk_request {
	struct driver_chain chain; /* first, so that a completion's chain is its request */
	struct driver_blk_frame *frame;
	uint64_t frame_guest;
	struct driver_span data;
	uint32_t capacity; /* bytes at data */
	uint32_t segment;  /* bytes a descriptor covers at most */
	uint64_t shape;    /* what its descriptors are linked for */
};

struct driver_blk_layout {
	unsigned frame_region; /* of the memory: headers, statuses and indirect tables */
	unsigned data_region;
	uint32_t capacity; /* bytes of the largest data transfer, a multiple of 512; 0: requests without data */
	uint32_t segment;  /* bytes a descriptor covers at most, a multiple of 512 */
	bool indirect;     /* descriptors in a table of the request's own (section 2.7.5.3) */
};

/* Descriptors of the longest chain, and bytes of guest memory, that a request of this layout needs. */
unsigned driver_blk_descriptors(const struct driver_blk_layout *layout);
size_t driver_blk_frame_bytes(const struct driver_blk_layout *layout);
size_t driver_blk_data_bytes(const struct driver_blk_layout *layout);

/* 0, or -ENOMEM where the memory's regions are too small. */
int driver_blk_init(struct driver_blk_request *request, struct driver_memory *memory,
		    const struct driver_blk_layout *layout);

/* The slow part of driver_blk_prepare(): link the descriptors for another shape. */
int driver_blk_reshape(struct driver_ring *ring, struct driver_blk_request *request, uint32_t type, uint32_t length);

/* Requests of equal shape have equal descriptors. IN and OUT differ in direction and length, the others in type. */
static inline uint64_t driver_blk_shape(uint32_t type, uint32_t length)
{
	return (uint64_t)(type + 1) << 32 | (type <= VIRTIO_BLK_T_OUT ? length : 0);
}

/*
 * Make request a request of type VIRTIO_BLK_T_IN, _OUT, _FLUSH, _GET_ID,
 * _DISCARD or _WRITE_ZEROES for length bytes from sector, both ignored where
 * the type has none. unmap goes with WRITE_ZEROES. The request is not in
 * flight and belongs to ring. 0, or what ring->ops->link() says.
 */
static inline int driver_blk_prepare(struct driver_ring *ring, struct driver_blk_request *request, uint32_t type,
				     uint64_t sector, uint32_t length, bool unmap)
{
	struct driver_blk_frame *frame = request->frame;

	frame->header.type = type;
	frame->header.sector = sector;
	frame->status = DRIVER_BLK_NO_STATUS;
	if (type >= VIRTIO_BLK_T_DISCARD) {
		frame->header.sector = 0;
		frame->range.sector = sector;
		frame->range.num_sectors = length / DRIVER_BLK_SECTOR;
		frame->range.flags = unmap ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	}
	if (request->shape == driver_blk_shape(type, length))
		return 0;
	return driver_blk_reshape(ring, request, type, length);
}

/* The device's verdict on a completed request: VIRTIO_BLK_S_*, or DRIVER_BLK_NO_STATUS if it gave none. */
static inline uint8_t driver_blk_status(const struct driver_blk_request *request)
{
	return *(const volatile uint8_t *)&request->frame->status;
}

#endif
