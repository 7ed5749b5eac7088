/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/blk.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

/* A chain longer than this is built in pieces no driver needs. */
#define MAX_BUFFERS 1026u

#define TABLE_ALIGNMENT 64u
#define DATA_ALIGNMENT  4096u

static unsigned segments_of(uint32_t length, uint32_t segment)
{
	return length / segment + (length % segment != 0);
}

unsigned driver_blk_descriptors(const struct driver_blk_layout *layout)
{
	const unsigned data = layout->capacity ? segments_of(layout->capacity, layout->segment) : 0;

	/* Header and status, and at least one for the range of a discard. */
	return 2 + (data ? data : 1);
}

size_t driver_blk_frame_bytes(const struct driver_blk_layout *layout)
{
	const size_t table = driver_blk_descriptors(layout) * sizeof(struct vring_desc);

	return sizeof(struct driver_blk_frame) +
	       (layout->indirect ? (table + TABLE_ALIGNMENT - 1) / TABLE_ALIGNMENT * TABLE_ALIGNMENT : 0);
}

size_t driver_blk_data_bytes(const struct driver_blk_layout *layout)
{
	return ((size_t)layout->capacity + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
}

int driver_blk_init(struct driver_blk_request *request, struct driver_memory *memory,
		    const struct driver_blk_layout *layout)
{
	const unsigned descriptors = driver_blk_descriptors(layout);
	struct driver_span span;

	if (descriptors > MAX_BUFFERS)
		return -E2BIG;
	memset(request, 0, sizeof(*request));
	if (driver_memory_take(memory, layout->frame_region, sizeof(*request->frame), TABLE_ALIGNMENT, &span) < 0)
		return -ENOMEM;
	request->frame = span.at;
	request->frame_guest = span.guest;
	request->capacity = layout->capacity;
	request->segment = layout->segment;
	if (layout->capacity && driver_memory_take(memory, layout->data_region, driver_blk_data_bytes(layout),
						   DATA_ALIGNMENT, &request->data) < 0)
		return -ENOMEM;
	if (!layout->indirect) {
		driver_chain_init(&request->chain, NULL, 0);
		return 0;
	}
	if (driver_memory_take(memory, layout->frame_region, descriptors * sizeof(struct vring_desc), TABLE_ALIGNMENT,
			       &span) < 0)
		return -ENOMEM;
	driver_chain_init(&request->chain, &span, descriptors);
	return 0;
}

/* What lies between header and status. Their number. */
static unsigned fill_data(const struct driver_blk_request *request, uint32_t type, uint32_t length,
			  struct driver_buffer *buffers)
{
	unsigned count = 0;

	switch (type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		assert(length <= request->capacity);
		for (uint32_t done = 0; done < length; done += request->segment) {
			const uint32_t left = length - done;

			buffers[count++] = (struct driver_buffer){
				.guest = request->data.guest + done,
				.length = left < request->segment ? left : request->segment,
				.device_writes = type == VIRTIO_BLK_T_IN,
			};
		}
		return count;
	case VIRTIO_BLK_T_GET_ID:
		assert(request->capacity >= DRIVER_BLK_ID_SIZE);
		buffers[0] = (struct driver_buffer){request->data.guest, DRIVER_BLK_ID_SIZE, true};
		return 1;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		buffers[0] = (struct driver_buffer){
			.guest = request->frame_guest + offsetof(struct driver_blk_frame, range),
			.length = sizeof(struct virtio_blk_discard_write_zeroes),
		};
		return 1;
	default:
		return 0;
	}
}

int driver_blk_reshape(struct driver_ring *ring, struct driver_blk_request *request, uint32_t type, uint32_t length)
{
	struct driver_buffer buffers[MAX_BUFFERS];
	struct driver_chain *chain = &request->chain;
	unsigned count = 0;
	int ret;

	buffers[count++] = (struct driver_buffer){
		.guest = request->frame_guest + offsetof(struct driver_blk_frame, header),
		.length = sizeof(struct virtio_blk_outhdr),
	};
	count += fill_data(request, type, length, &buffers[count]);
	buffers[count++] = (struct driver_buffer){
		.guest = request->frame_guest + offsetof(struct driver_blk_frame, status),
		.length = 1,
		.device_writes = true,
	};
	request->shape = driver_blk_shape(type, length);
	if (chain->buffers == count) {
		/* Header and status stay where they are. */
		for (unsigned i = 1; i + 1 < count; i++)
			ring->ops->set_buffer(ring, chain, i, &buffers[i]);
		return 0;
	}
	if (chain->buffers)
		ring->ops->unlink(ring, chain);
	ret = ring->ops->link(ring, chain, buffers, count);
	if (ret < 0)
		request->shape = 0;
	return ret;
}
