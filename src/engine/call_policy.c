/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/call_policy.h"

/* How much a new gap counts: an eighth. */
enum { GAP_SHIFT = 3 };

void call_policy_init(struct call_policy *policy, uint32_t max_count, uint64_t max_time)
{
	*policy = (struct call_policy){.max_count = max_count, .max_time = max_time, .gap = max_time};
}

static void learn(struct call_policy *policy, uint64_t now)
{
	uint64_t gap = now - policy->last;

	/* A pause says nothing about how requests follow each other. */
	if (gap > policy->max_time * 4)
		gap = policy->max_time * 4;
	policy->last = now;
	policy->gap += (gap >> GAP_SHIFT) - (policy->gap >> GAP_SHIFT);
}

bool call_policy_due(struct call_policy *policy, uint64_t now, uint32_t count, uint32_t in_flight)
{
	if (count) {
		learn(policy, now);
		if (!policy->held)
			policy->since = now;
		policy->held += count;
	}
	if (in_flight > policy->held && policy->held < policy->max_count && policy->gap < policy->max_time &&
	    now - policy->since < policy->max_time)
		return false;
	policy->held = 0;
	return true;
}
