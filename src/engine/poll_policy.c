/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/poll_policy.h"

/* The window is a few usual gaps, so that an ordinary late one is still met awake, plus the cost of falling asleep. */
enum { GAPS_TO_WAIT = 4, SLEEP_COST_NS = 5000 };

uint32_t poll_policy_window(const struct poll_policy *policy, bool in_flight)
{
	uint64_t window = (uint64_t)policy->gap_ns[in_flight] * GAPS_TO_WAIT + SLEEP_COST_NS;

	if (policy->gap_ns[in_flight] > policy->max_ns / 2)
		return 0;
	return window < policy->max_ns ? (uint32_t)window : policy->max_ns;
}

void poll_policy_gap(struct poll_policy *policy, bool in_flight, uint64_t gap_ns)
{
	/* A pause of seconds says no more than one of a few windows: near work is found again soon after it. */
	const uint64_t longest = (uint64_t)policy->max_ns * 4;
	int64_t usual = policy->gap_ns[in_flight];
	int64_t gap = (int64_t)(gap_ns < longest ? gap_ns : longest);

	policy->gap_ns[in_flight] = (uint32_t)(usual + (gap - usual) / 8);
}
