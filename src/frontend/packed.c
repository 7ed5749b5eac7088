/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/packed.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

/* The event structures are read and written as one word of 32 bits, offset and wrap counter first. */
_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "rings are written without conversion");

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)
#define WRAP  (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static struct driver_packed *packed_of(struct driver_ring *ring)
{
	return (struct driver_packed *)ring;
}

static uint16_t word_of(struct driver_packed_place place)
{
	return (uint16_t)(place.at | (place.wrap ? WRAP : 0));
}

static struct driver_packed_place advance(const struct driver_packed *packed, struct driver_packed_place place,
					  unsigned entries)
{
	const unsigned next = place.at + entries;

	if (next < packed->ring.size)
		return (struct driver_packed_place){.at = (uint16_t)next, .wrap = place.wrap};
	return (struct driver_packed_place){.at = (uint16_t)(next - packed->ring.size), .wrap = !place.wrap};
}

/* Section 2.8.1: available is AVAIL like the wrap counter and USED unlike it, used is both like it. */
static uint16_t available_flags(bool wrap)
{
	return wrap ? AVAIL : USED;
}

static bool is_used(uint16_t flags, bool wrap)
{
	return (flags & (AVAIL | USED)) == (wrap ? AVAIL | USED : 0);
}

static void write_desc(struct vring_packed_desc *desc, const struct driver_buffer *buffer, uint16_t flags)
{
	desc->addr = buffer->guest;
	desc->len = buffer->length;
	desc->flags = (uint16_t)(flags | (buffer->device_writes ? VRING_DESC_F_WRITE : 0));
}

static int link_indirect(struct driver_packed *packed, struct driver_chain *chain, const struct driver_buffer *buffers,
			 unsigned count)
{
	struct vring_packed_desc *table = chain->table.at;
	struct driver_buffer whole = {.guest = chain->table.guest, .length = count * sizeof(*table)};
	int ret;

	if (count > chain->table_size)
		return -E2BIG;
	ret = driver_slots_take(&packed->slots, chain, 1);
	if (ret < 0)
		return ret;
	/* No flag but WRITE belongs into a table (section 2.8.19). */
	for (unsigned i = 0; i < count; i++)
		write_desc(&table[i], &buffers[i], 0);
	write_desc(&packed->template[chain->head], &whole, VRING_DESC_F_INDIRECT);
	return 0;
}

static int link_direct(struct driver_packed *packed, struct driver_chain *chain, const struct driver_buffer *buffers,
		       unsigned count)
{
	const int ret = driver_slots_take(&packed->slots, chain, count);
	uint16_t at = chain->head;

	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < count; i++) {
		write_desc(&packed->template[at], &buffers[i], i + 1 < count ? VRING_DESC_F_NEXT : 0);
		at = packed->slots.next[at];
	}
	return 0;
}

static int packed_link(struct driver_ring *ring, struct driver_chain *chain, const struct driver_buffer *buffers,
		       unsigned count)
{
	struct driver_packed *packed = packed_of(ring);
	int ret;

	assert(!chain->buffers && count && count <= DRIVER_RING_MAX_SIZE);
	ret = chain->table.at ? link_indirect(packed, chain, buffers, count)
			      : link_direct(packed, chain, buffers, count);
	if (ret == 0)
		chain->buffers = (uint16_t)count;
	return ret;
}

static void packed_unlink(struct driver_ring *ring, struct driver_chain *chain)
{
	assert(chain->buffers && !chain->in_flight);
	driver_slots_give(&packed_of(ring)->slots, chain);
	chain->buffers = 0;
}

static void packed_set_buffer(struct driver_ring *ring, struct driver_chain *chain, unsigned i,
			      const struct driver_buffer *buffer)
{
	struct driver_packed *packed = packed_of(ring);
	struct vring_packed_desc *desc;

	assert(i < chain->buffers && !chain->in_flight);
	if (chain->table.at) {
		write_desc((struct vring_packed_desc *)chain->table.at + i, buffer, 0);
		return;
	}
	desc = &packed->template[driver_slots_at(&packed->slots, chain, i)];
	write_desc(desc, buffer, desc->flags & VRING_DESC_F_NEXT);
}

