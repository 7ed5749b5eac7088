/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_WORKLOAD_H
#define STRAIT_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/blocks.h"
#include "bench/options.h"
#include "bench/random.h"

/*
 * Which request comes next: pure arithmetic, reproducible from its seed.
 *
 * Offsets are multiples of the blocks' unit inside the region. A stream
 * (random is false) ascends and starts over at the region's end; a block that
 * would cross the end is cut there.
 */
struct bench_workload {
	enum bench_op op;
	bool mixed;
	bool random;
	uint64_t read_share; /* of 2^32 */
	struct bench_block_sizes blocks;
	uint64_t region;       /* first byte */
	uint64_t region_units; /* size in units; at least one, and at least the largest block where random */
	uint64_t next_unit;    /* of the stream */
	uint64_t random_state;
};

struct bench_io {
	enum bench_op op;
	uint64_t offset; /* bytes on the disk */
	uint32_t length; /* 0: a flush, which has no place */
};

/* region_size is rounded down to units. */
static inline void bench_workload_init(struct bench_workload *workload, const struct bench_options *options,
				       uint64_t region, uint64_t region_size)
{
	*workload = (struct bench_workload){
		.op = options->op,
		.mixed = options->mixed,
		.random = options->random,
		.read_share = ((uint64_t)options->read_percent << 32) / 100,
		.blocks = options->blocks,
		.region = region,
		.region_units = region_size / options->blocks.unit,
		.random_state = options->seed,
	};
}

/* A single op over the whole region once, in blocks of at most block bytes (a multiple of unit). */
static inline void bench_workload_init_sweep(struct bench_workload *sweep, const struct bench_workload *over,
					     enum bench_op op, uint64_t block)
{
	*sweep = *over;
	sweep->op = op;
	sweep->mixed = sweep->random = false;
	sweep->next_unit = 0;
	sweep->blocks.count = 1;
	sweep->blocks.is_range = false;
	sweep->blocks.size[0] = sweep->blocks.max = block;
}

/* Requests of a sweep. */
static inline uint64_t bench_workload_sweep_count(const struct bench_workload *sweep)
{
	const uint64_t units = sweep->blocks.size[0] / sweep->blocks.unit;

	return (sweep->region_units + units - 1) / units;
}

static inline void bench_workload_next(struct bench_workload *workload, struct bench_io *io)
{
	const uint64_t unit = workload->blocks.unit;
	uint64_t length = workload->blocks.size[0], at;

	io->op = workload->op;
	if (io->op == BENCH_FLUSH) {
		io->offset = 0;
		io->length = 0;
		return;
	}
	if (workload->mixed)
		io->op = bench_random_next(&workload->random_state) >> 32 < workload->read_share ? BENCH_READ
												 : BENCH_WRITE;
	if (workload->blocks.count > 1)
		length = bench_blocks_pick(&workload->blocks, bench_random_next(&workload->random_state));
	if (workload->random) {
		const uint64_t places = workload->region_units - length / unit + 1;

		/* Blocks of one size lie on multiples of that size anyway, since it is the unit. */
		at = bench_random_below(bench_random_next(&workload->random_state), places);
	} else {
		const uint64_t left = (workload->region_units - workload->next_unit) * unit;

		at = workload->next_unit;
		if (length > left)
			length = left;
		workload->next_unit += length / unit;
		if (workload->next_unit == workload->region_units)
			workload->next_unit = 0;
	}
	io->offset = workload->region + at * unit;
	io->length = (uint32_t)length;
}

#endif
