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

void *memmap_search(const struct memmap *map, uint32_t *hint, uint64_t guest, uint64_t *length)
{
	uint32_t at = upper_bound(map, guest);
	const struct memmap_region *region;
	uint64_t offset;

	if (at == 0)
		return NULL;
	region = &map->region[at - 1];
	offset = guest - region->guest;
	if (offset >= region->size)
		return NULL;
	*hint = at - 1;
	if (*length > region->size - offset)
		*length = region->size - offset;
	return region->host + offset;
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
