/* SPDX-License-Identifier: Apache-2.0 */
#include "inflight_rig.h"

#include <errno.h>
#include <string.h>

/* Descriptors of each slot's chain; together they fill the ring. */
static const uint16_t lengths[RIG_SLOTS] = {1, 2, 3, 1, 1};
static const uint16_t heads[RIG_SLOTS] = {0, 1, 3, 6, 7};

enum { TICKET_BYTES = 16 };

void world_create(struct world *world, struct guest *guest, bool packed, uint16_t start)
{
	memset(world, 0, sizeof(*world));
	world->packed = packed;
	world->random = 1;
	if (packed)
		hand_packed_create(&world->ring, guest, 0, RIG_SIZE, start % RIG_SIZE, true);
	else
		hand_ring_create(&world->split, guest, 0, RIG_SIZE, start);
}

void world_copy(struct world *to, struct guest *guest, const struct world *from, const void *ring)
{
	*to = *from;
	memcpy(guest_at(guest, 0), ring, RIG_RING_BYTES);
	if (to->packed) {
		to->ring.guest = guest;
		to->ring.desc = guest_at(guest, to->ring.desc_at);
		to->ring.driver = guest_at(guest, to->ring.driver_at);
		to->ring.device = guest_at(guest, to->ring.device_at);
	} else {
		to->split.guest = guest;
		to->split.desc = guest_at(guest, to->split.desc_at);
		to->split.avail = guest_at(guest, to->split.avail_at);
		to->split.used = guest_at(guest, to->split.used_at);
	}
}

struct virtq_setup world_setup(struct world *world)
{
	struct virtq_setup setup = world->packed ? hand_packed_setup(&world->ring) : hand_ring_setup(&world->split);

	assert_true(inflight_bytes(world->packed, RIG_ENTRIES) <= sizeof(world->region));
	setup.inflight = (struct inflight_area){.at = world->region, .entries = RIG_ENTRIES};
	return setup;
}

uint32_t world_random(struct world *world, uint32_t below)
{
	world->random = world->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((world->random >> 33) % below);
}

static const struct guest *guest_of(const struct world *world)
{
	return world->packed ? world->ring.guest : world->split.guest;
}

static void offer_split(struct world *world, unsigned slot, uint64_t data)
{
	for (uint16_t i = 0; i < lengths[slot]; i++) {
		const bool last = i + 1 == lengths[slot];

		hand_ring_write(&world->split, heads[slot] + i, data, i + 1u, last ? 0 : VRING_DESC_F_NEXT,
				(uint16_t)(heads[slot] + i + 1));
	}
	hand_ring_offer(&world->split, heads[slot]);
}

static void offer_packed(struct world *world, unsigned slot, uint64_t data)
{
	struct vring_packed_desc chain[RIG_SIZE];

	for (uint16_t i = 0; i < lengths[slot]; i++)
		chain[i] = (struct vring_packed_desc){.addr = data, .len = i + 1u};
	hand_packed_offer(&world->ring, chain, lengths[slot], (uint16_t)slot);
}

/* Seen by who watches the device's stores: these are not among them. */
static void set_busy(struct world *world, bool busy)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&world->driver_busy, busy, __ATOMIC_SEQ_CST);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void world_offer(struct world *world, unsigned slot)
{
	const uint32_t ticket = ++world->tickets;

	set_busy(world, true);
	world->out[slot] = true;
	world->ticket[slot] = ticket;
	if (world->packed)
		offer_packed(world, slot, GUEST_DATA + ticket * TICKET_BYTES);
	else
		offer_split(world, slot, GUEST_DATA + ticket * TICKET_BYTES);
	set_busy(world, false);
}

/* The slot that comes back next; RIG_SLOTS: none does. */
static unsigned collect_one(struct world *world)
{
	struct vring_packed_desc packed;
	struct vring_used_elem split;
	unsigned slot = 0;

	if (world->packed)
		return hand_packed_collect(&world->ring, &packed) ? packed.id : RIG_SLOTS;
	if (!hand_ring_collect(&world->split, &split))
		return RIG_SLOTS;
	while (slot < RIG_SLOTS && heads[slot] != split.id)
		slot++;
	assert_int_not_equal(slot, RIG_SLOTS);
	return slot;
}

unsigned world_collect(struct world *world)
{
	unsigned count = 0, slot;

	set_busy(world, true);
	while ((slot = collect_one(world)) != RIG_SLOTS) {
		if (!world->out[slot])
			fail_msg("slot %u came back twice", slot);
		world->out[slot] = false;
		count++;
	}
	set_busy(world, false);
	return count;
}

int device_open(struct device *device, struct world *world, struct error *err)
{
	const struct virtq_setup setup = world_setup(world);

	device->world = world;
	device->count = 0;
	for (unsigned i = 0; i <= RIG_SLOTS; i++)
		device->taken[i].iov = device->iov[i];
	return virtq_init(&device->vq, &setup, err);
}

void device_close(struct device *device)
{
	virtq_destroy(&device->vq);
}

int device_take(struct device *device, uint32_t *ticket)
{
	struct virtq_chain *chain = &device->taken[device->count];
	const char *data = guest_at(guest_of(device->world), GUEST_DATA);
	uint16_t head;
	int ret;

	if (device->count > RIG_SLOTS)
		return -E2BIG;
	ret = virtq_next(&device->vq, &head);
	if (ret > 0 && virtq_walk(&device->vq, head, chain) < 0)
		ret = -EPROTO;
	if (ret <= 0)
		return ret;
	/* All of a chain's buffers are where its ticket says, one a byte longer than the other. */
	*ticket = (uint32_t)(((const char *)chain->iov[0].iov_base - data) / TICKET_BYTES);
	for (unsigned i = 0; i < chain->readable; i++) {
		if (chain->iov[i].iov_base != data + *ticket * TICKET_BYTES || chain->iov[i].iov_len != i + 1)
			return -EBADMSG;
	}
	device->count++;
	return 1;
}

void device_push(struct device *device, unsigned i)
{
	struct iovec *iov = device->taken[i].iov;

	virtq_push(&device->vq, &device->taken[i], 0);
	device->count--;
	device->taken[i] = device->taken[device->count];
	device->taken[device->count].iov = iov;
}
