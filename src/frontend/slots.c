/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/slots.h"

#include <errno.h>
#include <stdlib.h>

static void give(struct driver_slots *slots, uint16_t i)
{
	slots->next[i] = slots->free_head;
	slots->free_head = i;
	slots->free_count++;
}

int driver_slots_init(struct driver_slots *slots, unsigned size)
{
	*slots = (struct driver_slots){.size = size};
	slots->next = calloc(size, sizeof(*slots->next));
	slots->owner = calloc(size, sizeof(struct driver_chain *));
	if (!slots->next || !slots->owner)
		return -ENOMEM;
	for (unsigned i = size; i-- > 0;)
		give(slots, (uint16_t)i);
	return 0;
}

void driver_slots_destroy(struct driver_slots *slots)
{
	free(slots->next);
	free(slots->owner);
}

int driver_slots_take(struct driver_slots *slots, struct driver_chain *chain, unsigned count)
{
	uint16_t last;

	if (count > slots->free_count)
		return count > slots->size ? -E2BIG : -ENOSPC;
	chain->head = slots->free_head;
	chain->held = (uint16_t)count;
	/* The free list is a chain already. */
	last = driver_slots_at(slots, chain, count - 1);
	slots->free_head = slots->next[last];
	slots->free_count = (uint16_t)(slots->free_count - count);
	slots->owner[chain->head] = chain;
	return 0;
}

void driver_slots_give(struct driver_slots *slots, struct driver_chain *chain)
{
	uint16_t at = chain->head;

	slots->owner[at] = NULL;
	for (; chain->held; chain->held--) {
		const uint16_t next = slots->next[at];

		give(slots, at);
		at = next;
	}
}
