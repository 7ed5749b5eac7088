/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_VIRTIO_INFLIGHT_RIG_H
#define STRAIT_TESTS_VIRTIO_INFLIGHT_RIG_H

#include "hand_packed.h"
#include "hand_ring.h"

/*
 * A driver, a ring of either layout and an in-flight region, all in memory that
 * a forked device shares and that can be copied: what a device leaves behind
 * that is killed. Requests are slots, each with a chain of its own, and each
 * time one is offered it gets the next ticket, which its buffer's address tells.
 */
enum { RIG_SIZE = 8, RIG_SLOTS = 5, RIG_ENTRIES = 16, RIG_RING_BYTES = 1024, RIG_REGION_BYTES = 1024 };

struct world {
	bool packed;
	bool driver_busy; /* the driver, who is not killed, is in the middle of something */
	struct hand_ring split;
	struct hand_packed ring;
	bool out[RIG_SLOTS];        /* offered and not collected */
	uint32_t ticket[RIG_SLOTS]; /* given at the last offer */
	uint32_t tickets;           /* given so far */
	uint64_t random;
	char region[RIG_REGION_BYTES] __attribute__((aligned(64)));
};

/* Lay everything out, the indices beginning with start. Not in flight: nothing. */
void world_create(struct world *world, struct guest *guest, bool packed, uint16_t start);

/* Copy a world and its ring (RIG_RING_BYTES at guest address 0) to another guest. */
void world_copy(struct world *to, struct guest *guest, const struct world *from, const void *ring);

struct virtq_setup world_setup(struct world *world);

uint32_t world_random(struct world *world, uint32_t below);

/* The driver makes a slot that is not out available. */
void world_offer(struct world *world, unsigned slot);

/* The driver fetches all that has come back; how many. The test fails where something comes that is not out. */
unsigned world_collect(struct world *world);

/* The device's side. */
struct device {
	struct world *world;
	struct virtq vq;
	struct virtq_chain taken[RIG_SLOTS + 1]; /* one too many would be seen */
	struct iovec iov[RIG_SLOTS + 1][VIRTQ_MAX_IOV];
	unsigned count; /* taken and not pushed */
};

/* 0, or what virtq_init() says. */
int device_open(struct device *device, struct world *world, struct error *err);
void device_close(struct device *device);

/* Take a chain: 1 and its ticket, 0, or a negative errno. */
int device_take(struct device *device, uint32_t *ticket);

/* Push one that was taken, which is forgotten. */
void device_push(struct device *device, unsigned i);

#endif
