/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/poll_policy.h"

/*
 * A look lasts a few times as long as usual, so that what is a little late is
 * still met awake, and no less than falling asleep would cost.
 */
enum { USUAL_TIMES_TO_LOOK = 4, SHORTEST_LOOK_NS = 4000, MOST_MISSES = 9 };

void poll_policy_init(struct poll_policy *policy, uint32_t max_ns)
{
	*policy = (struct poll_policy){.max_ns = max_ns};
	policy->wait[0].usual_ns = policy->wait[1].usual_ns = max_ns;
}

uint32_t poll_policy_window(struct poll_policy *policy, bool in_flight)
{
	uint64_t window = (uint64_t)policy->wait[in_flight].usual_ns * USUAL_TIMES_TO_LOOK + SHORTEST_LOOK_NS;

	if (policy->wait[in_flight].skip) {
		policy->wait[in_flight].skip--;
		return 0;
	}
	return window < policy->max_ns ? (uint32_t)window : policy->max_ns;
}

void poll_policy_learn(struct poll_policy *policy, bool in_flight, uint64_t idle_ns, uint32_t window_ns)
{
	uint32_t *usual = &policy->wait[in_flight].usual_ns;
	uint16_t *misses = &policy->wait[in_flight].misses;

	if (!window_ns)
		return;
	if (idle_ns <= window_ns) {
		*usual = (uint32_t)(*usual + ((int64_t)idle_ns - *usual) / 8);
		*misses = 0;
		return;
	}
	/* Perhaps it was only not long enough: the next look lasts longer. */
	*usual += (policy->max_ns - *usual) / 4;
	if (*misses < MOST_MISSES)
		++*misses;
	policy->wait[in_flight].skip = (uint16_t)((1u << *misses) - 1);
}
