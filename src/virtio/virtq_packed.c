/* SPDX-License-Identifier: Apache-2.0 */
/* Packed rings, virtio 1.2 section 2.8. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>

#include "virtio/virtq_chain.h"

/* The event structures are read and written as one word of 32 bits, offset and wrap counter first. */
_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "rings are read without conversion");

#define AVAIL       (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED        (1u << VRING_PACKED_DESC_F_USED)
#define TAKEN_TWICE "chains were made available again before they were given back"

#define WRAP (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

/* An available descriptor has AVAIL like the wrap counter and USED unlike it, a used one both like it (2.8.1). */
static bool is_available(uint16_t flags, bool wrap)
{
	return (flags & (AVAIL | USED)) == (wrap ? AVAIL : USED);
}

static uint16_t used_flags(bool wrap)
{
	return wrap ? AVAIL | USED : 0;
}

static void advance(const struct virtq *vq, uint16_t *at, bool *wrap, uint32_t entries)
{
	uint32_t next = *at + entries;

	if (next >= vq->size) {
		next -= vq->size;
		*wrap = !*wrap;
	}
	*at = (uint16_t)next;
}

/* Take both positions from the base. They are at most the size of the ring apart, the available one ahead. */
static int set_positions(struct virtq *vq, uint32_t base, struct error *err)
{
	const uint32_t used_half = base >> 16 ? base >> 16 : base & UINT16_MAX;
	const uint32_t avail = base & (WRAP - 1), used = used_half & (WRAP - 1);
	struct virtq_packed *packed = &vq->packed;
	uint32_t ahead;

	packed->avail_wrap = base & WRAP;
	packed->used_wrap = used_half & WRAP;
	ahead = avail + (packed->avail_wrap != packed->used_wrap ? vq->size : 0) - used;
	if (avail >= vq->size || used >= vq->size || ahead > vq->size)
		return error_set(err, -EINVAL,
				 "vring base 0x%" PRIx32
				 ": expected two positions below the queue size of %u, the available one ahead of the "
				 "used one by no more than it",
				 base, vq->size);
	vq->avail_next = (uint16_t)avail;
	vq->used_next = packed->published = (uint16_t)used;
	packed->published_wrap = packed->used_wrap;
	packed->held = (uint16_t)ahead;
	return 0;
}

static int find_parts(struct virtq *vq, const struct virtq_setup *setup, struct error *err)
{
	const uint64_t size = setup->size;
	struct virtq_packed *packed = &vq->packed;

	/* Sizes and alignments: virtio 1.2, section 2.8.10.1. */
	packed->desc = virtq_ring_part(setup, "descriptor ring", setup->desc, size * sizeof(*packed->desc), 16, err);
	if (!packed->desc)
		return -EINVAL;
	packed->driver_event =
		virtq_ring_part(setup, "driver event suppression", setup->avail, sizeof(*packed->driver_event), 4, err);
	if (!packed->driver_event)
		return -EINVAL;
	packed->device_event =
		virtq_ring_part(setup, "device event suppression", setup->used, sizeof(*packed->device_event), 4, err);
	if (!packed->device_event)
		return -EINVAL;
	/*
	 * The address in SET_VRING_ADDR is that of a used ring: for what a packed one
	 * writes into, the memory map says where in the guest it is.
	 */
	packed->desc_log = memmap_user_to_guest(vq->map, setup->desc);
	packed->event_log = memmap_user_to_guest(vq->map, setup->used);
	if (virtq_log_part(setup, "descriptor ring", packed->desc_log, size * sizeof(*packed->desc), err) < 0)
		return -EINVAL;
	return virtq_log_part(setup, "device event suppression", packed->event_log, sizeof(*packed->device_event), err);
}

/* What was in flight lies between the used position and the available one. */
static int recover(struct virtq *vq, const struct inflight_area *area, struct error *err)
{
	struct virtq_packed *packed = &vq->packed;
	struct inflight_place used = {vq->used_next, packed->used_wrap};
	int ret = inflight_packed_open(&vq->inflight, area, packed->desc, vq->size, &used, &packed->held, err);

	vq->avail_next = vq->used_next = packed->published = used.at;
	packed->avail_wrap = packed->used_wrap = packed->published_wrap = used.wrap;
	advance(vq, &vq->avail_next, &packed->avail_wrap, packed->held);
	/* Who was killed may have written what it did not mark any more. */
	virtq_log_ring(vq, packed->desc_log, vq->size * sizeof(*packed->desc));
	return ret;
}

