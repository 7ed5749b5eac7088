/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/split.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"

/* VIRTIO_F_VERSION_1 rings are little-endian (section 2.7.1); so is every host this is built for. */
_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "rings are written without conversion");

/*
 * With EVENT_IDX there is no "never call": used_event is an index the device
 * will cross one day. Kept at least this far ahead of what the device can have
 * used, it is not crossed (at most DRIVER_RING_MAX_SIZE are outstanding).
 */
#define QUIET_DISTANCE (DRIVER_RING_MAX_SIZE + 0x4000u)

static struct driver_split *split_of(struct driver_ring *ring)
{
	return (struct driver_split *)ring;
}

static const struct driver_split *split_of_const(const struct driver_ring *ring)
{
	return (const struct driver_split *)ring;
}

/* The entries may be reordered or torn only before the index that publishes them. */
static void store_release(void *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)at, value, __ATOMIC_RELEASE);
}

static uint16_t load_acquire(const void *at)
{
	return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
}

static uint16_t load_relaxed(const void *at)
{
	return __atomic_load_n((const uint16_t *)at, __ATOMIC_RELAXED);
}

static void write_desc(struct vring_desc *desc, const struct driver_buffer *buffer, uint16_t flags, uint16_t next)
{
	desc->addr = buffer->guest;
	desc->len = buffer->length;
	desc->flags = (uint16_t)(flags | (buffer->device_writes ? VRING_DESC_F_WRITE : 0));
	desc->next = next;
}

static int link_indirect(struct driver_split *split, struct driver_chain *chain, const struct driver_buffer *buffers,
			 unsigned count)
{
	struct vring_desc *table = chain->table.at;
	struct driver_buffer whole = {.guest = chain->table.guest, .length = count * sizeof(*table)};
	int ret;

	if (count > chain->table_size)
		return -E2BIG;
	ret = driver_slots_take(&split->slots, chain, 1);
	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < count; i++)
		write_desc(&table[i], &buffers[i], i + 1 < count ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	/* Neither NEXT nor WRITE belongs beside INDIRECT (section 2.7.5.3.1). */
	write_desc(&split->desc[chain->head], &whole, VRING_DESC_F_INDIRECT, 0);
	return 0;
}

static int link_direct(struct driver_split *split, struct driver_chain *chain, const struct driver_buffer *buffers,
		       unsigned count)
{
	const int ret = driver_slots_take(&split->slots, chain, count);
	uint16_t at = chain->head;

	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < count; i++) {
		const bool last = i + 1 == count;
		const uint16_t next = split->slots.next[at];

		write_desc(&split->desc[at], &buffers[i], last ? 0 : VRING_DESC_F_NEXT, last ? 0 : next);
		at = next;
	}
	return 0;
}

static int split_link(struct driver_ring *ring, struct driver_chain *chain, const struct driver_buffer *buffers,
		      unsigned count)
{
	struct driver_split *split = split_of(ring);
	int ret;

	assert(!chain->buffers && count && count <= DRIVER_RING_MAX_SIZE);
	ret = chain->table.at ? link_indirect(split, chain, buffers, count) : link_direct(split, chain, buffers, count);
	if (ret == 0)
		chain->buffers = (uint16_t)count;
	return ret;
}

static void split_unlink(struct driver_ring *ring, struct driver_chain *chain)
{
	assert(chain->buffers && !chain->in_flight);
	driver_slots_give(&split_of(ring)->slots, chain);
	chain->buffers = 0;
}

