/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VIRTIO_VIRTQ_CHAIN_H
#define STRAIT_VIRTIO_VIRTQ_CHAIN_H

#include <stdint.h>
#include <string.h>

#include "virtio/virtq.h"

/* Inside virtio/ only: what the ring layouts share. */

/* Fields that the driver writes while we read, and the other way round. */
#define LOAD(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define LOAD_ACQUIRE(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

/*
 * The one read of a descriptor, of either layout: volatile, so that the
 * compiler does not come back for more. Indirect tables need not be aligned
 * (virtio 1.2, 2.7.5.3).
 */
static inline void virtq_read_once(void *copy, const void *at)
{
	typedef uint64_t __attribute__((may_alias, aligned(1))) word;
	const volatile word *from = at;
	const uint64_t words[2] = {from[0], from[1]};

	memcpy(copy, words, sizeof(words));
}

/* Find a part of a ring. NULL with err set where it is not in one region or not aligned. */
void *virtq_ring_part(const struct virtq_setup *setup, const char *what, uint64_t user, uint64_t length,
		      unsigned alignment, struct error *err);

/* Check that the log, where the ring is logged, has a place for a part of it. 0, or -EINVAL with err set. */
int virtq_log_part(const struct virtq_setup *setup, const char *what, uint64_t guest, uint64_t length,
		   struct error *err);

static inline void virtq_chain_begin(struct virtq_chain *chain, uint16_t head)
{
	chain->head = head;
	chain->readable = chain->writable = chain->range_count = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
}

static inline uint32_t *virtq_hint(struct virtq *vq, uint64_t guest)
{
	return &vq->hint[guest >> 32 & (VIRTQ_HINTS - 1)];
}

/* Append one piece of guest memory, for which there is room. */
static inline void virtq_chain_append(struct virtq_chain *chain, void *at, uint64_t length, bool writable)
{
	chain->iov[chain->readable + chain->writable] = (struct iovec){.iov_base = at, .iov_len = length};
	if (writable) {
		chain->writable++;
		chain->writable_bytes += length;
	} else {
		chain->readable++;
		chain->readable_bytes += length;
	}
}

/* The slow half of virtq_chain_add(): knows every case, and what is wrong with those that are none. */
int virtq_chain_add_pieces(struct virtq *vq, struct virtq_chain *chain, uint64_t guest, uint32_t length, bool writable);

/* Append a buffer, in as many pieces as there are regions it touches: usually one. 0 or -EPROTO. */
static inline int virtq_chain_add(struct virtq *vq, struct virtq_chain *chain, uint64_t guest, uint32_t length,
				  bool writable)
{
	const uint64_t total = chain->readable_bytes + chain->writable_bytes + length;
	uint64_t there = length;
	void *at = length ? memmap_guest(vq->map, virtq_hint(vq, guest), guest, &there) : NULL;

	if (__builtin_expect(!at || there != length || total > UINT32_MAX || (!writable && chain->writable) ||
				     chain->readable + chain->writable == VIRTQ_MAX_IOV || vq->log,
			     0))
		return virtq_chain_add_pieces(vq, chain, guest, length, writable);
	virtq_chain_append(chain, at, length, writable);
	return 0;
}

/* The device has written this part of the ring, at the address by which it is logged. */
static inline void virtq_log_ring(struct virtq *vq, uint64_t guest, uint64_t length)
{
	if (__builtin_expect(vq->ring_log != NULL, 0))
		dirty_log_mark(vq->ring_log, guest, length);
}

/* Find an indirect table (2.7.5.3, 2.8.7) of *count entries of 16 bytes. NULL: the queue is broken. */
const void *virtq_indirect_table(struct virtq *vq, uint64_t guest, uint32_t length, uint32_t *count);

#endif
