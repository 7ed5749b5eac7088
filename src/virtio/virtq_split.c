/* SPDX-License-Identifier: Apache-2.0 */
/* Split rings, virtio 1.2 section 2.7. */
#include <errno.h>
#include <inttypes.h>

#include "base/checked.h"
#include "virtio/virtq_chain.h"

/* The two fields that EVENT_IDX adds behind the rings (virtio 1.2, 2.7.7 and 2.7.10). */
static uint16_t *used_event(struct virtq *vq)
{
	return &vq->split.avail->ring[vq->size];
}

static uint16_t *avail_event(struct virtq *vq)
{
	return (uint16_t *)&vq->split.used->ring[vq->size];
}

/* What was in flight lies between the used index and the next available one. */
static int recover(struct virtq *vq, const struct inflight_area *area, struct error *err)
{
	int ret = inflight_split_open(&vq->inflight, area, vq->size, vq->used_next, &vq->avail_next, err);

	vq->split.avail_seen = vq->avail_next;
	/* Who was killed may have written what it did not mark any more. */
	virtq_log_ring(vq, vq->used_log, 6 + sizeof(struct vring_used_elem) * vq->size);
	return ret;
}

int virtq_split_init(struct virtq *vq, const struct virtq_setup *setup, struct error *err)
{
	const uint64_t size = setup->size;
	struct virtq_split *split = &vq->split;

	if (!is_power_of_two(size) || size > VIRTQ_MAX_SIZE)
		return error_set(err, -EINVAL, "queue size %" PRIu64 ": expected a power of two up to %d", size,
				 VIRTQ_MAX_SIZE);
	if (setup->base > UINT16_MAX)
		return error_set(err, -EINVAL, "vring base 0x%" PRIx32 ": expected up to 0x%x", setup->base,
				 UINT16_MAX);
	*vq = (struct virtq){
		.map = setup->map,
		.size = (uint16_t)size,
		.avail_next = (uint16_t)setup->base,
		.event_idx = setup->event_idx,
		.indirect = setup->indirect,
		.log = setup->log,
		.ring_log = setup->ring_log,
		.used_log = setup->used_log,
		.split = {.mask = (uint16_t)(size - 1), .avail_seen = (uint16_t)setup->base},
	};
	/* Sizes and alignments: virtio 1.2, section 2.7; the event fields are always there. */
	split->desc = virtq_ring_part(setup, "descriptor ring", setup->desc, size * sizeof(struct vring_desc), 16, err);
	if (!split->desc)
		return -EINVAL;
	split->avail = virtq_ring_part(setup, "available ring", setup->avail, 6 + 2 * size, 2, err);
	if (!split->avail)
		return -EINVAL;
	split->used =
		virtq_ring_part(setup, "used ring", setup->used, 6 + sizeof(struct vring_used_elem) * size, 4, err);
	if (!split->used)
		return -EINVAL;
	if (virtq_log_part(setup, "used ring", setup->used_log, 6 + sizeof(struct vring_used_elem) * size, err) < 0)
		return -EINVAL;
	vq->used_next = LOAD(split->used->idx);
	split->used_published = split->used_asked = vq->used_next;
	return setup->inflight.at ? recover(vq, &setup->inflight, err) : 0;
}

int virtq_split_next(struct virtq *vq, uint16_t *head)
{
	struct virtq_split *split = &vq->split;

	if (vq->broken)
		return -EPROTO;
	if (vq->avail_next == split->avail_seen) {
		if (inflight_left(vq->inflight)) {
			*head = inflight_split_again(vq->inflight);
			return 1;
		}
		/* Pairs with the driver's barrier before it raises idx (virtio 1.2, 2.7.13.3). */
		split->avail_seen = LOAD_ACQUIRE(split->avail->idx);
		if (vq->avail_next == split->avail_seen)
			return 0;
		if ((uint16_t)(split->avail_seen - vq->avail_next) > vq->size)
			return virtq_break(vq, "the available index is ahead by more than the queue size");
	}
	*head = LOAD(split->avail->ring[vq->avail_next & split->mask]);
	if (*head >= vq->size)
		return virtq_break(vq, "a chain starts beyond the descriptor table");
	vq->avail_next++;
	if (vq->inflight)
		inflight_split_take(vq->inflight, *head);
	return 1;
}

