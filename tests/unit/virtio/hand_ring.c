/* SPDX-License-Identifier: Apache-2.0 */
#include "hand_ring.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_SIZE 4096

/* The regions in the order in which they lie in our memory: not the guest's. */
static const struct {
	uint64_t guest, size, user;
	bool memory;
} layout[] = {
	{GUEST_NEXT, GUEST_NEXT_SIZE, 0x550000000000, true},
	{GUEST_LOW, GUEST_LOW_SIZE, 0x550000000000 + GUEST_NEXT_SIZE, true},
	{GUEST_TOP, GUEST_TOP_SIZE, 0x560000000000, true},
	{GUEST_HIGH, GUEST_HIGH_SIZE, 0x570000000000, true},
	{GUEST_HUGE, GUEST_HUGE_SIZE, 0x580000000000, false},
};
#define REGION_COUNT (sizeof(layout) / sizeof(layout[0]))

void guest_create(struct guest *guest)
{
	off_t offset = 0;

	guest->map.count = 0;
	guest->fd = memfd_create("guest", MFD_CLOEXEC);
	assert_true(guest->fd >= 0);
	for (unsigned i = 0; i < REGION_COUNT; i++) {
		struct memmap_region region = {
			.guest = layout[i].guest, .size = layout[i].size, .user = layout[i].user};
		struct error err;

		region.host = mmap(NULL, region.size + GUARD_SIZE, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		assert_ptr_not_equal(region.host, MAP_FAILED);
		if (layout[i].memory) {
			assert_int_equal(ftruncate(guest->fd, offset + (off_t)region.size), 0);
			assert_ptr_equal(mmap(region.host, region.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
					      guest->fd, offset),
					 region.host);
			offset += (off_t)region.size;
		}
		assert_int_equal(memmap_add(&guest->map, &region, &err), 0);
	}
}

void guest_destroy(struct guest *guest)
{
	for (uint32_t i = 0; i < guest->map.count; i++)
		munmap(guest->map.region[i].host, guest->map.region[i].size + GUARD_SIZE);
	guest->map.count = 0;
	close(guest->fd);
}

/* Not by memmap_guest(), which is under test. */
static const struct memmap_region *region_of(const struct guest *guest, uint64_t address)
{
	for (uint32_t i = 0; i < guest->map.count; i++) {
		const struct memmap_region *region = &guest->map.region[i];

		if (address >= region->guest && address - region->guest < region->size)
			return region;
	}
	fail_msg("no guest memory at 0x%llx", (unsigned long long)address);
	return NULL;
}

void *guest_at(const struct guest *guest, uint64_t address)
{
	const struct memmap_region *region = region_of(guest, address);

	return region->host + (address - region->guest);
}

uint64_t guest_user(const struct guest *guest, uint64_t address)
{
	const struct memmap_region *region = region_of(guest, address);

	return region->user + (address - region->guest);
}

void hand_ring_create(struct hand_ring *ring, struct guest *guest, uint64_t at, uint32_t size, uint16_t start)
{
	*ring = (struct hand_ring){.guest = guest, .size = size, .offered = start, .seen = start};
	/* virtio 1.2, section 2.7: what each part takes, the event fields included, and how it is aligned. */
	ring->desc_at = at;
	ring->avail_at = at + 16ull * size;
	ring->used_at = (ring->avail_at + 6 + 2ull * size + 3) & ~3ull;
	ring->desc = guest_at(guest, ring->desc_at);
	ring->avail = guest_at(guest, ring->avail_at);
	ring->used = guest_at(guest, ring->used_at);
	memset(ring->desc, 0, ring->used_at + 6 + 8ull * size - at);
	ring->avail->idx = start;
	ring->used->idx = start;
}

struct virtq_setup hand_ring_setup(const struct hand_ring *ring)
{
	return (struct virtq_setup){
		.map = &ring->guest->map,
		.size = ring->size,
		.base = ring->offered,
		.desc = guest_user(ring->guest, ring->desc_at),
		.avail = guest_user(ring->guest, ring->avail_at),
		.used = guest_user(ring->guest, ring->used_at),
		.event_idx = true,
		.indirect = true,
	};
}

struct vring_desc hand_desc(uint64_t address, uint32_t length, uint16_t flags, uint16_t next)
{
	return (struct vring_desc){.addr = address, .len = length, .flags = flags, .next = next};
}

void hand_ring_write(struct hand_ring *ring, uint32_t i, uint64_t address, uint32_t length, uint16_t flags,
		     uint16_t next)
{
	assert_true(i < ring->size);
	ring->desc[i] = hand_desc(address, length, flags, next);
}

void hand_table_write(const struct guest *guest, uint64_t table, uint32_t i, struct vring_desc desc)
{
	memcpy(guest_at(guest, table + i * sizeof(desc)), &desc, sizeof(desc));
}

void hand_ring_offer(struct hand_ring *ring, uint16_t head)
{
	__atomic_store_n(&ring->avail->ring[ring->offered & (ring->size - 1)], head, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->avail->idx, ++ring->offered, __ATOMIC_RELEASE);
}

void hand_push(struct virtq *vq, uint16_t head, uint32_t written)
{
	const struct virtq_chain chain = {.head = head};

	virtq_push(vq, &chain, written);
}

bool hand_ring_collect(struct hand_ring *ring, struct vring_used_elem *element)
{
	if (__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) == ring->seen)
		return false;
	*element = ring->used->ring[ring->seen++ & (ring->size - 1)];
	return true;
}

uint16_t *hand_ring_used_event(struct hand_ring *ring)
{
	return &ring->avail->ring[ring->size];
}

uint16_t *hand_ring_avail_event(struct hand_ring *ring)
{
	return (uint16_t *)&ring->used->ring[ring->size];
}
