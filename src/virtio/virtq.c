/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtq.h"

#include <errno.h>
#include <inttypes.h>

#include "base/checked.h"
#include "virtio/virtq_chain.h"

void *virtq_ring_part(const struct virtq_setup *setup, const char *what, uint64_t user, uint64_t length,
		      unsigned alignment, struct error *err)
{
	void *at = memmap_user(setup->map, user, length);

	if (!at || !is_aligned((uintptr_t)at, alignment)) {
		error_set(err, -EINVAL,
			  "%s at 0x%" PRIx64 ": expected %" PRIu64 " bytes inside one memory region, aligned to %u",
			  what, user, length, alignment);
		return NULL;
	}
	return at;
}

int virtq_log_part(const struct virtq_setup *setup, const char *what, uint64_t guest, uint64_t length,
		   struct error *err)
{
	if (!setup->ring_log || dirty_log_covers(setup->ring_log, guest, length))
		return 0;
	return error_set(err, -EINVAL,
			 "%s of %" PRIu64 " bytes to be logged at 0x%" PRIx64 ": beyond the %" PRIu64
			 " pages of the log",
			 what, length, guest, setup->ring_log->pages);
}

int virtq_init(struct virtq *vq, const struct virtq_setup *setup, struct error *err)
{
	return setup->packed ? virtq_packed_init(vq, setup, err) : virtq_split_init(vq, setup, err);
}

uint32_t virtq_base(const struct virtq *vq)
{
	if (!vq->is_packed)
		return vq->avail_next;
	return vq->avail_next | (uint32_t)vq->packed.avail_wrap << 15 | (uint32_t)vq->used_next << 16 |
	       (uint32_t)vq->packed.used_wrap << 31;
}

int virtq_break(struct virtq *vq, const char *reason)
{
	if (!vq->broken)
		vq->broken = reason;
	return -EPROTO;
}

void virtq_destroy(struct virtq *vq)
{
	inflight_close(vq->inflight);
	vq->inflight = NULL;
}
