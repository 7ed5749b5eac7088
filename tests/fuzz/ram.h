/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_FUZZ_RAM_H
#define STRAIT_TESTS_FUZZ_RAM_H

#include "input.h"
#include "virtio/memmap.h"

/*
 * Guest memory for a fuzzer: small, so that few bits reach all of it, and with
 * pages around each region that nobody may touch.
 *
 *   LOW   from address 0: rings, tables, requests, data
 *   NEXT  follows LOW in the guest, but not in our memory
 *   hole
 *   HIGH  alone
 *   TOP   the last bytes of the address space
 */
#define RAM_LOW       0x0ull
#define RAM_LOW_SIZE  0x10000ull
#define RAM_NEXT      0x10000ull
#define RAM_NEXT_SIZE 0x4000ull
#define RAM_HIGH      0x20000ull
#define RAM_HIGH_SIZE 0x4000ull
#define RAM_TOP_SIZE  0x1000ull
#define RAM_TOP       (0 - RAM_TOP_SIZE)
#define RAM_USER      0x10000000ull /* of LOW; the others lie apart */

/* What the front end of the fuzzer puts where in LOW. */
#define RAM_DESC    0x0000ull
#define RAM_AVAIL   0x0800ull
#define RAM_USED    0x0c00ull
#define RAM_TABLES  0x1000ull
#define RAM_HEADERS 0x2000ull
#define RAM_DATA    0x3000ull

struct ram {
	struct memmap map;
};

void ram_create(struct ram *ram);

/* All zeroes again. */
void ram_clear(struct ram *ram);

/* Bytes in the guest's memory; what lies outside is left out. */
void ram_write(struct ram *ram, uint64_t guest, const void *bytes, size_t length);

/* Dies unless these bytes of ours are all in one region. */
void ram_check(const struct ram *ram, const void *at, size_t length);

/* An address, inside more often than not; a place that descriptors may be in. */
uint64_t ram_any_address(struct input *input);

#endif
