/* SPDX-License-Identifier: Apache-2.0 */
/* The in-flight region of packed rings. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/inflight_region.h"

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

/* vhost-user.rst: DescStatePacked and QueueRegionPacked. */
struct packed_entry {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

union packed_progress {
	struct {
		uint16_t used_idx, old_used_idx;
		uint8_t used_wrap_counter, old_used_wrap_counter;
		uint8_t padding[2];
	};
	uint64_t word;
};

struct packed_region {
	struct region_header header;
	union packed_progress progress;
	uint8_t padding[5];
	struct packed_entry desc[] __attribute__((aligned(8)));
};

_Static_assert(sizeof(struct packed_entry) == 32, "as vhost-user.rst has it");
_Static_assert(offsetof(struct packed_region, progress) == 16, "as vhost-user.rst has it");
_Static_assert(offsetof(struct packed_region, desc) == 32, "as vhost-user.rst has it");

uint64_t inflight_packed_bytes(uint32_t entries)
{
	return sizeof(struct packed_region) + entries * sizeof(struct packed_entry);
}

static void store_heads(struct packed_region *region, uint16_t free_head, uint16_t old_free_head)
{
	const union region_heads heads = {{.free_head = free_head, .old_free_head = old_free_head}};

	STORE_NEXT(region->header.packed.word, heads.word);
}

static void store_progress(struct packed_region *region, struct inflight_place used, struct inflight_place old)
{
	const union packed_progress progress = {{.used_idx = used.at,
						 .old_used_idx = old.at,
						 .used_wrap_counter = used.wrap,
						 .old_used_wrap_counter = old.wrap}};

	STORE_NEXT(region->progress.word, progress.word);
}

static bool same_place(struct inflight_place a, struct inflight_place b)
{
	return a.at == b.at && a.wrap == b.wrap;
}

static uint16_t available_flags(bool wrap)
{
	return wrap ? AVAIL : USED;
}

static void format(struct inflight *inflight, struct inflight_place used)
{
	struct packed_region *region = inflight->region;

	for (uint32_t i = 0; i < inflight->entries; i++) {
		STORE(region->desc[i].inflight, 0);
		STORE(region->desc[i].next, (uint16_t)(i + 1));
		inflight->next[i] = (uint16_t)(i + 1);
	}
	store_heads(region, 0, 0);
	store_progress(region, used, used);
	region_header_write(&region->header, inflight->entries);
}

/*
 * The driver has not seen this batch, since its first element is not there;
 * those behind may be. Their places are made available again: the driver would
 * otherwise take them for used as soon as it comes by.
 */
static void take_back(struct vring_packed_desc *ring, uint16_t size, struct inflight_place from,
		      struct inflight_place until)
{
	while (!same_place(from, until)) {
		const uint16_t flags = LOAD(ring[from.at].flags);

		STORE(ring[from.at].flags, (uint16_t)((flags & ~(AVAIL | USED)) | available_flags(from.wrap)));
		if (++from.at == size) {
			from.at = 0;
			from.wrap = !from.wrap;
		}
	}
}

/* Commit or roll back the batch that was being published. *used, *free_head: where things stand then. */
static int settle(struct packed_region *region, struct vring_packed_desc *ring, uint16_t size,
		  struct inflight_place *used, uint16_t *free_head, struct error *err)
{
	const union region_heads heads = {.word = LOAD(region->header.packed.word)};
	const union packed_progress progress = {.word = LOAD(region->progress.word)};
	struct inflight_place old = {progress.old_used_idx, progress.old_used_wrap_counter};

