/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_STAMP_H
#define STRAIT_BENCH_STAMP_H

#include <stdint.h>

/*
 * A stamped sector says where it belongs, which write put it there and in
 * which run, and carries a checksum over all of itself, so that whatever a
 * back end does to it is seen and can be named.
 */
#define BENCH_STAMP_SECTOR 512u

enum bench_stamp_verdict {
	BENCH_STAMP_GOOD,
	BENCH_STAMP_STALE,     /* an earlier (or a later) write of this run to the same place */
	BENCH_STAMP_TORN,      /* stale, in a block of which another part is not */
	BENCH_STAMP_MISPLACED, /* intact, and of this run, but of another place */
	BENCH_STAMP_FOREIGN,   /* intact, but of a run with another seed */
	BENCH_STAMP_ZEROED,    /* nothing but zeroes where there should be a stamp */
	BENCH_STAMP_CORRUPT,   /* no intact stamp, or no zeroes where there should be some */
	BENCH_STAMP_UNTOUCHED, /* the buffer is as it was before the read */
	BENCH_STAMP_VERDICTS,
};

/* "good", "stale", ... */
extern const char *const bench_stamp_names[BENCH_STAMP_VERDICTS];

/* What an intact stamp says. */
struct bench_stamp_found {
	uint64_t offset;
	uint32_t generation;
};

/* Fill the sector that belongs at offset (bytes on the disk). */
void bench_stamp_write(void *sector, uint64_t offset, uint32_t generation, uint64_t seed);

/*
 * Judge a sector read from offset that write generation should have filled.
 * found is set for STALE and MISPLACED. Never answers TORN: that takes the
 * rest of the block.
 */
enum bench_stamp_verdict bench_stamp_check(const void *sector, uint64_t offset, uint32_t generation, uint64_t seed,
					   struct bench_stamp_found *found);

/* Judge a sector that should be zero: GOOD, UNTOUCHED, or STALE or another verdict for what is there instead. */
enum bench_stamp_verdict bench_stamp_check_zero(const void *sector, uint64_t offset, uint64_t seed,
						struct bench_stamp_found *found);

/* Mark a buffer before it is read into, so that a sector the device leaves alone is seen as UNTOUCHED. */
void bench_stamp_poison(void *buffer, uint32_t length);

#endif
