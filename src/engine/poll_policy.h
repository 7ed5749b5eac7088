/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_POLL_POLICY_H
#define STRAIT_ENGINE_POLL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How long a worker without work keeps looking for some before it sleeps. It
 * learns the length of its idle gaps, apart for those in which requests were
 * in flight (the device is waited for) and those in which none were (the guest
 * is). Where gaps are usually longer than it may look, it does not look at all.
 * Pure arithmetic: time comes in as an argument.
 */
struct poll_policy {
	uint32_t max_ns;    /* longest look; 0: never */
	uint32_t gap_ns[2]; /* usual gap: [0] nothing in flight, [1] requests in flight */
};

static inline void poll_policy_init(struct poll_policy *policy, uint32_t max_ns)
{
	/* Begin with the hope that work is near; one long gap corrects it. */
	*policy = (struct poll_policy){.max_ns = max_ns};
}

/* Nanoseconds to look before sleeping. */
uint32_t poll_policy_window(const struct poll_policy *policy, bool in_flight);

/* A gap without work has ended after this time, in which the worker looked or slept. */
void poll_policy_gap(struct poll_policy *policy, bool in_flight, uint64_t gap_ns);

#endif
