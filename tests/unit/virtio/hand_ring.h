/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_VIRTIO_HAND_RING_H
#define STRAIT_TESTS_VIRTIO_HAND_RING_H

/* What cmocka.h wants before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio/virtq.h"

/*
 * Guest memory and a split ring in it, written by hand: as a driver does it,
 * and as none should. The guest's addresses, the front end's and ours all
 * differ, so that taking one for another is seen; behind each region lies a
 * page that nobody may touch.
 *
 *   LOW    from address 0, where rings, tables and most data are
 *   NEXT   follows LOW in the guest, but not in our memory
 *   hole   in which there is nothing
 *   HIGH   alone
 *   HUGE   address space without memory: to be translated, never touched
 *   TOP    the last bytes of the address space
 */
#define MIB             (1ull << 20)
#define GUEST_LOW       (0 * MIB)
#define GUEST_LOW_SIZE  (8 * MIB)
#define GUEST_NEXT      (8 * MIB)
#define GUEST_NEXT_SIZE (1 * MIB)
#define GUEST_HOLE      (9 * MIB)
#define GUEST_HIGH      (10 * MIB)
#define GUEST_HIGH_SIZE (1 * MIB)
#define GUEST_HUGE      (1ull << 40)
#define GUEST_HUGE_SIZE (1ull << 34)
#define GUEST_TOP_SIZE  (1 * MIB)
#define GUEST_TOP       (0 - GUEST_TOP_SIZE)

/* Where tests put things in LOW; rings lie below. */
#define GUEST_TABLES (2 * MIB)
#define GUEST_DATA   (4 * MIB)

struct guest {
	int fd; /* memfd behind all regions but HUGE */
	struct memmap map;
};

void guest_create(struct guest *guest);
void guest_destroy(struct guest *guest);

/* Our address of a guest's, and the front end's. The test fails where there is no such memory. */
void *guest_at(const struct guest *guest, uint64_t address);
uint64_t guest_user(const struct guest *guest, uint64_t address);

/* The driver's side. The fields are there to be abused. */
struct hand_ring {
	struct guest *guest;
	uint32_t size;
	uint64_t desc_at, avail_at, used_at; /* guest addresses */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t offered; /* avail->idx as last written */
	uint16_t seen;    /* used->idx up to which hand_ring_collect() has come */
};

/* Lay a ring of zeroes out from guest address at; both its indices begin with start. */
void hand_ring_create(struct hand_ring *ring, struct guest *guest, uint64_t at, uint32_t size, uint16_t start);

/* How the device finds it, with EVENT_IDX and INDIRECT_DESC negotiated. */
struct virtq_setup hand_ring_setup(const struct hand_ring *ring);

struct vring_desc hand_desc(uint64_t address, uint32_t length, uint16_t flags, uint16_t next);

/* Write descriptor i; write entry i of an indirect table at a guest address that need not be aligned. */
void hand_ring_write(struct hand_ring *ring, uint32_t i, uint64_t address, uint32_t length, uint16_t flags,
		     uint16_t next);
void hand_table_write(const struct guest *guest, uint64_t table, uint32_t i, struct vring_desc desc);

/* Put a head into the available ring and show it. */
void hand_ring_offer(struct hand_ring *ring, uint16_t head);

/* Give a chain back for the device that was taken, but not followed. */
void hand_push(struct virtq *vq, uint16_t head, uint32_t written);

/* Fetch the next used element. False: none has come. */
bool hand_ring_collect(struct hand_ring *ring, struct vring_used_elem *element);

/* The event fields (virtio 1.2, 2.7.7 and 2.7.10): the driver's wish, and the device's. */
uint16_t *hand_ring_used_event(struct hand_ring *ring);
uint16_t *hand_ring_avail_event(struct hand_ring *ring);

#define assert_contains(text, part)                                                                                    \
	do {                                                                                                           \
		assert_non_null(text);                                                                                 \
		if (!strstr((text), (part)))                                                                           \
			fail_msg("expected \"%s\" in \"%s\"", (part), (text));                                         \
	} while (0)

#endif