int virtq_split_walk(struct virtq *vq, uint16_t head, struct virtq_chain *chain)
{
	const struct vring_desc *table = vq->split.desc;
	uint32_t count = vq->size, at = head, steps = 0;
	bool indirect = false; /* not to be told from where the table is: it may lie on the ring itself */

	virtq_chain_begin(chain, head);
	for (;;) {
		struct vring_desc desc;

		virtq_read_once(&desc, &table[at]);
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (indirect)
				return virtq_break(vq, "an indirect descriptor inside an indirect table");
			if (desc.flags & VRING_DESC_F_NEXT)
				return virtq_break(vq, "an indirect descriptor with a next one");
			table = virtq_indirect_table(vq, desc.addr, desc.len, &count);
			if (!table)
				return -EPROTO;
			indirect = true;
			at = 0;
			steps = 0;
			continue;
		}
		if (virtq_chain_add(vq, chain, desc.addr, desc.len, desc.flags & VRING_DESC_F_WRITE))
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

void virtq_split_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t written)
{
	struct vring_used_elem *element = &vq->split.used->ring[vq->used_next & vq->split.mask];

	STORE(element->id, chain->head);
	STORE(element->len, written);
	vq->used_next++;
	if (vq->inflight && !inflight_split_push(vq->inflight, chain->head))
		virtq_break(vq, "chains were made available again before they were given back");
}

/* Where the log has what the device writes: flags and idx, the elements, avail_event. */
static void log_flags(struct virtq *vq)
{
	virtq_log_ring(vq, vq->used_log, offsetof(struct vring_used, ring));
}

static void log_elements(struct virtq *vq, uint16_t from, uint16_t count)
{
	const uint64_t ring = vq->used_log + offsetof(struct vring_used, ring);
	const size_t size = sizeof(struct vring_used_elem);
	uint16_t first = from & vq->split.mask;
	uint16_t straight = count < vq->size - first ? count : (uint16_t)(vq->size - first);

	virtq_log_ring(vq, ring + first * size, straight * size);
	if (count > straight)
		virtq_log_ring(vq, ring, (count - straight) * size);
}

static void log_avail_event(struct virtq *vq)
{
	virtq_log_ring(vq, vq->used_log + offsetof(struct vring_used, ring) + sizeof(struct vring_used_elem) * vq->size,
		       sizeof(uint16_t));
}

void virtq_split_publish(struct virtq *vq)
{
	struct virtq_split *split = &vq->split;

	if (__builtin_expect(vq->ring_log != NULL, 0))
		log_elements(vq, split->used_published, (uint16_t)(vq->used_next - split->used_published));
	/* Pairs with the driver's barrier after it reads idx (virtio 1.2, 2.7.14). */
	__atomic_store_n(&split->used->idx, vq->used_next, __ATOMIC_RELEASE);
	split->used_published = vq->used_next;
	log_flags(vq);
	if (vq->inflight)
		inflight_split_published(vq->inflight, vq->used_next);
}

bool virtq_split_wants_call(struct virtq *vq)
{
	struct virtq_split *split = &vq->split;
	const uint16_t before = split->used_asked;
	const bool first = !vq->notified_once;

	/* Pairs with the driver's barrier between asking for calls and looking at idx again (2.7.7.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return !(LOAD(split->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	split->used_asked = split->used_published;
	vq->notified_once = true;
	return first || vring_need_event(LOAD(*used_event(vq)), split->used_published, before);
}

bool virtq_split_enable_kicks(struct virtq *vq)
{
	struct virtq_split *split = &vq->split;

	if (vq->event_idx) {
		STORE(*avail_event(vq), vq->avail_next);
		log_avail_event(vq);
	} else {
		STORE(split->used->flags, 0);
		log_flags(vq);
	}
	/* Pairs with the driver's barrier between raising idx and reading our wish (virtio 1.2, 2.7.13.4). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return LOAD(split->avail->idx) != vq->avail_next;
}

void virtq_split_disable_kicks(struct virtq *vq)
{
	/* With EVENT_IDX the driver kicks once when it passes avail_event: a stale one is quiet for 65536 chains. */
	if (!vq->event_idx) {
		STORE(vq->split.used->flags, VRING_USED_F_NO_NOTIFY);
		log_flags(vq);
	}
}
