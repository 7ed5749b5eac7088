/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_POLL_POLICY_H
#define STRAIT_ENGINE_POLL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/* What a disk asks of the worker that has one of its queues. The keenest of a worker's disks decides. */
enum poll_mode {
	POLL_ADAPTIVE, /* look as long as the policy below says, then sleep */
	POLL_ALWAYS,   /* never sleep while a front end has started a queue */
	POLL_NEVER,    /* sleep at once */
	POLL_MODE_COUNT,
};

/*
 * How long a worker without work keeps looking for some before it sleeps. When
 * a sleep ends says little about when work arrived, since waking up may take
 * longer than the wait: so it learns from looking alone. Where looking was in
 * vain it is left out, once, then three times, up to 511 times in a row, and
 * tried again: a wrong look must not be seen in a 99th percentile. It learns
 * apart for idle times in which requests are in flight (the device is waited
 * for) and in which none are (the driver is).
 * Pure arithmetic: time comes in as an argument.
 */
struct poll_policy {
	uint32_t max_ns; /* longest look; 0: never */
	struct {
		uint32_t usual_ns; /* how long a look takes that finds something */
		uint16_t misses;   /* looks in vain since the last that found something */
		uint16_t skip;     /* idle times to go without a look */
	} wait[2];                 /* [0] nothing in flight, [1] requests in flight */
};

void poll_policy_init(struct poll_policy *policy, uint32_t max_ns);

/* An idle time begins: nanoseconds to look before sleeping. */
uint32_t poll_policy_window(struct poll_policy *policy, bool in_flight);

/* It has ended after idle_ns, window_ns of which were given to look. */
void poll_policy_learn(struct poll_policy *policy, bool in_flight, uint64_t idle_ns, uint32_t window_ns);

#endif