static void packed_add(struct driver_ring *ring, struct driver_chain *chain)
{
	struct driver_packed *packed = packed_of(ring);
	struct driver_packed_place place = packed->avail;
	uint16_t slot = chain->head;

	assert(chain->buffers && !chain->in_flight);
	packed->heads[place.at] = chain->head;
	for (unsigned i = 0; i < chain->held; i++) {
		const struct vring_packed_desc *from = &packed->template[slot];
		struct vring_packed_desc *to = &packed->desc[place.at];
		const uint16_t flags = (uint16_t)(from->flags | available_flags(place.wrap));

		to->addr = from->addr;
		to->len = from->len;
		to->id = chain->head;
		if (packed->batch++) {
			to->flags = flags;
		} else {
			packed->batch_start = place;
			packed->batch_flags = flags;
		}
		slot = packed->slots.next[slot];
		place = advance(packed, place, 1);
	}
	packed->avail = place;
	chain->in_flight = true;
	ring->in_flight++;
}

/* Whether the device wants to hear of this many descriptors before the next one to write (section 2.8.10). */
static bool wants_kick(const struct driver_packed *packed, unsigned descriptors)
{
	const uint32_t event = __atomic_load_n((const uint32_t *)packed->device_event, __ATOMIC_RELAXED);
	const struct driver_packed_place now = packed->avail;
	uint16_t at = event & (WRAP - 1);

	if (event >> 16 != VRING_PACKED_EVENT_FLAG_DESC || !packed->ring.event_idx)
		return event >> 16 != VRING_PACKED_EVENT_FLAG_DISABLE;
	/* A position of the round before lies below those of this one. */
	if (!(event & WRAP) != !now.wrap)
		at = (uint16_t)(at - packed->ring.size);
	return vring_need_event(at, now.at, (uint16_t)(now.at - descriptors));
}

static bool packed_publish(struct driver_ring *ring)
{
	struct driver_packed *packed = packed_of(ring);
	const unsigned descriptors = packed->batch;

	if (!descriptors)
		return false;
	/* Pairs with the device's acquire of the flags of the next descriptor (virtio 1.2 section 2.8.21.1). */
	__atomic_store_n(&packed->desc[packed->batch_start.at].flags, packed->batch_flags, __ATOMIC_RELEASE);
	packed->batch = 0;
	/*
	 * The flags must be out before we look whether a kick is wanted. Pairs with
	 * the device's full fence between arming its notifications and looking at
	 * the ring once more (section 2.8.21.2).
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return wants_kick(packed, descriptors);
}

static int packed_reap(struct driver_ring *ring, struct driver_completion *completions, unsigned max)
{
	struct driver_packed *packed = packed_of(ring);
	unsigned count;

	for (count = 0; count < max; count++) {
		const volatile struct vring_packed_desc *desc = &packed->desc[packed->used.at];
		struct driver_chain *chain;

		/* Pairs with the device's release of the flags (section 2.8.22); what it wrote is visible from here. */
		if (!is_used(__atomic_load_n(&packed->desc[packed->used.at].flags, __ATOMIC_ACQUIRE),
			     packed->used.wrap))
			break;
		chain = driver_slots_complete(&packed->slots, ring, desc->id);
		if (!chain)
			return -EPROTO;
		completions[count] = (struct driver_completion){.chain = chain, .length = desc->len};
		packed->used = advance(packed, packed->used, chain->held);
	}
	return (int)count;
}

static void set_driver_event(struct driver_packed *packed, uint16_t off_wrap, uint16_t flags)
{
	__atomic_store_n((uint32_t *)packed->driver_event, off_wrap | (uint32_t)flags << 16, __ATOMIC_RELAXED);
}

