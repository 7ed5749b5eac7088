/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/qos.h"

/* How late a member may come back that said when it would. */
#define GRACE QOS_NS(3000000)

/* How far one may be ahead of the slowest, and how much it may catch up after a pause, in the group's time. */
#define SLACK  QOS_NS(2000000)
#define CREDIT QOS_NS(100000000)

/* What of a group's burst is kept for such a one. */
#define LEFT QOS_NS(50000000)

/* How long it is believed who the slowest is: looking takes time where a group has many members. */
#define BELIEVED QOS_NS(20000)

/* A virtual time further from the group's than any can be is a leftover from before both wrapped around. */
#define ABSURD (INT64_MAX / 4)

#define LOAD(word)         __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define STORE(word, value) __atomic_store_n(&(word), value, __ATOMIC_RELAXED)

/* Pairs with qos_node_set_parent(): a member was initialised before it was linked. */
#define FOLLOW(link) __atomic_load_n(&(link), __ATOMIC_ACQUIRE)

/* Virtual time is what the default weight takes. A node that is being used again may have no weight yet. */
static uint64_t virtual_of(const struct qos_node *member, qos_time worth)
{
	const uint32_t weight = LOAD(member->weight);
	const unsigned __int128 virtual = (unsigned __int128)worth * QOS_WEIGHT_DEFAULT / (weight ? weight : 1);

	return virtual < QOS_LONGEST ? (uint64_t) virtual : QOS_LONGEST;
}

static uint64_t slowest_that_waits(struct qos_node *group, qos_time now)
{
	/* Nobody: everybody may pass. */
	uint64_t slowest = LOAD(group->group_time) + ABSURD;

	for (const struct qos_node *member = FOLLOW(group->members); member; member = FOLLOW(member->next_member)) {
		const uint64_t virtual = LOAD(member->virtual_time);

		/* One that leaves the group just now leads us to members of another. */
		if (LOAD(member->parent) == group && qos_time_between(now, LOAD(member->waits_until)) > 0 &&
		    (int64_t)(virtual - slowest) < 0)
			slowest = virtual;
	}
	STORE(group->slowest, slowest);
	STORE(group->slowest_at, now);
	return slowest;
}

/* A pause is no claim to what the others have had meanwhile, but for a little. Two workers at once: either will do. */
static uint64_t caught_up(struct qos_node *group, struct qos_node *member)
{
	const uint64_t least = LOAD(group->group_time) - virtual_of(member, CREDIT);
	uint64_t virtual = LOAD(member->virtual_time);
	const int64_t ahead = (int64_t)(virtual - least);

	if (ahead >= 0 && ahead < ABSURD)
		return virtual;
	__atomic_compare_exchange_n(&member->virtual_time, &virtual, least, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return least;
}

/*
 * Who is refused believes it, too: a guest with many queues, each of which asks again and again, would otherwise have
 * its worker look at all members of a large group all the time. What one passes meanwhile is far less than the slack.
 */
bool qos_share_may_pass(struct qos_node *group, struct qos_node *member, qos_time now)
{
	const uint64_t virtual = caught_up(group, member), slack = virtual_of(member, SLACK);
	const int64_t age = qos_time_between(LOAD(group->slowest_at), now);
	const bool believed = age >= 0 && age < (int64_t)BELIEVED;
	const uint64_t slowest = believed ? LOAD(group->slowest) : slowest_that_waits(group, now);

	return (int64_t)(virtual - slowest - slack) <= 0;
}

/*
 * A member that did not get a CPU in time finds that others have used what came meanwhile. If they left nothing, it
 * would get only what comes while it runs, and stay behind for good.
 */
qos_time qos_share_leaves(struct qos_node *group, struct qos_node *member)
{
	const uint64_t behind = LOAD(group->group_time) - LOAD(member->virtual_time);

	return (int64_t)(behind - 2 * virtual_of(member, SLACK)) > 0 ? 0 : LEFT;
}

void qos_share_passed(struct qos_node *group, struct qos_node *member, qos_time worth)
{
	const uint64_t before = __atomic_fetch_add(&member->virtual_time, virtual_of(member, worth), __ATOMIC_RELAXED);

	if ((int64_t)(before - LOAD(group->group_time)) > 0)
		STORE(group->group_time, before);
}

void qos_share_waits(struct qos_node *member, qos_time when)
{
	STORE(member->waits_until, when + GRACE);
}
