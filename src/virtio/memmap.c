/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/memmap.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Index of the first region that starts above guest. */
static uint32_t upper_bound(const struct memmap *map, uint64_t guest)
{
	uint32_t low = 0, high = map->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (map->region[middle].guest <= guest)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int memmap_add(struct memmap *map, const struct memmap_region *region, struct error *err)
{
	uint64_t last = region->guest + (region->size - 1);
	uint32_t at = upper_bound(map, region->guest);
	const struct memmap_region *below = at > 0 ? &map->region[at - 1] : NULL;
	const struct memmap_region *above = at < map->count ? &map->region[at] : NULL;

	if (!region->size || last < region->guest || region->user + (region->size - 1) < region->user)
		return error_set(err, -EINVAL,
				 "memory region at 0x%" PRIx64 " of 0x%" PRIx64
				 " bytes is empty or wraps around the address space",
				 region->guest, region->size);
	if (map->count == MEMMAP_MAX_REGIONS)
		return error_set(err, -ENOSPC, "more than %d memory regions", MEMMAP_MAX_REGIONS);
	if ((below && region->guest - below->guest < below->size) || (above && above->guest <= last))
		return error_set(err, -EINVAL,
				 "memory region at 0x%" PRIx64 " of 0x%" PRIx64 " bytes overlaps another one",
				 region->guest, region->size);
	memmove(&map->region[at + 1], &map->region[at], (map->count - at) * sizeof(map->region[0]));
	map->region[at] = *region;
	map->count++;
	return 0;
}

int memmap_remove(struct memmap *map, uint64_t guest, uint64_t size, uint64_t user, struct memmap_region *removed)
{
	for (uint32_t i = 0; i < map->count; i++) {
		struct memmap_region *region = &map->region[i];

		if (region->guest != guest || region->size != size || region->user != user)
			continue;
		*removed = *region;
		map->count--;
		memmove(region, region + 1, (map->count - i) * sizeof(*region));
		return 0;
	}
	return -ENOENT;
}

/* Up to so many regions are looked at one after the other: a guest usually has two or three that matter. */
#define FEW_REGIONS 8

void *memmap_search(const struct memmap *map, uint32_t *hint, uint64_t guest, uint64_t *length)
{
	uint32_t end = map->count, at = 0;

	if (end > FEW_REGIONS) {
		end = upper_bound(map, guest);
		at = end ? end - 1 : 0;
	}
	for (; at < end; at++) {
		const struct memmap_region *region = &map->region[at];
		uint64_t offset = guest - region->guest;

		if (offset >= region->size)
			continue;
		*hint = at;
		if (*length > region->size - offset)
			*length = region->size - offset;
		return region->host + offset;
	}
	return NULL;
}

void *memmap_user(const struct memmap *map, uint64_t user, uint64_t length)
{
	for (uint32_t i = 0; i < map->count; i++) {
		const struct memmap_region *region = &map->region[i];
		uint64_t offset = user - region->user;

		if (offset < region->size && length <= region->size - offset)
			return region->host + offset;
	}
	return NULL;
}

uint64_t memmap_user_to_guest(const struct memmap *map, uint64_t user)
{
	uint32_t i = 0;

	while (user - map->region[i].user >= map->region[i].size)
		i++;
	return map->region[i].guest + (user - map->region[i].user);
}

const struct memmap_region *memmap_lost(const struct memmap *map)
{
	for (uint32_t i = 0; i < map->count; i++) {
		if (memguard_lost(map->region[i].guard))
			return &map->region[i];
	}
	return NULL;
}
