/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VIRTIO_INFLIGHT_REGION_H
#define STRAIT_VIRTIO_INFLIGHT_REGION_H

#include "virtio/inflight.h"
#include "virtio/virtq_chain.h"

/* Inside virtio/ only: what the in-flight regions of both layouts share. */

/*
 * Fields that have to change together are written by one store, so that there
 * is no moment at which one of them is new and another old.
 */
union region_heads {
	struct {
		uint16_t free_head, old_free_head;
	};
	uint32_t word;
};

/* What each queue's part begins with (vhost-user.rst, "Inflight I/O tracking"). */
struct region_header {
	uint64_t features; /* none are defined */
	uint16_t version;  /* 0: never used */
	uint16_t desc_num; /* entries */
	union {
		struct {
			uint16_t last_batch_head, used_idx;
		} split;
		union region_heads packed;
	};
};

/* What the compiler may not move stores across; the CPU cannot be killed between two. */
static inline void region_step(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* A store that a killed process has made only if it has made all before it. */
#define STORE_NEXT(field, value)                                                                                       \
	do {                                                                                                           \
		region_step();                                                                                         \
		STORE(field, value);                                                                                   \
	} while (0)

uint64_t inflight_split_bytes(uint32_t entries);
uint64_t inflight_packed_bytes(uint32_t entries);

/* Memory for a queue of size entries. 0, or a negative errno with err set and *opened NULL. */
int region_open(struct inflight **opened, const struct inflight_area *area, uint32_t size, bool packed,
		struct error *err);

/* 1: the region is in use; 0: it never was; -EINVAL with err set: it is none of ours. */
int region_header_check(const struct region_header *header, uint32_t entries, struct error *err);

/* Declare a region that has been made ready to be in use. */
void region_header_write(struct region_header *header, uint32_t entries);

/* Bring again_count chains into the order in which they were taken. */
struct region_taken {
	uint64_t counter;
	uint16_t entry;
};
void region_sort(struct inflight *inflight, struct region_taken *taken);

#endif
