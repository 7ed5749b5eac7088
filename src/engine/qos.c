/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/qos.h"

#include <stddef.h>

/* When to look again whether fewer requests are under way: one's own worker sees it at once. */
#define CAP_RETRY QOS_NS(500000)

/*
 * A request that waits for longer lets those that came later wait for it, in whatever queue of the disk they are. What
 * needs all of a burst would never have it beside a queue that takes what comes. How late it may be itself, as a
 * member.
 */
#define PATIENCE QOS_NS(200000000)
#define GRACE    QOS_NS(3000000)

/* When to ask again whether it is one's turn. */
#define TURN_RETRY QOS_NS(200000)

#define LOAD(word)         __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define STORE(word, value) __atomic_store_n(&(word), value, __ATOMIC_RELAXED)

/* Who follows a link (FOLLOW) finds a node that was initialised. */
#define LINK(link, to) __atomic_store_n(&(link), to, __ATOMIC_RELEASE)
#define FOLLOW(link)   __atomic_load_n(&(link), __ATOMIC_ACQUIRE)

const char *const qos_kind_names[QOS_KIND_COUNT] = {"iops", "read-iops", "write-iops", "bps", "read-bps", "write-bps"};

#define KIND(bucket) ((enum qos_kind)((bucket) / 2))

static bool counts_bytes(enum qos_kind kind)
{
	return kind >= QOS_BPS;
}

static bool concerns(enum qos_kind kind, enum qos_direction direction)
{
	switch (kind) {
	case QOS_READ_IOPS:
	case QOS_READ_BPS:
		return direction == QOS_READ;
	case QOS_WRITE_IOPS:
	case QOS_WRITE_BPS:
		return direction == QOS_WRITE;
	default:
		return true;
	}
}

void qos_node_init(struct qos_node *node, qos_time now)
{
	*node = (struct qos_node){
		.weight = QOS_WEIGHT_DEFAULT, .waits_until = now, .oldest_until = now, .slowest_at = now - QOS_SECOND};
	for (unsigned i = 0; i < QOS_BUCKETS; i++)
		qos_bucket_init(&node->bucket[i], 0, 1, now);
}

/*
 * A tenth of a second's worth may come at once, and of requests one more, so
 * that one that comes late by as much loses nothing at the slowest rate.
 */
static uint64_t short_burst(enum qos_kind kind, uint64_t rate)
{
	return rate / 10 + (counts_bytes(kind) ? rate < 10 : 1);
}

static void set_limit(struct qos_node *node, enum qos_kind kind, const struct qos_limit *limit, qos_time now)
{
	const uint64_t peak = limit->rate && limit->burst > limit->rate ? limit->burst : 0;
	uint64_t depth = short_burst(kind, limit->rate);

	if (peak && (peak - limit->rate) * limit->burst_seconds > depth)
		depth = (peak - limit->rate) * limit->burst_seconds;
	qos_bucket_change(&node->bucket[kind * 2], limit->rate, depth, now);
	qos_bucket_change(&node->bucket[kind * 2 + 1], peak, short_burst(kind, peak), now);
}

/* They ask again, and may not come back for so long as they said under other limits. */
static void wait_for_no_member(const struct qos_node *group, qos_time now)
{
	for (struct qos_node *member = group->members; member; member = member->next_member) {
		STORE(member->waits_until, now);
		wait_for_no_member(member, now);
	}
}

void qos_node_set_limits(struct qos_node *node, const struct qos_limits *limits, qos_time now)
{
	uint32_t limited[QOS_DIRECTION_COUNT] = {0};

	for (unsigned kind = 0; kind < QOS_KIND_COUNT; kind++)
		set_limit(node, (enum qos_kind)kind, &limits->limit[kind], now);
	for (unsigned i = 0; i < QOS_BUCKETS; i++) {
		for (unsigned direction = 0; direction < QOS_DIRECTION_COUNT; direction++) {
			if (node->bucket[i].period && concerns(KIND(i), (enum qos_direction)direction))
				limited[direction] |= 1u << i;
		}
	}
	STORE(node->limited[QOS_READ], limited[QOS_READ]);
	STORE(node->limited[QOS_WRITE], limited[QOS_WRITE]);
	wait_for_no_member(node, now);
}

void qos_node_set_weight(struct qos_node *node, uint32_t weight)
{
	STORE(node->weight, weight);
}

void qos_node_set_parent(struct qos_node *node, struct qos_node *parent)
{
	if (node->parent == parent)
		return;
	if (node->parent) {
		struct qos_node **link = &node->parent->members;

		while (*link != node)
			link = &(*link)->next_member;
		LINK(*link, node->next_member);
	}
	LINK(node->parent, parent);
	if (parent) {
		LINK(node->next_member, parent->members);
		LINK(parent->members, node);
		/* Its time in the group before may be hours ahead of this one's. */
		STORE(node->virtual_time, LOAD(parent->group_time));
	}
}

