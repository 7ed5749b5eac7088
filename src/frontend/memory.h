/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_MEMORY_H
#define STRAIT_FRONTEND_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "vhost/codec.h"

/*
 * The guest's memory as the driver side has it: one memfd, cut into regions
 * that lie at guest addresses with a hole between them, as RAM below and above
 * 4 GiB does.
 *
 * A byte has three addresses, and a back end that takes one for another must
 * not get away with it, so no two of them are ever equal:
 *   - our pointer to it;
 *   - its guest physical address, which descriptors carry;
 *   - its "user address", which SET_VRING_ADDR carries (vhost-user, "Front-end
 *     and back-end": virtual addresses of the front end's process). It is made
 *     up: only the memory table gives it a meaning. Regions that ascend in
 *     guest addresses descend in user addresses.
 */
#define DRIVER_MEMORY_MAX_REGIONS VHOST_MSG_MAX_REGIONS

/* Sizes and file offsets of regions are multiples of this, so that huge pages can back them. */
#define DRIVER_MEMORY_ALIGNMENT ((size_t)2 << 20)

struct driver_region {
	uint64_t guest; /* first guest physical address */
	uint64_t user;  /* first user address */
	size_t size;
	size_t offset; /* in the memfd, and from driver_memory.base */
	size_t used;   /* bytes handed out */
};

struct driver_memory {
	int fd;
	char *base;
	size_t size;
	unsigned region_count;
	struct driver_region region[DRIVER_MEMORY_MAX_REGIONS];
};

/* A piece of guest memory by both addresses its user needs. */
struct driver_span {
	void *at;
	uint64_t guest;
};

enum driver_memory_flags {
	DRIVER_MEMORY_HUGE_PAGES = 1 << 0, /* 2 MiB pages, which the host must have reserved */
};

/*
 * Create the memfd, map it and place count regions (1 to
 * DRIVER_MEMORY_MAX_REGIONS) of at least sizes[i] bytes each; the memory is
 * zero and already touched, so that no page fault falls into a measurement.
 * 0 or a negative errno with err set and nothing left behind.
 */
int driver_memory_create(struct driver_memory *memory, const size_t *sizes, unsigned count, unsigned flags,
			 struct error *err);

/* Unmap and close. A memory that was never created (all zero) is left alone. */
void driver_memory_destroy(struct driver_memory *memory);

/*
 * Hand out length bytes of a region, aligned to a power of two up to
 * DRIVER_MEMORY_ALIGNMENT; there is no way to give them back. 0, or -ENOMEM
 * when the region is full.
 */
int driver_memory_take(struct driver_memory *memory, unsigned region, size_t length, size_t alignment,
		       struct driver_span *span);

/* The other addresses of a byte that at points to; 0 where it is not guest memory. */
uint64_t driver_memory_guest(const struct driver_memory *memory, const void *at);
uint64_t driver_memory_user(const struct driver_memory *memory, const void *at);

/* Our pointer to guest address guest, if length bytes from there lie in one region; otherwise NULL. */
void *driver_memory_at(const struct driver_memory *memory, uint64_t guest, size_t length);

/* Region i as SET_MEM_TABLE and ADD_MEM_REG describe it. */
void driver_memory_describe(const struct driver_memory *memory, unsigned i, struct vhost_region_msg *msg);

#endif