int virtq_packed_init(struct virtq *vq, const struct virtq_setup *setup, struct error *err)
{
	const uint64_t size = setup->size;

	if (!size || size > VIRTQ_MAX_SIZE)
		return error_set(err, -EINVAL, "queue size %" PRIu64 ": expected 1 to %d", size, VIRTQ_MAX_SIZE);
	*vq = (struct virtq){
		.map = setup->map,
		.size = (uint16_t)size,
		.is_packed = true,
		.event_idx = setup->event_idx,
		.indirect = setup->indirect,
		.log = setup->log,
		.ring_log = setup->ring_log,
	};
	if (set_positions(vq, setup->base, err) < 0)
		return -EINVAL;
	if (find_parts(vq, setup, err) < 0)
		return -EINVAL;
	return setup->inflight.at ? recover(vq, &setup->inflight, err) : 0;
}

/* One that was taken by who had the queue before us, from the region: its place in the ring may be overwritten. */
static int take_again(struct virtq *vq, uint16_t *head)
{
	struct virtq_packed *packed = &vq->packed;

	packed->fetched_count = inflight_packed_again(vq->inflight, packed->fetched, VIRTQ_MAX_IOV);
	if (!packed->fetched_count)
		return virtq_break(vq, "a chain of more segments than were offered");
	*head = packed->fetched[packed->fetched_count - 1].id;
	if (*head >= vq->size)
		return virtq_break(vq, "a buffer id that is not below the queue size");
	return 1;
}

/*
 * Copy the chain: its name stands in its last descriptor, and what follows it
 * in the ring is overwritten as chains are given back.
 */
int virtq_packed_next(struct virtq *vq, uint16_t *head)
{
	struct virtq_packed *packed = &vq->packed;
	struct vring_packed_desc *copy = packed->fetched;
	uint16_t at = vq->avail_next, count = 0, flags;
	bool wrap = packed->avail_wrap;

	if (vq->broken)
		return -EPROTO;
	if (inflight_left(vq->inflight))
		return take_again(vq, head);
	/* Pairs with the driver's barrier before it writes the first descriptor's flags (virtio 1.2, 2.8.21.1). */
	flags = LOAD_ACQUIRE(packed->desc[at].flags);
	if (!is_available(flags, wrap))
		return 0;
	for (;; copy++) {
		if (packed->held + count == vq->size)
			return virtq_break(vq, "more descriptors were made available than the ring has");
		if (count == VIRTQ_MAX_IOV)
			return virtq_break(vq, "a chain of more segments than were offered");
		virtq_read_once(copy, &packed->desc[at]);
		if (count == 0)
			copy->flags = flags;
		else if (!is_available(copy->flags, wrap))
			return virtq_break(vq, "a chain goes on with a descriptor that was not made available");
		count++;
		advance(vq, &at, &wrap, 1);
		if (!(copy->flags & VRING_DESC_F_NEXT))
			break;
	}
	if (copy->id >= vq->size)
		return virtq_break(vq, "a buffer id that is not below the queue size");
	if (vq->inflight && !inflight_packed_take(vq->inflight, packed->fetched, count))
		return virtq_break(vq, TAKEN_TWICE);
	*head = copy->id;
	vq->avail_next = at;
	packed->avail_wrap = wrap;
	packed->held = (uint16_t)(packed->held + count);
	packed->fetched_count = count;
	return 1;
}

/* The descriptor so many places behind the next one. */
static bool is_waiting(const struct virtq *vq, uint32_t ahead)
{
	uint16_t at = vq->avail_next;
	bool wrap = vq->packed.avail_wrap;

	advance(vq, &at, &wrap, ahead);
	return is_available(LOAD(vq->packed.desc[at].flags), wrap);
}

/* All descriptors between the next one and one that is available are available, too. */
uint32_t virtq_packed_waiting(const struct virtq *vq)
{
	const uint32_t most = vq->size - vq->packed.held;
	uint32_t found = 0, beyond = 1;

	if (vq->broken || inflight_left(vq->inflight))
		return 0;
	while (beyond <= most && is_waiting(vq, beyond - 1)) {
		found = beyond;
		beyond *= 2;
	}
	if (beyond > most)
		beyond = most + 1;
	while (beyond - found > 1) {
		const uint32_t middle = found + (beyond - found) / 2;

		if (is_waiting(vq, middle - 1))
			found = middle;
		else
			beyond = middle;
	}
	return found > vq->packed.fetched_count ? found / vq->packed.fetched_count : found > 0;
}

/*
 * What a chain of one indirect descriptor means: all of its table, in the order
 * in which it stands there; of the flags in it only WRITE counts (2.8.7). NULL:
 * the queue is broken.
 */
static const struct vring_packed_desc *follow_table(struct virtq *vq, uint32_t *count)
{
	const struct vring_packed_desc *desc = vq->packed.fetched;

	if (vq->packed.fetched_count > 1) {
		virtq_break(vq, "an indirect descriptor in a chain with others");
		return NULL;
	}
	return virtq_indirect_table(vq, desc->addr, desc->len, count);
}

