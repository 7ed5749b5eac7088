/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_ENGINE_ECHO_H
#define STRAIT_TESTS_ENGINE_ECHO_H

#include "rig.h"

/*
 * The least a device can be, and a load for it. A chain is eight readable
 * bytes, a tag, and eight writable ones. The device submits a read to its
 * storage and answers with the tag when that succeeds, with its complement
 * where it fails; the tag ECHO_BREAK breaks the queue.
 */
#define ECHO_BREAK UINT64_MAX

extern const struct queue_device_ops echo_ops;

/* A queue of this device on a storage, not started. */
void echo_queue(struct queue *queue, unsigned index, struct storage *storage);

enum { LOAD_MOST_SLOTS = 128 };

/* Requests of one driver: as many as it has slots, of which each has two descriptors. */
struct load {
	struct driver *driver;
	uint64_t data; /* guest address of the slots' bytes */
	unsigned slots;
	unsigned busy;
	uint64_t tag[LOAD_MOST_SLOTS]; /* 0: the slot is free */
	uint64_t next_tag;
	uint64_t completed;
	uint64_t failed; /* of these, answered with the complement */
};

/* The driver's ring has room for at least two descriptors a slot. */
void load_create(struct load *load, struct driver *driver, uint64_t data, unsigned slots);

/* Offer up to count requests, as slots are free, without a kick. Returns how many. */
unsigned load_offer(struct load *load, unsigned count);
/* Offer one with this tag. Its head. */
uint16_t load_offer_tag(struct load *load, uint64_t tag);

/* Fetch what has come back, check it, and return how many. */
unsigned load_collect(struct load *load);
/* Wait until all are back. */
void load_drain(struct load *load);

#endif
