/* SPDX-License-Identifier: Apache-2.0 */
/* The in-flight region of split rings. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "virtio/inflight_region.h"

/* vhost-user.rst: DescStateSplit and QueueRegionSplit. */
struct split_entry {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct split_region {
	struct region_header header;
	struct split_entry desc[];
};

_Static_assert(sizeof(struct split_entry) == 16, "as vhost-user.rst has it");
_Static_assert(sizeof(struct split_region) == 16, "as vhost-user.rst has it");

uint64_t inflight_split_bytes(uint32_t entries)
{
	return sizeof(struct split_region) + entries * sizeof(struct split_entry);
}

static void format(struct split_region *region, uint32_t entries, uint16_t used)
{
	for (uint32_t i = 0; i < entries; i++)
		STORE(region->desc[i].inflight, 0);
	STORE(region->header.split.last_batch_head, 0);
	STORE(region->header.split.used_idx, used);
	region_header_write(&region->header, entries);
}

/* The driver has been told of more than the region knows: strike that out. */
static int finish_batch(struct split_region *region, uint32_t entries, uint16_t used, struct error *err)
{
	uint16_t count = (uint16_t)(used - LOAD(region->header.split.used_idx)),
		 head = LOAD(region->header.split.last_batch_head);

	if (count > entries)
		return error_set(err, -EINVAL,
				 "its in-flight region does not belong to this ring: it is %u completions behind the "
				 "used ring, expected at most %" PRIu32 "; reset the device",
				 count, entries);
	for (; count; count--) {
		if (head >= entries)
			return error_set(err, -EINVAL,
					 "its in-flight region names entry %u in the last batch, expected 0 to %" PRIu32
					 "; reset the device",
					 head, entries - 1);
		STORE(region->desc[head].inflight, 0);
		head = LOAD(region->desc[head].next);
	}
	STORE_NEXT(region->header.split.used_idx, used);
	return 0;
}

static int find_in_flight(struct inflight *inflight, uint16_t size, struct error *err)
{
	const struct split_region *region = inflight->region;
	struct region_taken *taken = calloc(inflight->entries, sizeof(*taken));
	int ret = 0;

	if (!taken)
		return error_set(err, -ENOMEM, "no memory to sort what is in flight");
	for (uint16_t i = 0; i < inflight->entries && ret == 0; i++) {
		const uint8_t state = LOAD(region->desc[i].inflight);

		if (state > 1 || (state == 1 && i >= size))
			ret = error_set(err, -EINVAL,
					"its in-flight region says %u about entry %u of %u, expected %s; reset the "
					"device",
					state, i, size, state > 1 ? "0 or 1" : "0 beyond the end");
		else if (state == 1)
			taken[inflight->again_count++] =
				(struct region_taken){.counter = LOAD(region->desc[i].counter), .entry = i};
	}
	if (ret == 0)
		region_sort(inflight, taken);
	free(taken);
	return ret;
}

static int read_region(struct inflight *inflight, uint16_t size, uint16_t used, uint16_t *base, struct error *err)
{
	int ret = finish_batch(inflight->region, inflight->entries, used, err);

	if (ret == 0)
		ret = find_in_flight(inflight, size, err);
	*base = (uint16_t)(used + inflight->again_count);
	return ret;
}

int inflight_split_open(struct inflight **opened, const struct inflight_area *area, uint16_t size, uint16_t used,
			uint16_t *base, struct error *err)
{
	struct split_region *region = area->at;
	int ret = region_open(opened, area, size, false, err);

	if (ret < 0)
		return ret;
	ret = region_header_check(&region->header, area->entries, err);
	if (ret == 0)
		format(region, area->entries, used);
	else if (ret > 0)
		ret = read_region(*opened, size, used, base, err);
	if (ret < 0) {
		inflight_close(*opened);
		*opened = NULL;
	}
	return ret;
}

uint16_t inflight_split_again(struct inflight *inflight)
{
	return inflight->again[inflight->again_next++];
}

void inflight_split_take(struct inflight *inflight, uint16_t head)
{
	struct split_region *region = inflight->region;

	STORE(region->desc[head].counter, inflight->counter++);
	STORE_NEXT(region->desc[head].inflight, 1);
	region_step();
}

bool inflight_split_push(struct inflight *inflight, uint16_t head)
{
	struct split_region *region = inflight->region;

	if (inflight->batch_count == inflight->entries)
		return false;
	/* The list is for who comes after us; what it says now we know from the last push. */
	STORE(region->desc[head].next, inflight->last_head);
	STORE_NEXT(region->header.split.last_batch_head, head);
	inflight->last_head = head;
	inflight->batch[inflight->batch_count++] = head;
	region_step();
	return true;
}

void inflight_split_published(struct inflight *inflight, uint16_t used)
{
	struct split_region *region = inflight->region;

	region_step();
	for (uint32_t i = 0; i < inflight->batch_count; i++)
		STORE(region->desc[inflight->batch[i]].inflight, 0);
	inflight->batch_count = 0;
	STORE_NEXT(region->header.split.used_idx, used);
}
