/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"

/* The first region, as RAM below 4 GiB would, starts off 0 so that 0 is never a valid guest address. */
#define LOW_GUEST_BASE  ((uint64_t)2 << 20)
#define HIGH_GUEST_BASE ((uint64_t)4 << 30)
#define GUEST_STRIDE    ((uint64_t)1 << 40)

/* User addresses stay below 2^47, where processes live, and out of the way of any guest address. */
#define USER_BASE   ((uint64_t)0x600000000000)
#define USER_STRIDE ((uint64_t)0x40000000000)

static size_t round_up(size_t value, size_t alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

static int place_regions(struct driver_memory *memory, const size_t *sizes, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct driver_region *region = &memory->region[i];

		if (!sizes[i] || sizes[i] > GUEST_STRIDE / 2)
			return -EINVAL;
		region->size = round_up(sizes[i], DRIVER_MEMORY_ALIGNMENT);
		if (i == 0 && count > 1 && region->size > HIGH_GUEST_BASE - LOW_GUEST_BASE)
			return -EINVAL;
		region->guest = i ? HIGH_GUEST_BASE + (i - 1) * GUEST_STRIDE : LOW_GUEST_BASE;
		region->user = USER_BASE - i * USER_STRIDE;
		region->offset = memory->size;
		memory->size += region->size;
	}
	memory->region_count = count;
	return 0;
}

static int map_memory(struct driver_memory *memory, unsigned flags, struct error *err)
{
	const int huge = flags & DRIVER_MEMORY_HUGE_PAGES;
	const char *hint = huge ? " (does the host have that many huge pages reserved?)" : "";
	void *base;
	int ret;

	memory->fd = memfd_create("strait-guest", MFD_CLOEXEC | (huge ? MFD_HUGETLB : 0));
	if (memory->fd < 0)
		return error_set(err, -errno, "cannot create guest memory: memfd_create: %s", strerror(errno));
	/* Allocated here, not at first touch: too little memory is then an error instead of a SIGBUS. */
	if (ftruncate(memory->fd, (off_t)memory->size) < 0 || fallocate(memory->fd, 0, 0, (off_t)memory->size) < 0) {
		ret = error_set(err, -errno, "cannot allocate %zu MiB of guest memory: %s%s", memory->size >> 20,
				strerror(errno), hint);
		close(memory->fd);
		return ret;
	}
	base = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory->fd, 0);
	if (base == MAP_FAILED) {
		ret = error_set(err, -errno, "cannot map %zu MiB of guest memory: %s%s", memory->size >> 20,
				strerror(errno), hint);
		close(memory->fd);
		return ret;
	}
	memory->base = base;
	return 0;
}

int driver_memory_create(struct driver_memory *memory, const size_t *sizes, unsigned count, unsigned flags,
			 struct error *err)
{
	int ret;

	memset(memory, 0, sizeof(*memory));
	if (!count || count > DRIVER_MEMORY_MAX_REGIONS || place_regions(memory, sizes, count) < 0)
		return error_set(err, -EINVAL, "guest memory of these sizes cannot be laid out in %u regions", count);
	ret = map_memory(memory, flags, err);
	if (ret < 0)
		memset(memory, 0, sizeof(*memory));
	return ret;
}

void driver_memory_destroy(struct driver_memory *memory)
{
	if (!memory->base)
		return;
	munmap(memory->base, memory->size);
	close(memory->fd);
	memset(memory, 0, sizeof(*memory));
}

int driver_memory_take(struct driver_memory *memory, unsigned region, size_t length, size_t alignment,
		       struct driver_span *span)
{
	struct driver_region *from = &memory->region[region];
	const size_t start = round_up(from->used, alignment);

	if (!range_within(start, length, from->size))
		return -ENOMEM;
	from->used = start + length;
	span->at = memory->base + from->offset + start;
	span->guest = from->guest + start;
	return 0;
}

/* The region a pointer points into, NULL if none. */
static const struct driver_region *region_of(const struct driver_memory *memory, const void *at, size_t *offset)
{
	const size_t from_base = (size_t)((uintptr_t)at - (uintptr_t)memory->base);

	for (unsigned i = 0; i < memory->region_count; i++) {
		const struct driver_region *region = &memory->region[i];

		if (from_base - region->offset < region->size) {
			*offset = from_base - region->offset;
			return region;
		}
	}
	return NULL;
}

uint64_t driver_memory_guest(const struct driver_memory *memory, const void *at)
{
	size_t offset;
	const struct driver_region *region = region_of(memory, at, &offset);

	return region ? region->guest + offset : 0;
}

uint64_t driver_memory_user(const struct driver_memory *memory, const void *at)
{
	size_t offset;
	const struct driver_region *region = region_of(memory, at, &offset);

	return region ? region->user + offset : 0;
}

void *driver_memory_at(const struct driver_memory *memory, uint64_t guest, size_t length)
{
	for (unsigned i = 0; i < memory->region_count; i++) {
		const struct driver_region *region = &memory->region[i];

		if (guest >= region->guest && range_within(guest - region->guest, length, region->size))
			return memory->base + region->offset + (guest - region->guest);
	}
	return NULL;
}

void driver_memory_describe(const struct driver_memory *memory, unsigned i, struct vhost_region_msg *msg)
{
	const struct driver_region *region = &memory->region[i];

	*msg = (struct vhost_region_msg){
		.guest_address = region->guest,
		.size = region->size,
		.user_address = region->user,
		.mmap_offset = region->offset,
	};
}
