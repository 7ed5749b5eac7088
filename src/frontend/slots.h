/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_SLOTS_H
#define STRAIT_FRONTEND_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "frontend/ring.h"

/*
 * Which chain holds which descriptors of a ring, kept where the device cannot
 * change it. A chain is named by the first of its slots: that is what comes
 * back with its completion, in either layout.
 */
struct driver_slots {
	uint16_t *next;              /* the free list, and the links within a chain */
	struct driver_chain **owner; /* by first slot; NULL: heads no chain */
	unsigned size;
	uint16_t free_head;
	uint16_t free_count;
};

/* All free. 0 or -ENOMEM; driver_slots_destroy() in either case. */
int driver_slots_init(struct driver_slots *slots, unsigned size);
void driver_slots_destroy(struct driver_slots *slots);

/* Let chain hold count slots, linked by next[] from chain->head on. -ENOSPC: not enough left; -E2BIG: never so many. */
int driver_slots_take(struct driver_slots *slots, struct driver_chain *chain, unsigned count);

/* Give back what the chain holds. */
void driver_slots_give(struct driver_slots *slots, struct driver_chain *chain);

/* The chain's slot number i. */
static inline uint16_t driver_slots_at(const struct driver_slots *slots, const struct driver_chain *chain, unsigned i)
{
	uint16_t at = chain->head;

	for (; i; i--)
		at = slots->next[at];
	return at;
}

/*
 * The device says that it used the chain of this name. NULL with ring->error
 * set where it cannot have.
 */
static inline struct driver_chain *driver_slots_complete(struct driver_slots *slots, struct driver_ring *ring,
							 uint32_t head)
{
	struct driver_chain *chain = head < slots->size ? slots->owner[head] : NULL;

	if (!chain || !chain->in_flight) {
		ring->error = chain ? "it used a chain twice or before it was made available"
				    : "it used a descriptor that heads no chain";
		return NULL;
	}
	chain->in_flight = false;
	ring->in_flight--;
	return chain;
}

#endif
