/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_FUZZ_DRIVER_SIDE_H
#define STRAIT_TESTS_FUZZ_DRIVER_SIDE_H

#include <stdbool.h>

#include "input.h"

/*
 * The driver of a ring, played from a fuzzer's input: whole block requests, of
 * which now and then one thing is wrong, and loose pieces of them. It only
 * writes guest memory, by a function of its owner's, and never reads it.
 */
struct driver_side {
	void (*put)(void *memory, uint64_t guest, const void *bytes, size_t length);
	uint64_t (*any_address)(struct input *input); /* for data, and for what goes wrong */
	void *memory;
	/* Guest addresses of the ring's parts, and of a page each for tables, headers and data. */
	uint64_t desc, avail, tables, headers, data;
	uint32_t size; /* entries, at most DRIVER_SIDE_MOST */
	bool packed;

	/* zero to begin with, but for wrap */
	uint16_t next; /* descriptor to be used next */
	uint16_t avail_index;
	bool wrap;
};

enum { DRIVER_SIDE_MOST = 64, DRIVER_SIDE_SECTORS = 2048 };

/* Lay a request out and make it available. */
void driver_side_request(struct driver_side *d, struct input *input);

/* Loose pieces: a descriptor, a header, a head in the available ring, bytes anywhere. */
void driver_side_descriptor(struct driver_side *d, struct input *input);
void driver_side_header(struct driver_side *d, struct input *input, uint64_t at);
void driver_side_offer(struct driver_side *d, uint16_t head);
void driver_side_bytes(struct driver_side *d, struct input *input);

#endif