static bool packed_calls_on(struct driver_ring *ring)
{
	struct driver_packed *packed = packed_of(ring);

	packed->calls = true;
	if (ring->event_idx)
		set_driver_event(packed, word_of(packed->used), VRING_PACKED_EVENT_FLAG_DESC);
	else
		set_driver_event(packed, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	/*
	 * Ask first, look after. Pairs with the device's full fence between showing
	 * a used descriptor and its look at our event structure (section 2.8.22).
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !is_used(__atomic_load_n(&packed->desc[packed->used.at].flags, __ATOMIC_RELAXED), packed->used.wrap);
}

static void packed_calls_off(struct driver_ring *ring)
{
	struct driver_packed *packed = packed_of(ring);

	/* The device reads it after each batch: it is not written without need. */
	if (packed->calls)
		set_driver_event(packed, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
	packed->calls = false;
}

/* Available position in the lower half, used position in the upper one (vhost-user.rst, SET_VRING_BASE). */
static uint32_t packed_base(const struct driver_ring *ring)
{
	const uint16_t used = word_of(((const struct driver_packed *)ring)->used);

	return used | (uint32_t)used << 16;
}

/* What it has not taken begins where it stopped and ends where we are, and is made of whole chains. */
static int packed_taken(struct driver_ring *ring, uint32_t base)
{
	struct driver_packed *packed = packed_of(ring);
	struct driver_packed_place place = {.at = base & (WRAP - 1), .wrap = base & WRAP};
	unsigned waiting = 0;

	while (place.at < ring->size && word_of(place) != word_of(packed->avail) && waiting < ring->in_flight) {
		const struct driver_chain *chain = packed->slots.owner[packed->heads[place.at]];

		if (!chain || !chain->in_flight)
			break;
		place = advance(packed, place, chain->held);
		waiting++;
	}
	if (word_of(place) == word_of(packed->avail))
		return (int)(ring->in_flight - waiting);
	ring->error = "it stopped at a position that it cannot have reached";
	return -EPROTO;
}

static void packed_destroy(struct driver_ring *ring)
{
	struct driver_packed *packed = packed_of(ring);

	driver_slots_destroy(&packed->slots);
	free(packed->template);
	free(packed->heads);
	free(packed);
}

static const struct driver_ring_ops packed_ops = {
	.name = "packed",
	.destroy = packed_destroy,
	.link = packed_link,
	.unlink = packed_unlink,
	.set_buffer = packed_set_buffer,
	.add = packed_add,
	.publish = packed_publish,
	.reap = packed_reap,
	.calls_on = packed_calls_on,
	.calls_off = packed_calls_off,
	.base = packed_base,
	.taken = packed_taken,
};

/* Each part on cache lines of its own. */
#define PART_ALIGNMENT 128u

size_t driver_packed_bytes(unsigned size)
{
	return size * sizeof(struct vring_packed_desc) + (size_t)5 * PART_ALIGNMENT;
}

/* Place the three parts; -ENOMEM when the region is full. */
static int place_parts(struct driver_packed *packed, struct driver_memory *memory, unsigned region, unsigned size)
{
	struct driver_span span;

	if (driver_memory_take(memory, region, size * sizeof(*packed->desc), PART_ALIGNMENT, &span) < 0)
		return -ENOMEM;
	packed->desc = span.at;
	if (driver_memory_take(memory, region, PART_ALIGNMENT, PART_ALIGNMENT, &span) < 0)
		return -ENOMEM;
	packed->driver_event = span.at;
	if (driver_memory_take(memory, region, PART_ALIGNMENT, PART_ALIGNMENT, &span) < 0)
		return -ENOMEM;
	packed->device_event = span.at;
	packed->ring.descriptor_area = packed->desc;
	packed->ring.driver_area = packed->driver_event;
	packed->ring.device_area = packed->device_event;
	return 0;
}

static void set_up(struct driver_packed *packed, unsigned size, bool event_idx, uint16_t start)
{
	packed->ring.ops = &packed_ops;
	packed->ring.size = size;
	packed->ring.event_idx = event_idx;
	packed->avail = packed->used = (struct driver_packed_place){.at = start, .wrap = true};
	/* Used in this round before start, in the one before from there on: as if it had got here by itself. */
	for (unsigned i = 0; i < size; i++)
		packed->desc[i].flags = i < start ? AVAIL | USED : 0;
	packed->calls = true;
	packed_calls_off(&packed->ring);
}

struct driver_packed *driver_packed_create(struct driver_memory *memory, unsigned region, unsigned size, bool event_idx,
					   uint16_t start, struct error *err)
{
	struct driver_packed *packed;

	if (!size || size > DRIVER_RING_MAX_SIZE) {
		error_set(err, -EINVAL, "a packed ring has 1 to %u entries, not %u", DRIVER_RING_MAX_SIZE, size);
		return NULL;
	}
	packed = calloc(1, sizeof(*packed));
	if (packed) {
		packed->template = calloc(size, sizeof(*packed->template));
		packed->heads = calloc(size, sizeof(*packed->heads));
	}
	if (!packed || !packed->template || !packed->heads || driver_slots_init(&packed->slots, size) < 0 ||
	    place_parts(packed, memory, region, size) < 0) {
		error_set(err, -ENOMEM, "no memory for a ring of %u entries", size);
		if (packed)
			packed_destroy(&packed->ring);
		return NULL;
	}
	set_up(packed, size, event_idx, start);
	return packed;
}
