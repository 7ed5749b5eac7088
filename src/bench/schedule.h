/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_SCHEDULE_H
#define STRAIT_BENCH_SCHEDULE_H

#include <stdint.h>

/*
 * Evenly spaced arrivals (open loop). Arrival i is due at start + i * interval
 * whatever became of those before it, and its latency counts from then: a
 * device that stalls is charged for everything it kept waiting, not only for
 * what happened to be in flight (no coordinated omission). Ticks are those of
 * base/clock.h, but any unit will do.
 */
struct bench_schedule {
	uint64_t start;
	unsigned __int128 interval; /* ticks in 64.32 fixed point: no drift over a year of a 100 MHz rate */
	uint64_t issued;            /* arrivals taken so far */
};

static inline void bench_schedule_init(struct bench_schedule *schedule, uint64_t start, double ticks_per_second,
				       double rate)
{
	schedule->start = start;
	schedule->interval = (unsigned __int128)(ticks_per_second / rate * 4294967296.0);
	schedule->issued = 0;
}

/* When arrival i is due. */
static inline uint64_t bench_schedule_at(const struct bench_schedule *schedule, uint64_t i)
{
	return schedule->start + (uint64_t)(i * schedule->interval >> 32);
}

/* When the next one is. */
static inline uint64_t bench_schedule_next(const struct bench_schedule *schedule)
{
	return bench_schedule_at(schedule, schedule->issued);
}

/* Take the next arrival if it is due at now: its intended start in *intended. */
static inline int bench_schedule_take(struct bench_schedule *schedule, uint64_t now, uint64_t *intended)
{
	const uint64_t at = bench_schedule_next(schedule);

	if (now < at)
		return 0;
	schedule->issued++;
	*intended = at;
	return 1;
}

/* Arrivals that are due at now and not taken. */
static inline uint64_t bench_schedule_backlog(const struct bench_schedule *schedule, uint64_t now)
{
	uint64_t due;

	if (now < schedule->start)
		return 0;
	due = (uint64_t)((((unsigned __int128)(now - schedule->start) << 32) | 0xffffffffu) / schedule->interval) + 1;
	return due > schedule->issued ? due - schedule->issued : 0;
}

#endif
