/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_BLOCKS_H
#define STRAIT_BENCH_BLOCKS_H

#include "bench/options.h"

/*
 * Parse "4k", "4k,16k,64k" or "8k-1m". Every size is a multiple of 512 and at
 * most BENCH_MAX_BLOCK_SIZE; the high end of a range is rounded down to a
 * multiple of the low end. 0, or -EINVAL with *why saying what is wrong.
 */
int bench_blocks_parse(struct bench_block_sizes *blocks, const char *text, const char **why);

/* A size for this random number. */
uint64_t bench_blocks_pick(const struct bench_block_sizes *blocks, uint64_t random);

#endif