	*used = (struct inflight_place){progress.used_idx, progress.used_wrap_counter};
	if (used->at >= size || old.at >= size || progress.used_wrap_counter > 1 || progress.old_used_wrap_counter > 1)
		return error_set(err, -EINVAL,
				 "its in-flight region has the used positions %u (wrap %u) and %u (wrap %u), expected "
				 "them below %u and wraps of 0 or 1; reset the device",
				 used->at, progress.used_wrap_counter, old.at, progress.old_used_wrap_counter, size);
	*free_head = heads.old_free_head;
	if (!same_place(*used, old)) {
		const uint16_t flags = LOAD_ACQUIRE(ring[old.at].flags) & (AVAIL | USED);

		if (flags == available_flags(old.wrap)) {
			take_back(ring, size, old, *used);
			*used = old;
		} else {
			*free_head = heads.free_head;
		}
	}
	store_heads(region, *free_head, *free_head);
	store_progress(region, *used, *used);
	return 0;
}

/* Our own account of which entries are on the free list or in a chain. */
enum { UNKNOWN, KNOWN };

static int broken_list(struct error *err, const char *list, uint32_t entry, uint32_t entries)
{
	return error_set(err, -EINVAL,
			 "its in-flight region has entry %" PRIu32 " %s, expected each of 0 to %" PRIu32
			 " at most once; reset the device",
			 entry, list, entries - 1);
}

/* What lies on the free list is not in flight, whatever a half-done step has left there. */
static int copy_free_list(struct inflight *inflight, uint16_t free_head, uint8_t *known, struct error *err)
{
	struct packed_region *region = inflight->region;
	const uint32_t entries = inflight->entries;
	uint16_t at = free_head;

	inflight->free_head = free_head;
	while (at != entries) {
		if (at > entries || known[at] != UNKNOWN)
			return broken_list(err, "on its free list", at, entries);
		known[at] = KNOWN;
		STORE(region->desc[at].inflight, 0);
		inflight->next[at] = LOAD(region->desc[at].next);
		at = inflight->next[at];
	}
	return 0;
}

/* Copy the links of the chain that begins at entry. */
static int copy_chain(struct inflight *inflight, uint16_t entry, uint16_t size, uint8_t *known, struct error *err)
{
	struct packed_region *region = inflight->region;
	const uint32_t entries = inflight->entries;
	const uint16_t num = LOAD(region->desc[entry].num);
	uint16_t at = entry;

	if (num == 0 || num > size)
		return error_set(err, -EINVAL,
				 "its in-flight region has a chain of %u descriptors, expected 1 to %u; reset the "
				 "device",
				 num, size);
	for (uint16_t i = 0; i < num; i++) {
		if (i > 0) {
			inflight->next[at] = LOAD(region->desc[at].next);
			at = inflight->next[at];
		}
		if (at >= entries || known[at] != UNKNOWN)
			return broken_list(err, "in a chain in flight", at, entries);
		known[at] = KNOWN;
	}
	if (LOAD(region->desc[entry].last) != at)
		return broken_list(err, "in a chain that does not end where it says", entry, entries);
	inflight->last[entry] = at;
	inflight->slots[entry] = num;
	return 0;
}

static int copy_lists(struct inflight *inflight, uint16_t free_head, uint16_t size, uint16_t *slots, uint8_t *known,
		      struct region_taken *taken, struct error *err)
{
	const struct packed_region *region = inflight->region;
	uint32_t sum = 0;
	int ret = copy_free_list(inflight, free_head, known, err);

	for (uint16_t i = 0; i < inflight->entries && ret == 0; i++) {
		const uint8_t state = LOAD(region->desc[i].inflight);

		if (state > 1)
			return error_set(
				err, -EINVAL,
				"its in-flight region says %u about entry %u, expected 0 or 1; reset the device", state,
				i);
		if (state == 0)
			continue;
		ret = copy_chain(inflight, i, size, known, err);
		sum += inflight->slots[i];
		taken[inflight->again_count++] =
			(struct region_taken){.counter = LOAD(region->desc[i].counter), .entry = i};
	}
	if (ret == 0 && sum > size)
		return error_set(err, -EINVAL,
				 "its in-flight region has %" PRIu32 " descriptors in flight, expected at most %u; "
				 "reset the device",
				 sum, size);
	*slots = (uint16_t)sum;
	if (ret == 0)
		region_sort(inflight, taken);
	return ret;
}

static int read_region(struct inflight *inflight, struct vring_packed_desc *ring, uint16_t size,
		       struct inflight_place *used, uint16_t *slots, struct error *err)
{
	struct region_taken *taken = calloc(inflight->entries, sizeof(*taken));
	uint8_t *known = calloc(inflight->entries, sizeof(*known));
	uint16_t free_head = 0;
	int ret;

