/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_LIMITER_H
#define STRAIT_CONTROL_LIMITER_H

#include <stdint.h>

/*
 * So many events a second, and as many at once after a pause. Pure: time comes
 * in as an argument, in nanoseconds that do not go back.
 */
struct limiter {
	uint32_t rate;   /* events a second and at once; 0: no limit */
	uint64_t due_ns; /* when the events so far would have come at that rate */
};

/* 0: an event may happen now, and is counted. Else the nanoseconds until the next one may. */
static inline uint64_t limiter_take(struct limiter *limiter, uint64_t now_ns)
{
	const uint64_t second = 1000000000;

	if (!limiter->rate)
		return 0;
	if (limiter->due_ns < now_ns)
		limiter->due_ns = now_ns;
	/* The last of a burst of as many as there are in a second is due a second ahead. */
	if (limiter->due_ns + second / limiter->rate > now_ns + second)
		return limiter->due_ns + second / limiter->rate - second - now_ns;
	limiter->due_ns += second / limiter->rate;
	return 0;
}

#endif
