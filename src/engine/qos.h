/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_QOS_H
#define STRAIT_ENGINE_QOS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "engine/qos_bucket.h"
#include "storage/storage.h"

/*
 * Limits and shares of disks and of groups of them. A node is a disk or a
 * group; groups nest. A request passes all limits from its disk's node to the
 * outermost group or none of them.
 *
 * While a group's limit is what its members wait for, they share it by weight:
 * each has a virtual time that grows by what it took through its weight, and
 * passes only if it is not ahead of the slowest of those that wait. One that
 * waits for a limit of its own is not waited for, nor one that wanted to come
 * back and has not for a few milliseconds: its thread does not run.
 *
 * Nodes are the control thread's, which alone changes limits and links; workers
 * read them meanwhile. A node stays readable as long as a worker may have a
 * queue that leads to it, also after it was taken out of the tree: whoever owns
 * it uses the memory for another node, or frees it when all workers are gone.
 */
enum qos_kind {
	QOS_IOPS,
	QOS_READ_IOPS,
	QOS_WRITE_IOPS,
	QOS_BPS,
	QOS_READ_BPS,
	QOS_WRITE_BPS,
	QOS_KIND_COUNT,
};

extern const char *const qos_kind_names[QOS_KIND_COUNT]; /* "iops", "read-iops", ... as users write them */

/* A rate, and by how much for how long it may be exceeded after a time of less. */
struct qos_limit {
	uint64_t rate;          /* requests or bytes a second, up to QOS_MAX_RATE; 0: no limit */
	uint64_t burst;         /* peak rate, above rate; 0: a tenth of a second's worth may come at once, no more */
	uint32_t burst_seconds; /* for which the peak rate can last */
};

struct qos_limits {
	struct qos_limit limit[QOS_KIND_COUNT];
};

#define QOS_LEVELS         5 /* a disk and four groups around it */
#define QOS_WEIGHT_MAX     10000
#define QOS_WEIGHT_DEFAULT 100

enum qos_direction {
	QOS_READ,
	QOS_WRITE,
	QOS_DIRECTION_COUNT,
};

/* What a request counts as. */
struct qos_cost {
	enum qos_direction direction;
	uint64_t bytes; /* 0: counts as an operation only */
	qos_time since; /* it has waited; 0: it has just come */
};

#define QOS_BUCKETS (QOS_KIND_COUNT * 2) /* of each kind the sustained rate and the peak rate */

struct qos_node {
	/* The control thread's, read by workers (relaxed; links acquire). */
	struct qos_node *parent;               /* the group that it is a member of, or NULL */
	struct qos_node *members;              /* of a group */
	struct qos_node *next_member;          /* of the parent */
	uint32_t weight;                       /* 1 to QOS_WEIGHT_MAX */
	uint32_t cap;                          /* of a disk: requests that may be under way, 0: no limit */
	uint32_t limited[QOS_DIRECTION_COUNT]; /* which buckets concern requests of a direction */

	/* Written by any worker. */
	struct qos_bucket bucket[QOS_BUCKETS] __attribute__((aligned(64)));
	uint64_t virtual_time __attribute__((aligned(64))); /* as a member */
	qos_time waits_until; /* as a member: it waits for what the group shares, and will be back by then */
	uint32_t under_way;   /* of a disk: requests that have passed and are not done */
	uint32_t held;        /* of a disk: requests that wait */
	/* of a disk: since when the one waits that has lost its patience, and until when others let it pass first */
	qos_time oldest, oldest_until;
	uint64_t group_time __attribute__((aligned(64))); /* of a group: the virtual time at which members pass */
	uint64_t slowest; /* of a group: the least virtual time of those that wait, at slowest_at */
	qos_time slowest_at;
};

/* Why a request does not pass. */
struct qos_refusal {
	qos_time when;       /* to ask again */
	bool direction_only; /* requests of the other direction may pass */
};

/* The time that all of this is told. */
static inline qos_time qos_now(void)
{
	return QOS_NS(clock_ticks_to_ns(clock_ticks()));
}

/* Control thread. No limits, no parent. */
void qos_node_init(struct qos_node *node, qos_time now);

/* Control thread. What was used of a limit that there was before stays used. Who is held has to be told to ask again.
 */
void qos_node_set_limits(struct qos_node *node, const struct qos_limits *limits, qos_time now);
void qos_node_set_weight(struct qos_node *node, uint32_t weight);

/* Control thread. NULL: none. The caller sees to it that there are no more than QOS_LEVELS and no circle. */
void qos_node_set_parent(struct qos_node *node, struct qos_node *parent);

/* Control thread. Requests of the disk that may be under way; 0: no limit. */
void qos_node_set_cap(struct qos_node *node, uint32_t cap);

/* Control thread. Whether there is anything that could hold a request of the disk back. */
bool qos_node_limits(const struct qos_node *node);

/* False: requests of this type always pass, and cost nothing. */
bool qos_cost_of(const struct storage_io *io, struct qos_cost *cost);

/* Any worker. True: the request of the disk passes, and its cost is taken everywhere. Else nothing is taken. */
bool qos_admit(struct qos_node *disk, const struct qos_cost *cost, qos_time now, struct qos_refusal *why);

/* Any worker. Its cost is taken whatever the limits are; others wait for it. */
void qos_charge(struct qos_node *disk, const struct qos_cost *cost, qos_time now);

/* Any worker. There is a limit on what is under way. */
static inline bool qos_node_is_capped(const struct qos_node *disk)
{
	return __atomic_load_n(&disk->cap, __ATOMIC_RELAXED) != 0;
}

/* Any worker. What was charged to the disk, or to a group around it, will take longer than a second to be paid for. */
bool qos_is_in_debt(const struct qos_node *disk, qos_time now);

/* Any worker. So many more requests of the disk are under way, or wait; or fewer. */
void qos_count_under_way(struct qos_node *disk, int more);
void qos_count_held(struct qos_node *disk, int more);

/* qos_share.c, for qos.c. */

/* Whether it is the member's turn to take from the group. */
bool qos_share_may_pass(struct qos_node *group, struct qos_node *member, qos_time now);

/* What it has to leave of the group's burst to one that has less than its share. */
qos_time qos_share_leaves(struct qos_node *group, struct qos_node *member);

/* It has taken what is worth this much of the group's time. */
void qos_share_passed(struct qos_node *group, struct qos_node *member, qos_time worth);

/* It waits for what the group shares. */
void qos_share_waits(struct qos_node *member, qos_time when);

#endif