	if (taken && known)
		ret = settle(inflight->region, ring, size, used, &free_head, err);
	else
		ret = error_set(err, -ENOMEM, "no memory to sort what is in flight");
	if (ret == 0)
		ret = copy_lists(inflight, free_head, size, slots, known, taken, err);
	free(taken);
	free(known);
	return ret;
}

int inflight_packed_open(struct inflight **opened, const struct inflight_area *area, struct vring_packed_desc *ring,
			 uint16_t size, struct inflight_place *used, uint16_t *slots, struct error *err)
{
	struct packed_region *region = area->at;
	int ret = region_open(opened, area, size, true, err);

	if (ret < 0)
		return ret;
	ret = region_header_check(&region->header, area->entries, err);
	if (ret == 0)
		format(*opened, *used);
	else if (ret > 0)
		ret = read_region(*opened, ring, size, used, slots, err);
	if (ret < 0) {
		inflight_close(*opened);
		*opened = NULL;
		return ret;
	}
	(*opened)->used = (*opened)->published = *used;
	return 0;
}

uint16_t inflight_packed_again(struct inflight *inflight, struct vring_packed_desc *descs, uint16_t max)
{
	const struct packed_region *region = inflight->region;
	const uint16_t entry = inflight->again[inflight->again_next++], count = inflight->slots[entry];
	uint16_t at = entry;

	if (count > max)
		return 0;
	for (uint16_t i = 0; i < count; i++) {
		const struct packed_entry *from = &region->desc[at];

		descs[i] = (struct vring_packed_desc){.addr = LOAD(from->addr),
						      .len = LOAD(from->len),
						      .id = LOAD(from->id),
						      .flags = LOAD(from->flags)};
		at = inflight->next[at];
	}
	if (descs[count - 1].id < inflight->entries)
		inflight->entry_of[descs[count - 1].id] = entry;
	return count;
}

bool inflight_packed_take(struct inflight *inflight, const struct vring_packed_desc *descs, uint16_t count)
{
	struct packed_region *region = inflight->region;
	const uint16_t head = inflight->free_head;
	uint16_t at = head, last = head;

	for (uint16_t i = 0; i < count; i++) {
		struct packed_entry *entry = &region->desc[at];

		if (at == inflight->entries)
			return false;
		STORE(entry->addr, descs[i].addr);
		STORE(entry->len, descs[i].len);
		STORE(entry->flags, descs[i].flags);
		STORE(entry->id, descs[i].id);
		last = at;
		at = inflight->next[at];
	}
	STORE(region->desc[head].num, count);
	STORE(region->desc[head].last, last);
	STORE(region->desc[head].counter, inflight->counter++);
	STORE_NEXT(region->desc[head].inflight, 1);
	/* Up to here all of it lies on the free list and so is not in flight. */
	store_heads(region, at, at);
	region_step();
	inflight->free_head = at;
	inflight->last[head] = last;
	inflight->slots[head] = count;
	inflight->entry_of[descs[count - 1].id] = head;
	return true;
}

bool inflight_packed_push(struct inflight *inflight, uint16_t id, struct inflight_place used)
{
	if (inflight->batch_count == inflight->entries)
		return false;
	inflight->batch[inflight->batch_count++] = inflight->entry_of[id];
	inflight->used = used;
	store_progress(inflight->region, used, inflight->published);
	region_step();
	return true;
}

void inflight_packed_publish(struct inflight *inflight)
{
	struct packed_region *region = inflight->region;
	const uint16_t old_free_head = inflight->free_head;

	for (uint32_t i = 0; i < inflight->batch_count; i++) {
		const uint16_t entry = inflight->batch[i], last = inflight->last[entry];

		STORE(region->desc[last].next, inflight->free_head);
		inflight->next[last] = inflight->free_head;
		inflight->free_head = entry;
	}
	store_heads(region, inflight->free_head, old_free_head);
	region_step();
}

void inflight_packed_published(struct inflight *inflight)
{
	struct packed_region *region = inflight->region;

	region_step();
	for (uint32_t i = 0; i < inflight->batch_count; i++)
		STORE(region->desc[inflight->batch[i]].inflight, 0);
	inflight->batch_count = 0;
	inflight->published = inflight->used;
	store_heads(region, inflight->free_head, inflight->free_head);
	store_progress(region, inflight->used, inflight->used);
	region_step();
}
