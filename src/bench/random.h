/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_RANDOM_H
#define STRAIT_BENCH_RANDOM_H

#include <stdint.h>

/*
 * Reproducible random numbers, a few nanoseconds each: a counter in steps of
 * the golden ratio through a mixing function. Not for secrets.
 */
static inline uint64_t bench_random_mix(uint64_t value)
{
	value = (value ^ value >> 32) * 0xd6e8feb86659fd93u;
	value = (value ^ value >> 32) * 0xd6e8feb86659fd93u;
	return value ^ value >> 32;
}

static inline uint64_t bench_random_next(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return bench_random_mix(*state);
}

/* A number below limit, evenly, from all 64 bits of random. */
static inline uint64_t bench_random_below(uint64_t random, uint64_t limit)
{
	return (uint64_t)((unsigned __int128)random * limit >> 64);
}

#endif
