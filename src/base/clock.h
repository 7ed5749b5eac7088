/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_CLOCK_H
#define STRAIT_BASE_CLOCK_H

#include <stdint.h>

/*
 * A monotonic clock cheap enough to be read several times a request: the TSC
 * where the kernel itself trusts it as its clock source, clock_gettime(2)
 * elsewhere. Ticks of two threads compare to about 100 ns: the TSC is read
 * without waiting for earlier instructions, so that a difference may be
 * slightly negative.
 */

/* Calibrate (takes about 10 ms). Call once, before threads start. */
void clock_init(void);

extern double clock_ns_per_tick;     /* read-only after clock_init() */
extern uint64_t clock_ns_multiplier; /* the same times 2^CLOCK_NS_SHIFT */
#define CLOCK_NS_SHIFT 60

#if defined(__x86_64__)
#include <x86intrin.h>
extern int clock_uses_tsc;
uint64_t clock_ticks_slow(void);
static inline uint64_t clock_ticks(void)
{
	return clock_uses_tsc ? __rdtsc() : clock_ticks_slow();
}
#else
uint64_t clock_ticks_slow(void);
static inline uint64_t clock_ticks(void)
{
	return clock_ticks_slow();
}
#endif

static inline uint64_t clock_ticks_to_ns(uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * clock_ns_multiplier >> CLOCK_NS_SHIFT);
}

static inline uint64_t clock_ns_to_ticks(uint64_t ns)
{
	return (uint64_t)((double)ns / clock_ns_per_tick);
}

/* CLOCK_MONOTONIC in nanoseconds, for what is not on the way of an I/O. */
uint64_t clock_monotonic_ns(void);

#endif
