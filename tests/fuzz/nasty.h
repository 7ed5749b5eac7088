/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_FUZZ_NASTY_H
#define STRAIT_TESTS_FUZZ_NASTY_H

#include "ram.h"
#include "storage/storage.h"

/*
 * A storage that checks what it is asked against what storage.h promises,
 * changes guest memory before and after it serves it, and completes in each of
 * the ways there are, in any order. What it does is said by a script.
 */
enum { NASTY_SIZE = 1 << 20, NASTY_MOST_HELD = 64 };

struct nasty {
	struct storage storage; /* first */
	struct ram *ram;
	struct input script; /* the worker's while a queue runs */
	uint64_t largest;    /* size it ever had */
	struct storage_io *held[NASTY_MOST_HELD];
	unsigned held_count;
};

/* With the abilities that flags say. */
void nasty_init(struct nasty *nasty, struct ram *ram, struct input script, uint8_t flags);

#endif
