/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtq.h"

#include <errno.h>
#include <inttypes.h>

#include "base/checked.h"

/* Fields that the driver writes while we read, and the other way round. */
#define LOAD(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define LOAD_ACQUIRE(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

/* The two fields that EVENT_IDX adds behind the rings (virtio 1.2, 2.7.7 and 2.7.10). */
static uint16_t *used_event(struct virtq *vq)
{
	return &vq->avail->ring[vq->size];
}

static uint16_t *avail_event(struct virtq *vq)
{
	return (uint16_t *)&vq->used->ring[vq->size];
}

static void *ring_part(const struct virtq_setup *setup, const char *what, uint64_t user, uint64_t length,
		       unsigned alignment, struct error *err)
{
	void *at = memmap_user(setup->map, user, length);

	if (!at || !is_aligned((uintptr_t)at, alignment)) {
		error_set(err, -EINVAL,
			  "%s ring at 0x%" PRIx64 ": expected %" PRIu64
			  " bytes inside one memory region, aligned to %u",
			  what, user, length, alignment);
		return NULL;
	}
	return at;
}

int virtq_init(struct virtq *vq, const struct virtq_setup *setup, struct error *err)
{
	const uint64_t size = setup->size;

	if (!is_power_of_two(size) || size > VIRTQ_MAX_SIZE)
		return error_set(err, -EINVAL, "queue size %" PRIu64 ": expected a power of two up to %d", size,
				 VIRTQ_MAX_SIZE);
	*vq = (struct virtq){
		.map = setup->map,
		.size = (uint16_t)size,
		.mask = (uint16_t)(size - 1),
		.avail_seen = setup->base,
		.avail_next = setup->base,
		.event_idx = setup->event_idx,
		.indirect = setup->indirect,
	};
	/* Sizes and alignments: virtio 1.2, section 2.7; the event fields are always there. */
	vq->desc = ring_part(setup, "descriptor", setup->desc, size * sizeof(struct vring_desc), 16, err);
	if (!vq->desc)
		return -EINVAL;
	vq->avail = ring_part(setup, "available", setup->avail, 6 + 2 * size, 2, err);
	if (!vq->avail)
		return -EINVAL;
	vq->used = ring_part(setup, "used", setup->used, 6 + sizeof(struct vring_used_elem) * size, 4, err);
	if (!vq->used)
		return -EINVAL;
	vq->used_next = LOAD(vq->used->idx);
	vq->used_published = vq->used_next;
	return 0;
}

int virtq_break(struct virtq *vq, const char *reason)
{
	if (!vq->broken)
		vq->broken = reason;
	return -EPROTO;
}

int virtq_next(struct virtq *vq, uint16_t *head)
{
	if (vq->broken)
		return -EPROTO;
	if (vq->avail_next == vq->avail_seen) {
		/* Pairs with the driver's barrier before it raises idx (virtio 1.2, 2.7.13.3). */
		vq->avail_seen = LOAD_ACQUIRE(vq->avail->idx);
		if (vq->avail_next == vq->avail_seen)
			return 0;
		if ((uint16_t)(vq->avail_seen - vq->avail_next) > vq->size)
			return virtq_break(vq, "the available index is ahead by more than the queue size");
	}
	*head = LOAD(vq->avail->ring[vq->avail_next & vq->mask]);
	if (*head >= vq->size)
		return virtq_break(vq, "a chain starts beyond the descriptor table");
	vq->avail_next++;
	return 1;
}

/*
 * The one read of a descriptor: volatile, so that the compiler does not come
 * back for more. Indirect tables need not be aligned (virtio 1.2, 2.7.5.3).
 */
static struct vring_desc read_descriptor(const struct vring_desc *at)
{
	typedef uint64_t __attribute__((may_alias, aligned(1))) word;
	const volatile word *from = (const volatile word *)at;
	union {
		uint64_t words[2];
		struct vring_desc desc;
	} copy;

	copy.words[0] = from[0];
	copy.words[1] = from[1];
	return copy.desc;
}