void qos_node_set_cap(struct qos_node *node, uint32_t cap)
{
	STORE(node->cap, cap);
}

bool qos_node_limits(const struct qos_node *node)
{
	if (node->cap)
		return true;
	for (; node; node = node->parent) {
		if (node->limited[QOS_READ] | node->limited[QOS_WRITE])
			return true;
	}
	return false;
}

bool qos_cost_of(const struct storage_io *io, struct qos_cost *cost)
{
	switch (io->op) {
	case STORAGE_READ:
		*cost = (struct qos_cost){.direction = QOS_READ, .bytes = io->length};
		return true;
	case STORAGE_WRITE:
		*cost = (struct qos_cost){.direction = QOS_WRITE, .bytes = io->length};
		return true;
	case STORAGE_DISCARD:
		*cost = (struct qos_cost){.direction = QOS_WRITE};
		return true;
	case STORAGE_WRITE_ZEROES:
		*cost = (struct qos_cost){.direction = QOS_WRITE, .bytes = io->flags & STORAGE_UNMAP ? 0 : io->length};
		return true;
	default:
		return false;
	}
}

static uint64_t units(unsigned bucket, const struct qos_cost *cost)
{
	return counts_bytes(KIND(bucket)) ? cost->bytes : 1;
}

/* Buckets of a node that the request has to pass. */
static uint32_t buckets_of(const struct qos_node *node, const struct qos_cost *cost)
{
	const uint32_t bytes = 3u << QOS_BPS * 2 | 3u << QOS_READ_BPS * 2 | 3u << QOS_WRITE_BPS * 2;
	const uint32_t limited = LOAD(node->limited[cost->direction]);

	/* What has no bytes does not wait for them. */
	return cost->bytes ? limited : limited & ~bytes;
}

static unsigned take_first(uint32_t *mask)
{
	const unsigned first = (unsigned)__builtin_ctz(*mask);

	*mask &= *mask - 1;
	return first;
}

static void node_refund(struct qos_node *node, uint32_t mask, const struct qos_cost *cost)
{
	while (mask) {
		const unsigned i = take_first(&mask);

		qos_bucket_refund(&node->bucket[i], units(i, cost));
	}
}

static bool node_take(struct qos_node *node, uint32_t mask, const struct qos_cost *cost, qos_time leave, qos_time now,
		      struct qos_refusal *why)
{
	uint32_t taken = 0;

	while (mask) {
		const unsigned i = take_first(&mask);

		if (!qos_bucket_take_leaving(&node->bucket[i], units(i, cost), leave, now, &why->when)) {
			why->direction_only = KIND(i) != QOS_IOPS && KIND(i) != QOS_BPS;
			node_refund(node, taken, cost);
			return false;
		}
		taken |= 1u << i;
	}
	return true;
}

/* The nodes of a request, as they were when it asked: the control thread may be changing them. */
struct path {
	unsigned count;
	struct qos_node *node[QOS_LEVELS];
	uint32_t mask[QOS_LEVELS];
};

static void find_path(struct qos_node *disk, const struct qos_cost *cost, struct path *path)
{
	path->count = 0;
	for (struct qos_node *node = disk; node && path->count < QOS_LEVELS; node = FOLLOW(node->parent)) {
		path->node[path->count] = node;
		path->mask[path->count++] = buckets_of(node, cost);
	}
}

/* What the request is worth of a group's time: that of its narrowest limit, or else of the group around it. */
static qos_time worth_at(const struct path *path, unsigned level, const struct qos_cost *cost)
{
	qos_time worth = 0;

	for (; level < path->count && !path->mask[level]; level++)
		continue;
	if (level == path->count)
		return 0;
	for (uint32_t mask = path->mask[level]; mask;) {
		const unsigned i = take_first(&mask);
		const qos_time time = qos_bucket_cost(&path->node[level]->bucket[i], units(i, cost));

		if (i % 2 == 0 && time > worth)
			worth = time;
	}
	return worth;
}

/* Refused at a level: all below it are members that wait for what it has. */
static bool refuse(const struct path *path, unsigned level, const struct qos_refusal *why)
{
	for (unsigned i = 0; i < level; i++)
		qos_share_waits(path->node[i], why->when);
	return false;
}

/* Not before then can the one whose turn it is have passed. */
static qos_time when_groups_have_it(const struct path *path, unsigned level, const struct qos_cost *cost, qos_time now)
{
	qos_time latest = now;

	for (; level < path->count; level++) {
		for (uint32_t mask = path->mask[level]; mask;) {
			const unsigned i = take_first(&mask);
			const qos_time when = qos_bucket_when(&path->node[level]->bucket[i], units(i, cost), now);

			if (qos_time_between(latest, when) > 0)
				latest = when;
		}
	}
	return latest;
}

