/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VIRTIO_MEMMAP_H
#define STRAIT_VIRTIO_MEMMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memguard.h"

/*
 * The map from guest physical addresses to our mapping of guest memory. It is
 * changed only while no queue uses it (the control thread stops them first),
 * so that workers read it without a lock. Mapping and unmapping are the
 * caller's.
 */
#define MEMMAP_MAX_REGIONS 256

struct memmap_region {
	uint64_t guest;         /* guest physical address */
	uint64_t size;          /* bytes */
	uint64_t user;          /* the same memory in the front end's address space */
	char *host;             /* and in ours */
	struct memguard *guard; /* of the mapping in which host lies; NULL: it is our own memory */
	uint64_t offset;        /* of the first byte in the file */
	int fd;                 /* the file, for whoever maps it anew; the mapper's */
};

struct memmap {
	uint32_t count;
	struct memmap_region region[MEMMAP_MAX_REGIONS]; /* sorted by guest, disjoint */
};

/*
 * Add a region. -EINVAL where it is empty, wraps or overlaps another one,
 * -ENOSPC where there is no slot left; err says which.
 */
int memmap_add(struct memmap *map, const struct memmap_region *region, struct error *err);

/* Take out the region that is exactly this and hand it back. -ENOENT where there is none. */
int memmap_remove(struct memmap *map, uint64_t guest, uint64_t size, uint64_t user, struct memmap_region *removed);

/* The slow half of memmap_guest(). */
void *memmap_search(const struct memmap *map, uint32_t *hint, uint64_t guest, uint64_t *length);

/*
 * Translate a guest physical address. *length is what is wanted (not 0) and
 * becomes what is contiguous in our mapping. NULL where no region has the
 * address. hint is the caller's memory of the last region hit, one a thread.
 */
static inline void *memmap_guest(const struct memmap *map, uint32_t *hint, uint64_t guest, uint64_t *length)
{
	if (*hint < map->count) {
		const struct memmap_region *region = &map->region[*hint];
		uint64_t offset = guest - region->guest;

		/* offset is huge where guest lies below the region */
		if (offset < region->size && *length <= region->size - offset)
			return region->host + offset;
	}
	return memmap_search(map, hint, guest, length);
}

/* A region whose memory the front end has taken away (base/memguard.h), NULL while there is none. Any thread. */
const struct memmap_region *memmap_lost(const struct memmap *map);

/* Translate length bytes at an address of the front end's. NULL unless one region holds them all. */
void *memmap_user(const struct memmap *map, uint64_t user, uint64_t length);

/* The guest physical address of a byte that memmap_user() finds. */
uint64_t memmap_user_to_guest(const struct memmap *map, uint64_t user);

#endif
