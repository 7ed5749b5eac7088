/* SPDX-License-Identifier: Apache-2.0 */
#include "ram.h"

#include <sys/mman.h>

#define GUARD 0x1000ull

static const struct {
	uint64_t guest, size, user;
} regions[] = {
	{RAM_LOW, RAM_LOW_SIZE, RAM_USER},
	{RAM_NEXT, RAM_NEXT_SIZE, RAM_USER + 0x100000},
	{RAM_HIGH, RAM_HIGH_SIZE, RAM_USER + 0x200000},
	{RAM_TOP, RAM_TOP_SIZE, RAM_USER + 0x300000},
};

void ram_create(struct ram *ram)
{
	*ram = (struct ram){.map.count = 0};
	for (unsigned i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
		struct memmap_region region = {
			.guest = regions[i].guest, .size = regions[i].size, .user = regions[i].user};
		struct error err;
		char *at = mmap(NULL, region.size + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		MUST(at != MAP_FAILED && mprotect(at + GUARD, region.size, PROT_READ | PROT_WRITE) == 0);
		region.host = at + GUARD;
		MUST(memmap_add(&ram->map, &region, &err) == 0);
	}
}

void ram_clear(struct ram *ram)
{
	for (uint32_t i = 0; i < ram->map.count; i++)
		memset(ram->map.region[i].host, 0, ram->map.region[i].size);
}

/* The worker may be reading there: a race by intent, as between a guest and its device. */
__attribute__((no_sanitize("thread"))) void ram_write(struct ram *ram, uint64_t guest, const void *bytes, size_t length)
{
	for (uint32_t i = 0; i < ram->map.count; i++) {
		const struct memmap_region *region = &ram->map.region[i];
		uint64_t offset = guest - region->guest;

		for (size_t k = 0; offset < region->size && k < length && k < region->size - offset; k++)
			((volatile char *)region->host)[offset + k] = ((const char *)bytes)[k];
	}
}

void ram_check(const struct ram *ram, const void *at, size_t length)
{
	for (uint32_t i = 0; i < ram->map.count; i++) {
		const struct memmap_region *region = &ram->map.region[i];
		size_t offset = (size_t)((uintptr_t)at - (uintptr_t)region->host);

		if (offset < region->size && length <= region->size - offset)
			return;
	}
	fprintf(stderr, "%zu bytes at %p are not guest memory\n", length, at);
	abort();
}

uint64_t ram_any_address(struct input *input)
{
	const uint8_t where = input_u8(input);
	const uint16_t offset = input_u16(input);

	switch (where % 8) {
	case 0:
		return RAM_NEXT - 64 + offset % 128;
	case 1:
		return RAM_HIGH + RAM_HIGH_SIZE - 64 + offset % 128;
	case 2:
		return RAM_TOP + offset % RAM_TOP_SIZE;
	case 3:
		return (uint64_t)offset << (where / 8 * 2);
	default:
		return RAM_LOW + offset;
	}
}
