/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/inflight.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "virtio/inflight_region.h"

#define VERSION 1

/* So that no two queues share a cache line. */
#define ALIGNMENT 64

uint64_t inflight_bytes(bool packed, uint32_t entries)
{
	const uint64_t bytes = packed ? inflight_packed_bytes(entries) : inflight_split_bytes(entries);

	return (bytes + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

int region_open(struct inflight **opened, const struct inflight_area *area, uint32_t size, bool packed,
		struct error *err)
{
	const uint32_t entries = area->entries;
	struct inflight *inflight;
	uint16_t *arrays;

	*opened = NULL;
	if (entries < size || entries > VIRTQ_MAX_SIZE)
		return error_set(err, -EINVAL,
				 "its in-flight region is for queues of %" PRIu32 " entries, expected %" PRIu32
				 " to %d",
				 entries, size, VIRTQ_MAX_SIZE);
	inflight = calloc(1, sizeof(*inflight) + (size_t)(packed ? 6 : 2) * entries * sizeof(uint16_t));
	if (!inflight)
		return error_set(err, -ENOMEM, "no memory to note %" PRIu32 " requests in flight", entries);
	arrays = (uint16_t *)(inflight + 1);
	inflight->region = area->at;
	inflight->entries = (uint16_t)entries;
	inflight->again = arrays;
	inflight->batch = arrays + entries;
	if (packed) {
		inflight->next = arrays + 2 * (size_t)entries;
		inflight->last = arrays + 3 * (size_t)entries;
		inflight->slots = arrays + 4 * (size_t)entries;
		inflight->entry_of = arrays + 5 * (size_t)entries;
	}
	*opened = inflight;
	return 0;
}

void inflight_close(struct inflight *inflight)
{
	free(inflight);
}

int region_header_check(const struct region_header *header, uint32_t entries, struct error *err)
{
	const uint16_t version = LOAD(header->version), desc_num = LOAD(header->desc_num);
	const uint64_t features = LOAD(header->features);

	if (version == 0)
		return 0;
	if (version != VERSION || features)
		return error_set(err, -EINVAL,
				 "its in-flight region has version %u and features 0x%" PRIx64
				 ", expected version %d without any; reset the device",
				 version, features, VERSION);
	if (desc_num != entries)
		return error_set(err, -EINVAL,
				 "its in-flight region has %u entries, expected %" PRIu32 "; reset the device",
				 desc_num, entries);
	return 1;
}

void region_header_write(struct region_header *header, uint32_t entries)
{
	STORE(header->features, 0);
	STORE(header->desc_num, (uint16_t)entries);
	STORE_NEXT(header->version, VERSION);
}

static int by_counter(const void *a, const void *b)
{
	const struct region_taken *one = a, *other = b;

	if (one->counter != other->counter)
		return one->counter < other->counter ? -1 : 1;
	return one->entry < other->entry ? -1 : one->entry > other->entry;
}

void region_sort(struct inflight *inflight, struct region_taken *taken)
{
	const uint32_t count = inflight->again_count;

	qsort(taken, count, sizeof(*taken), by_counter);
	for (uint32_t i = 0; i < count; i++)
		inflight->again[i] = taken[i].entry;
	if (count)
		inflight->counter = taken[count - 1].counter + 1;
}