static bool may_all_pass(const struct path *path, const struct qos_cost *cost, qos_time now, struct qos_refusal *why)
{
	for (unsigned level = 1; level < path->count; level++) {
		if (!worth_at(path, level, cost))
			break;
		if (!qos_share_may_pass(path->node[level], path->node[level - 1], now)) {
			why->direction_only = false;
			why->when = when_groups_have_it(path, level, cost, now) + TURN_RETRY;
			return refuse(path, level, why);
		}
	}
	for (unsigned level = 0; level < path->count; level++) {
		const qos_time leave = level ? qos_share_leaves(path->node[level], path->node[level - 1]) : 0;

		if (node_take(path->node[level], path->mask[level], cost, leave, now, why))
			continue;
		for (unsigned below = 0; below < level; below++)
			node_refund(path->node[below], path->mask[below], cost);
		return refuse(path, level, why);
	}
	return true;
}

static void passed(const struct path *path, const struct qos_cost *cost)
{
	for (unsigned level = 1; level < path->count; level++) {
		const qos_time worth = worth_at(path, level, cost);

		if (worth)
			qos_share_passed(path->node[level], path->node[level - 1], worth);
	}
}

static qos_time earlier(qos_time a, qos_time b)
{
	return qos_time_between(a, b) < 0 ? b : a;
}

/* Asks again soon: it may pass sooner than it thinks, if a limit changes or its queue stops. */
static bool lets_another_pass(const struct qos_node *disk, const struct qos_cost *cost, qos_time now,
			      struct qos_refusal *why)
{
	const qos_time until = LOAD(disk->oldest_until), since = cost->since ? cost->since : now;

	if (qos_time_between(now, until) <= 0 || qos_time_between(LOAD(disk->oldest), since) <= 0)
		return false;
	*why = (struct qos_refusal){.when = earlier(until, now + PATIENCE)};
	return true;
}

static void lose_patience(struct qos_node *disk, const struct qos_cost *cost, qos_time now, qos_time when)
{
	if (!cost->since || qos_time_between(cost->since, now) < (int64_t)PATIENCE)
		return;
	STORE(disk->oldest, cost->since);
	STORE(disk->oldest_until, when + GRACE);
}

/* Nobody is to wait for what has passed, which may be long before it said it would. */
static void waits_no_more(struct qos_node *disk, const struct qos_cost *cost, qos_time now)
{
	if (!cost->since)
		return;
	if (LOAD(disk->oldest) == cost->since)
		STORE(disk->oldest_until, now);
	/* It is the last one. */
	if (LOAD(disk->held) <= 1)
		qos_share_waits(disk, now);
}

bool qos_admit(struct qos_node *disk, const struct qos_cost *cost, qos_time now, struct qos_refusal *why)
{
	const uint32_t cap = LOAD(disk->cap);
	struct path path;

	if (lets_another_pass(disk, cost, now, why))
		return false;
	if (cap && LOAD(disk->under_way) >= cap) {
		*why = (struct qos_refusal){.when = now + CAP_RETRY};
		lose_patience(disk, cost, now, why->when);
		return false;
	}
	find_path(disk, cost, &path);
	if (!may_all_pass(&path, cost, now, why)) {
		if (!why->direction_only)
			lose_patience(disk, cost, now, why->when);
		return false;
	}
	waits_no_more(disk, cost, now);
	passed(&path, cost);
	return true;
}

void qos_charge(struct qos_node *disk, const struct qos_cost *cost, qos_time now)
{
	struct path path;

	find_path(disk, cost, &path);
	for (unsigned level = 0; level < path.count; level++) {
		for (uint32_t mask = path.mask[level]; mask;) {
			const unsigned i = take_first(&mask);

			qos_bucket_charge(&path.node[level]->bucket[i], units(i, cost), now);
		}
	}
	waits_no_more(disk, cost, now);
	passed(&path, cost);
}

bool qos_is_in_debt(const struct qos_node *disk, qos_time now)
{
	unsigned levels = 0;

	for (const struct qos_node *node = disk; node && levels < QOS_LEVELS; node = FOLLOW(node->parent), levels++) {
		for (uint32_t mask = LOAD(node->limited[QOS_READ]) | LOAD(node->limited[QOS_WRITE]); mask;) {
			if (qos_bucket_debt(&node->bucket[take_first(&mask)], now) > QOS_SECOND)
				return true;
		}
	}
	return false;
}

void qos_count_under_way(struct qos_node *disk, int more)
{
	__atomic_fetch_add(&disk->under_way, (uint32_t)more, __ATOMIC_RELAXED);
}

void qos_count_held(struct qos_node *disk, int more)
{
	__atomic_fetch_add(&disk->held, (uint32_t)more, __ATOMIC_RELAXED);
}
