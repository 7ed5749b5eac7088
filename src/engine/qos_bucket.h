/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_QOS_BUCKET_H
#define STRAIT_ENGINE_QOS_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A rate with a burst, as pure arithmetic: the generic cell rate algorithm of
 * ITU-T I.371, which says of a token bucket not how full it is but when it will
 * be full again. That is one word, so that workers share a bucket by compare
 * and swap. In any time t there passes no more than rate * t + depth, but for
 * one request that is dearer than the depth: it passes when the bucket is full
 * and those after it pay for it.
 *
 * Time is in 1/64 ns, since of 20 GB/s a sector is worth 25.6 ns, and comes in
 * as an argument. It may wrap around: only differences count. Those stay below
 * QOS_LONGEST, 208 days.
 */
typedef uint64_t qos_time;

#define QOS_TIME_SHIFT 6
#define QOS_LONGEST    ((qos_time)1 << 60)
#define QOS_NS(ns)     ((qos_time)(ns) << QOS_TIME_SHIFT)
#define QOS_SECOND     QOS_NS(1000000000)

/* Units (requests or bytes) a second. A request that is worth 8 ns or more is exact to 0.1%. */
#define QOS_MAX_RATE ((uint64_t)1 << 40)

struct qos_bucket {
	qos_time full_at; /* shared by workers */
	uint64_t period;  /* time a unit takes, in units of 1 / 2^QOS_PERIOD_SHIFT; 0: no limit. Read relaxed */
	qos_time depth;   /* time that the burst takes. Read relaxed */
};

#define QOS_PERIOD_SHIFT 24

/* From a to b, negative where b is earlier. */
static inline int64_t qos_time_between(qos_time a, qos_time b)
{
	return (int64_t)(b - a);
}

/* What cost units are worth. */
qos_time qos_bucket_cost(const struct qos_bucket *bucket, uint64_t cost);

/* A full bucket; rate 0: no limit. depth in units, at least 1. One thread, before others see it. */
void qos_bucket_init(struct qos_bucket *bucket, uint64_t rate, uint64_t depth, qos_time now);

/*
 * One thread, while others take: another rate and depth. What was used of the
 * burst stays used, in units.
 */
void qos_bucket_change(struct qos_bucket *bucket, uint64_t rate, uint64_t depth, qos_time now);

/* Any thread. True: it passes. Else *when says when it would, if nobody else takes any. */
bool qos_bucket_take(struct qos_bucket *bucket, uint64_t cost, qos_time now, qos_time *when);

/*
 * The same, leaving so much of the burst to others; half of it at most, and
 * nothing where the burst is a few requests.
 */
bool qos_bucket_take_leaving(struct qos_bucket *bucket, uint64_t cost, qos_time leave, qos_time now, qos_time *when);

/* Any thread. When cost would pass, if nobody else takes any; now: at once. */
qos_time qos_bucket_when(const struct qos_bucket *bucket, uint64_t cost, qos_time now);

/* Any thread. How long it takes to pay for what was taken beyond the burst; 0: nothing was. */
qos_time qos_bucket_debt(const struct qos_bucket *bucket, qos_time now);

/* Any thread. Take it whether there is as much or not; those who come later wait for it. */
void qos_bucket_charge(struct qos_bucket *bucket, uint64_t cost, qos_time now);

/* Any thread. What was taken is not used after all. */
void qos_bucket_refund(struct qos_bucket *bucket, uint64_t cost);

#endif