/* Append what a descriptor describes, in as many pieces as there are regions it touches. */
static int add_buffer(struct virtq *vq, struct virtq_chain *chain, const struct vring_desc *desc)
{
	uint64_t guest = desc->addr, left = desc->len;

	if (!left)
		return virtq_break(vq, "a descriptor of length 0");
	if (guest + (left - 1) < guest)
		return virtq_break(vq, "a descriptor wraps around the address space");
	if (!(desc->flags & VRING_DESC_F_WRITE) && chain->writable)
		return virtq_break(vq, "a readable descriptor after a writable one");
	while (left) {
		unsigned used = chain->readable + chain->writable;
		uint64_t piece = left;
		void *at = memmap_guest(vq->map, &vq->hint, guest, &piece);

		if (!at)
			return virtq_break(vq, "a descriptor points outside guest memory");
		if (used == VIRTQ_MAX_IOV)
			return virtq_break(vq, "a chain of more segments than were offered");
		chain->iov[used] = (struct iovec){.iov_base = at, .iov_len = piece};
		if (desc->flags & VRING_DESC_F_WRITE) {
			chain->writable++;
			chain->writable_bytes += piece;
		} else {
			chain->readable++;
			chain->readable_bytes += piece;
		}
		guest += piece;
		left -= piece;
	}
	/* virtio 1.2, 2.7.5.2 */
	if (chain->readable_bytes + chain->writable_bytes > UINT32_MAX)
		return virtq_break(vq, "a chain of 4 GiB or more");
	return 0;
}

/* Find the table of an indirect descriptor (virtio 1.2, 2.7.5.3). */
static const struct vring_desc *indirect_table(struct virtq *vq, const struct vring_desc *desc, uint32_t *count)
{
	uint64_t length = desc->len;
	const struct vring_desc *table;

	if (!vq->indirect) {
		virtq_break(vq, "an indirect descriptor, which was not negotiated");
		return NULL;
	}
	if (desc->flags & VRING_DESC_F_NEXT) {
		virtq_break(vq, "an indirect descriptor with a next one");
		return NULL;
	}
	if (!length || length % sizeof(struct vring_desc)) {
		virtq_break(vq, "an indirect table whose length is not a multiple of 16");
		return NULL;
	}
	table = memmap_guest(vq->map, &vq->hint, desc->addr, &length);
	if (!table || length != desc->len) {
		virtq_break(vq, "an indirect table outside guest memory");
		return NULL;
	}
	*count = desc->len / sizeof(struct vring_desc);
	return table;
}

int virtq_walk(struct virtq *vq, uint16_t head, struct virtq_chain *chain)
{
	const struct vring_desc *table = vq->desc;
	uint32_t count = vq->size, at = head, steps = 0;

	chain->readable = chain->writable = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
	for (;;) {
		const struct vring_desc desc = read_descriptor(&table[at]);

		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (table != vq->desc)
				return virtq_break(vq, "an indirect descriptor inside an indirect table");
			table = indirect_table(vq, &desc, &count);
			if (!table)
				return -EPROTO;
			at = 0;
			steps = 0;
			continue;
		}
		if (add_buffer(vq, chain, &desc))
			return -EPROTO;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return 0;
		at = desc.next;
		if (at >= count)
			return virtq_break(vq, "a descriptor's next lies beyond its table");
		if (++steps == count)
			return virtq_break(vq, "a loop in a descriptor chain");
	}
}

void virtq_push(struct virtq *vq, uint16_t head, uint32_t written)
{
	struct vring_used_elem *element = &vq->used->ring[vq->used_next & vq->mask];

	STORE(element->id, head);
	STORE(element->len, written);
	vq->used_next++;
}

bool virtq_publish(struct virtq *vq)
{
	const uint16_t before = vq->used_published;
	bool first = !vq->notified_once;

	/* Pairs with the driver's barrier after it reads idx (virtio 1.2, 2.7.14). */
	__atomic_store_n(&vq->used->idx, vq->used_next, __ATOMIC_RELEASE);
	vq->used_published = vq->used_next;
	/* Pairs with the driver's barrier between asking for calls and looking at idx again (2.7.7.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return !(LOAD(vq->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	vq->notified_once = true;
	return first || vring_need_event(LOAD(*used_event(vq)), vq->used_published, before);
}

bool virtq_enable_kicks(struct virtq *vq)
{
	if (vq->event_idx)
		STORE(*avail_event(vq), vq->avail_next);
	else
		STORE(vq->used->flags, 0);
	/* Pairs with the driver's barrier between raising idx and reading our wish (virtio 1.2, 2.7.13.4). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return LOAD(vq->avail->idx) != vq->avail_next;
}

void virtq_disable_kicks(struct virtq *vq)
{
	/* With EVENT_IDX the driver kicks once when it passes avail_event: a stale one is quiet for 65536 chains. */
	if (!vq->event_idx)
		STORE(vq->used->flags, VRING_USED_F_NO_NOTIFY);
}