int virtq_packed_walk(struct virtq *vq, uint16_t head, struct virtq_chain *chain)
{
	const struct vring_packed_desc *from = vq->packed.fetched;
	const bool indirect = from->flags & VRING_DESC_F_INDIRECT;
	uint32_t count = vq->packed.fetched_count;

	virtq_chain_begin(chain, head);
	chain->slots = vq->packed.fetched_count;
	if (indirect)
		from = follow_table(vq, &count);
	if (!from)
		return -EPROTO;
	for (; count; from++, count--) {
		struct vring_packed_desc desc;

		virtq_read_once(&desc, from);
		if (desc.flags & VRING_DESC_F_INDIRECT)
			return virtq_break(vq, indirect ? "an indirect descriptor inside an indirect table"
							: "an indirect descriptor in a chain with others");
		if (virtq_chain_add(vq, chain, desc.addr, desc.len, desc.flags & VRING_DESC_F_WRITE))
			return -EPROTO;
	}
	return 0;
}

static void log_element(struct virtq *vq, uint16_t at)
{
	virtq_log_ring(vq, vq->packed.desc_log + at * sizeof(struct vring_packed_desc),
		       sizeof(struct vring_packed_desc));
}

void virtq_packed_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t written)
{
	struct virtq_packed *packed = &vq->packed;
	struct vring_packed_desc *desc = &packed->desc[vq->used_next];
	const uint16_t flags = (uint16_t)(used_flags(packed->used_wrap) | (written ? VRING_DESC_F_WRITE : 0));
	struct inflight_place next = {vq->used_next, packed->used_wrap};

	advance(vq, &next.at, &next.wrap, chain->slots);
	if (vq->inflight && !inflight_packed_push(vq->inflight, chain->head, next))
		virtq_break(vq, TAKEN_TWICE);
	STORE(desc->len, written);
	STORE(desc->id, chain->head);
	if (packed->batch) {
		STORE(desc->flags, flags);
		log_element(vq, vq->used_next);
	} else {
		packed->batch_at = vq->used_next;
		packed->batch_flags = flags;
	}
	packed->batch = (uint16_t)(packed->batch + chain->slots);
	packed->held = (uint16_t)(packed->held - chain->slots);
	vq->used_next = next.at;
	packed->used_wrap = next.wrap;
}

void virtq_packed_publish(struct virtq *vq)
{
	struct virtq_packed *packed = &vq->packed;
	const uint32_t unasked = (uint32_t)packed->unasked + packed->batch;

	if (!packed->batch)
		return;
	if (vq->inflight)
		inflight_packed_publish(vq->inflight);
	/* Pairs with the driver's barrier after it reads the flags (virtio 1.2, 2.8.22). */
	__atomic_store_n(&packed->desc[packed->batch_at].flags, packed->batch_flags, __ATOMIC_RELEASE);
	log_element(vq, packed->batch_at);
	packed->batch = 0;
	packed->published = vq->used_next;
	packed->published_wrap = packed->used_wrap;
	packed->unasked = (uint16_t)(unasked < vq->size ? unasked : vq->size);
	if (vq->inflight)
		inflight_packed_published(vq->inflight);
}

bool virtq_packed_wants_call(struct virtq *vq)
{
	struct virtq_packed *packed = &vq->packed;
	const uint16_t before = (uint16_t)(packed->published - packed->unasked);
	const bool first = !vq->notified_once;
	uint32_t event;
	uint16_t at;

	/* Pairs with the driver's barrier between asking for calls and looking at the ring again (2.8.22). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	packed->unasked = 0;
	event = LOAD(*(const uint32_t *)packed->driver_event);
	if (event >> 16 == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (event >> 16 != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
		return true;
	vq->notified_once = true;
	/* A position of the round before lies below those of this one (2.8.10). */
	at = event & (WRAP - 1);
	if (!(event & WRAP) != !packed->published_wrap)
		at = (uint16_t)(at - vq->size);
	return first || vring_need_event(at, packed->published, before);
}

static void set_device_event(struct virtq *vq, uint16_t off_wrap, uint16_t flags)
{
	STORE(*(uint32_t *)vq->packed.device_event, off_wrap | (uint32_t)flags << 16);
	virtq_log_ring(vq, vq->packed.event_log, sizeof(uint32_t));
}

bool virtq_packed_enable_kicks(struct virtq *vq)
{
	struct virtq_packed *packed = &vq->packed;

	if (vq->event_idx)
		set_device_event(vq, (uint16_t)(vq->avail_next | (packed->avail_wrap ? WRAP : 0)),
				 VRING_PACKED_EVENT_FLAG_DESC);
	else
		set_device_event(vq, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	/* Pairs with the driver's barrier between showing descriptors and reading our wish (virtio 1.2, 2.8.21.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return is_available(LOAD(packed->desc[vq->avail_next].flags), packed->avail_wrap);
}

void virtq_packed_disable_kicks(struct virtq *vq)
{
	set_device_event(vq, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}