static void split_set_buffer(struct driver_ring *ring, struct driver_chain *chain, unsigned i,
			     const struct driver_buffer *buffer)
{
	struct driver_split *split = split_of(ring);
	struct vring_desc *desc;

	assert(i < chain->buffers && !chain->in_flight);
	if (chain->table.at) {
		desc = (struct vring_desc *)chain->table.at + i;
		write_desc(desc, buffer, i + 1u < chain->buffers ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
		return;
	}
	desc = &split->desc[driver_slots_at(&split->slots, chain, i)];
	write_desc(desc, buffer, desc->flags & VRING_DESC_F_NEXT, desc->next);
}

static void split_add(struct driver_ring *ring, struct driver_chain *chain)
{
	struct driver_split *split = split_of(ring);

	assert(chain->buffers && !chain->in_flight);
	split->avail->ring[split->added & split->mask] = chain->head;
	split->added++;
	chain->in_flight = true;
	ring->in_flight++;
}

static bool split_publish(struct driver_ring *ring)
{
	struct driver_split *split = split_of(ring);
	const uint16_t before = split->published;

	if (split->added == before)
		return false;
	/* Pairs with the device's acquire of avail->idx (virtio 1.2 section 2.7.13.3.1). */
	store_release(&split->avail->idx, split->added);
	split->published = split->added;
	/*
	 * The index must be out before we look whether a kick is wanted. Pairs
	 * with the device's full fence between arming its notifications and
	 * looking at avail->idx once more (sections 2.7.13.4.1 and 2.7.10).
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->event_idx)
		return vring_need_event(load_relaxed(split->avail_event), split->published, before);
	return !(load_relaxed(&split->used->flags) & VRING_USED_F_NO_NOTIFY);
}

/* Keep used_event out of the device's reach; rarely a write, since it costs the device a cache miss. */
static void stay_quiet(struct driver_split *split)
{
	if (split->ring.event_idx && (uint16_t)(split->wanted - split->reaped) < QUIET_DISTANCE) {
		split->wanted = (uint16_t)(split->reaped - 1);
		__atomic_store_n(split->used_event, split->wanted, __ATOMIC_RELAXED);
	}
}

static int broken(struct driver_ring *ring, const char *why)
{
	ring->error = why;
	return -EPROTO;
}

static int split_reap(struct driver_ring *ring, struct driver_completion *completions, unsigned max)
{
	struct driver_split *split = split_of(ring);
	/* Pairs with the device's release of used->idx (section 2.7.8.2); what it wrote is visible from here. */
	const uint16_t there = (uint16_t)(load_acquire(&split->used->idx) - split->reaped);
	const unsigned count = there < max ? there : max;

	if (!there)
		return 0;
	if (there > ring->in_flight)
		return broken(ring, "its used index runs ahead of what was made available");
	for (unsigned i = 0; i < count; i++) {
		/* The device may change an entry at any time: one read, one copy. */
		const volatile struct vring_used_elem *entry = &split->used->ring[split->reaped & split->mask];
		struct driver_chain *chain = driver_slots_complete(&split->slots, ring, entry->id);

		if (!chain)
			return -EPROTO;
		completions[i] = (struct driver_completion){.chain = chain, .length = entry->len};
		split->reaped++;
	}
	if (!split->calls)
		stay_quiet(split);
	return (int)count;
}

static bool split_calls_on(struct driver_ring *ring)
{
	struct driver_split *split = split_of(ring);

	split->calls = true;
	if (ring->event_idx) {
		split->wanted = split->reaped;
		__atomic_store_n(split->used_event, split->wanted, __ATOMIC_RELAXED);
	} else {
		__atomic_store_n(&split->avail->flags, 0, __ATOMIC_RELAXED);
	}
	/*
	 * Ask first, look after. Pairs with the device's full fence between
	 * used->idx and its look at flags or used_event (sections 2.7.7.2 and
	 * 2.7.14).
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load_relaxed(&split->used->idx) == split->reaped;
}

static void split_calls_off(struct driver_ring *ring)
{
	struct driver_split *split = split_of(ring);

	split->calls = false;
	if (ring->event_idx)
		stay_quiet(split);
	else
		__atomic_store_n(&split->avail->flags, VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
}

static uint32_t split_base(const struct driver_ring *ring)
{
	const struct driver_split *split = split_of_const(ring);

	return (uint16_t)(split->published - ring->in_flight);
}

static int split_taken(struct driver_ring *ring, uint32_t base)
{
	const struct driver_split *split = split_of(ring);
	const uint16_t waiting = (uint16_t)(split->published - base);

	if (base > UINT16_MAX || waiting > ring->in_flight)
		return broken(ring, "it stopped at an index that it cannot have reached");
	return (int)(ring->in_flight - waiting);
}

static void split_destroy(struct driver_ring *ring)
{
	struct driver_split *split = split_of(ring);

	driver_slots_destroy(&split->slots);
	free(split);
}

static const struct driver_ring_ops split_ops = {
	.name = "split",
	.destroy = split_destroy,
	.link = split_link,
	.unlink = split_unlink,
	.set_buffer = split_set_buffer,
	.add = split_add,
	.publish = split_publish,
	.reap = split_reap,
	.calls_on = split_calls_on,
	.calls_off = split_calls_off,
	.base = split_base,
	.taken = split_taken,
};

/* Each part on cache lines of its own: the driver writes one, the device the other. */
#define PART_ALIGNMENT 128u

static size_t avail_bytes(unsigned size)
{
	return sizeof(struct vring_avail) + (size + 1) * sizeof(__virtio16);
}

static size_t used_bytes(unsigned size)
{
	return sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + sizeof(__virtio16);
}

size_t driver_split_bytes(unsigned size)
{
	return size * sizeof(struct vring_desc) + avail_bytes(size) + used_bytes(size) + (size_t)3 * PART_ALIGNMENT;
}

/* Place the three parts; -ENOMEM when the region is full. */
static int place(struct driver_split *split, struct driver_memory *memory, unsigned region, unsigned size)
{
	struct driver_span span;

	if (driver_memory_take(memory, region, size * sizeof(struct vring_desc), PART_ALIGNMENT, &span) < 0)
		return -ENOMEM;
	split->desc = span.at;
	if (driver_memory_take(memory, region, avail_bytes(size), PART_ALIGNMENT, &span) < 0)
		return -ENOMEM;
	split->avail = span.at;
	if (driver_memory_take(memory, region, used_bytes(size), PART_ALIGNMENT, &span) < 0)
		return -ENOMEM;
	split->used = span.at;
	split->used_event = (uint16_t *)&split->avail->ring[size];
	split->avail_event = (uint16_t *)&split->used->ring[size];
	split->ring.descriptor_area = split->desc;
	split->ring.driver_area = split->avail;
	split->ring.device_area = split->used;
	return 0;
}

static void set_up(struct driver_split *split, unsigned size, bool event_idx, uint16_t start)
{
	split->ring.ops = &split_ops;
	split->ring.size = size;
	split->ring.event_idx = event_idx;
	split->mask = (uint16_t)(size - 1);
	split->added = split->published = split->reaped = start;
	split->avail->idx = start;
	split->used->idx = start;
	/* As if nothing had been asked for yet, so that stay_quiet() writes. */
	split->wanted = start;
	split_calls_off(&split->ring);
}

struct driver_split *driver_split_create(struct driver_memory *memory, unsigned region, unsigned size, bool event_idx,
					 uint16_t start, struct error *err)
{
	struct driver_split *split;

	if (!is_power_of_two(size) || size > DRIVER_RING_MAX_SIZE) {
		error_set(err, -EINVAL, "a split ring has a power of two up to %u entries, not %u",
			  DRIVER_RING_MAX_SIZE, size);
		return NULL;
	}
	split = calloc(1, sizeof(*split));
	if (!split || driver_slots_init(&split->slots, size) < 0 || place(split, memory, region, size) < 0) {
		error_set(err, -ENOMEM, "no memory for a ring of %u entries", size);
		if (split)
			split_destroy(&split->ring);
		return NULL;
	}
	set_up(split, size, event_idx, start);
	return split;
}

void driver_split_raw_desc(struct driver_split *split, unsigned i, uint64_t guest, uint32_t length, uint16_t flags,
			   uint16_t next)
{
	split->desc[i] = (struct vring_desc){.addr = guest, .len = length, .flags = flags, .next = next};
}

void driver_split_raw_avail(struct driver_split *split, unsigned i, uint16_t head)
{
	split->avail->ring[i & split->mask] = head;
}

void driver_split_raw_publish(struct driver_split *split, uint16_t avail_idx)
{
	/* Pairs with the device's acquire of avail->idx, as in split_publish(). */
	store_release(&split->avail->idx, avail_idx);
}

uint16_t driver_split_raw_used(const struct driver_split *split)
{
	return load_acquire(&split->used->idx);
}
