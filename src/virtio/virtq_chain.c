/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtq_chain.h"

int virtq_chain_add_pieces(struct virtq *vq, struct virtq_chain *chain, uint64_t guest, uint32_t length, bool writable)
{
	uint64_t left = length;

	if (!left)
		return virtq_break(vq, "a descriptor of length 0");
	if (guest + (left - 1) < guest)
		return virtq_break(vq, "a descriptor wraps around the address space");
	if (!writable && chain->writable)
		return virtq_break(vq, "a readable descriptor after a writable one");
	while (left) {
		uint64_t piece = left;
		void *at = memmap_guest(vq->map, virtq_hint(vq, guest), guest, &piece);

		if (!at)
			return virtq_break(vq, "a descriptor points outside guest memory");
		if (chain->readable + chain->writable == VIRTQ_MAX_IOV)
			return virtq_break(vq, "a chain of more segments than were offered");
		if (writable && vq->log)
			chain->ranges[chain->range_count++] = (struct virtq_range){guest, piece};
		virtq_chain_append(chain, at, piece, writable);
		guest += piece;
		left -= piece;
	}
	/* virtio 1.2, 2.7.5.2 */
	if (chain->readable_bytes + chain->writable_bytes > UINT32_MAX)
		return virtq_break(vq, "a chain of 4 GiB or more");
	return 0;
}

void virtq_log_written(struct virtq *vq, const struct virtq_chain *chain, uint64_t offset, uint64_t length)
{
	for (unsigned i = 0; i < chain->range_count && length; i++) {
		const struct virtq_range *range = &chain->ranges[i];
		uint64_t part;

		if (offset >= range->length) {
			offset -= range->length;
			continue;
		}
		part = range->length - offset < length ? range->length - offset : length;
		dirty_log_mark(vq->log, range->guest + offset, part);
		length -= part;
		offset = 0;
	}
}

const void *virtq_indirect_table(struct virtq *vq, uint64_t guest, uint32_t length, uint32_t *count)
{
	uint64_t there = length;
	const void *table;

	if (!vq->indirect) {
		virtq_break(vq, "an indirect descriptor, which was not negotiated");
		return NULL;
	}
	if (!length || length % sizeof(struct vring_desc)) {
		virtq_break(vq, "an indirect table whose length is not a multiple of 16");
		return NULL;
	}
	table = memmap_guest(vq->map, virtq_hint(vq, guest), guest, &there);
	if (!table || there != length) {
		virtq_break(vq, "an indirect table outside guest memory");
		return NULL;
	}
	*count = length / sizeof(struct vring_desc);
	return table;
}
