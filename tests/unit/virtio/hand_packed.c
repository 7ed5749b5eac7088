/* SPDX-License-Identifier: Apache-2.0 */
#include "hand_packed.h"

#include <string.h>

void hand_packed_create(struct hand_packed *ring, struct guest *guest, uint64_t at, uint32_t size, uint16_t start,
			bool wrap)
{
	*ring = (struct hand_packed){
		.guest = guest,
		.size = size,
		.avail = start,
		.used = start,
		.avail_wrap = wrap,
		.used_wrap = wrap,
		.desc_at = at,
	};
	/* virtio 1.2, section 2.8.10.1 */
	ring->driver_at = at + 16ull * size;
	ring->device_at = ring->driver_at + 4;
	ring->desc = guest_at(guest, ring->desc_at);
	ring->driver = guest_at(guest, ring->driver_at);
	ring->device = guest_at(guest, ring->device_at);
	memset(ring->desc, 0, ring->device_at + 4 - at);
	/* What a ring in its later rounds has: used descriptors of this round behind, of the one before ahead. */
	for (uint32_t i = 0; i < size; i++)
		ring->desc[i].flags = (i < start) == wrap ? PACKED_AVAIL | PACKED_USED : 0;
}

uint32_t hand_packed_base(uint16_t avail, bool avail_wrap, uint16_t used, bool used_wrap)
{
	return avail | (avail_wrap ? 0x8000u : 0) | (uint32_t)used << 16 | (used_wrap ? 0x80000000u : 0);
}

struct virtq_setup hand_packed_setup(const struct hand_packed *ring)
{
	return (struct virtq_setup){
		.map = &ring->guest->map,
		.size = ring->size,
		.base = hand_packed_base(ring->avail, ring->avail_wrap, ring->used, ring->used_wrap),
		.desc = guest_user(ring->guest, ring->desc_at),
		.avail = guest_user(ring->guest, ring->driver_at),
		.used = guest_user(ring->guest, ring->device_at),
		.packed = true,
		.event_idx = true,
		.indirect = true,
	};
}

uint16_t hand_packed_mark(const struct hand_packed *ring)
{
	return ring->avail_wrap ? PACKED_AVAIL : PACKED_USED;
}

static void advance(const struct hand_packed *ring, uint16_t *at, bool *wrap, unsigned entries)
{
	for (; entries; entries--) {
		if (++*at == ring->size) {
			*at = 0;
			*wrap = !*wrap;
		}
	}
}

void hand_packed_write(struct hand_packed *ring, struct vring_packed_desc desc)
{
	struct vring_packed_desc *at = &ring->desc[ring->avail];

	at->addr = desc.addr;
	at->len = desc.len;
	at->id = desc.id;
	__atomic_store_n(&at->flags, desc.flags, __ATOMIC_RELEASE);
	advance(ring, &ring->avail, &ring->avail_wrap, 1);
}

void hand_packed_skip(struct hand_packed *ring)
{
	advance(ring, &ring->avail, &ring->avail_wrap, 1);
}

void hand_packed_offer(struct hand_packed *ring, const struct vring_packed_desc *chain, uint16_t count, uint16_t id)
{
	struct vring_packed_desc *first = &ring->desc[ring->avail];
	const uint16_t before = first->flags;
	uint16_t flags = 0;

	for (uint16_t i = 0; i < count; i++) {
		struct vring_packed_desc desc = chain[i];

		desc.id = id;
		desc.flags |= (uint16_t)(hand_packed_mark(ring) | (i + 1 < count ? VRING_DESC_F_NEXT : 0));
		if (i == 0) {
			flags = desc.flags;
			desc.flags = before;
		}
		hand_packed_write(ring, desc);
	}
	ring->slots[id] = count;
	__atomic_store_n(&first->flags, flags, __ATOMIC_RELEASE);
}

void hand_packed_offer_byte(struct hand_packed *ring, uint16_t id)
{
	const struct vring_packed_desc desc = {.addr = GUEST_DATA + id, .len = 1};

	hand_packed_offer(ring, &desc, 1, id);
}

bool hand_packed_collect(struct hand_packed *ring, struct vring_packed_desc *element)
{
	struct vring_packed_desc *at = &ring->desc[ring->used];
	const uint16_t flags = __atomic_load_n(&at->flags, __ATOMIC_ACQUIRE);

	if (!(flags & PACKED_AVAIL) == ring->used_wrap || !(flags & PACKED_USED) == ring->used_wrap)
		return false;
	*element = *at;
	assert_true(element->id < ring->size);
	assert_int_not_equal(ring->slots[element->id], 0);
	advance(ring, &ring->used, &ring->used_wrap, ring->slots[element->id]);
	ring->slots[element->id] = 0;
	return true;
}
