/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/qos_bucket.h"

#include <stddef.h>

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static qos_time bounded(unsigned __int128 time)
{
	return time < QOS_LONGEST ? (qos_time)time : QOS_LONGEST;
}

static qos_time worth(uint64_t period, uint64_t units)
{
	return bounded(((unsigned __int128)units * period + (1u << (QOS_PERIOD_SHIFT - 1))) >> QOS_PERIOD_SHIFT);
}

static uint64_t period_of(uint64_t rate)
{
	if (!rate)
		return 0;
	return (uint64_t)((((unsigned __int128)QOS_SECOND << QOS_PERIOD_SHIFT) + rate / 2) / rate);
}

qos_time qos_bucket_cost(const struct qos_bucket *bucket, uint64_t cost)
{
	return worth(load(&bucket->period), cost);
}

void qos_bucket_init(struct qos_bucket *bucket, uint64_t rate, uint64_t depth, qos_time now)
{
	bucket->period = period_of(rate);
	bucket->depth = worth(bucket->period, depth);
	bucket->full_at = now;
}

void qos_bucket_change(struct qos_bucket *bucket, uint64_t rate, uint64_t depth, qos_time now)
{
	const uint64_t before = load(&bucket->period), period = period_of(rate);
	qos_time old = load(&bucket->full_at), changed;

	store(&bucket->period, period);
	store(&bucket->depth, worth(period, depth));
	do {
		const int64_t ahead = qos_time_between(now, old);

		changed = now;
		if (ahead > 0 && before)
			changed += bounded((unsigned __int128)ahead * period / before);
	} while (!__atomic_compare_exchange_n(&bucket->full_at, &old, changed, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

/* ahead: how long it takes until the bucket is full. */
static qos_time passes_at(qos_time time, qos_time depth, qos_time now, qos_time ahead)
{
	if (!ahead || ahead + time <= depth)
		return now;
	return time < depth ? now + ahead + time - depth : now + ahead;
}

qos_time qos_bucket_when(const struct qos_bucket *bucket, uint64_t cost, qos_time now)
{
	const int64_t ahead = qos_time_between(now, load(&bucket->full_at));

	return passes_at(qos_bucket_cost(bucket, cost), load(&bucket->depth), now, ahead > 0 ? (qos_time)ahead : 0);
}

qos_time qos_bucket_debt(const struct qos_bucket *bucket, qos_time now)
{
	const int64_t beyond = qos_time_between(now, load(&bucket->full_at)) - (int64_t)load(&bucket->depth);

	return beyond > 0 ? (qos_time)beyond : 0;
}

/* Of a burst what may be used where something is left to others. */
static qos_time shared(qos_time depth, qos_time time, qos_time leave)
{
	if (time > depth / 8)
		return depth;
	return leave < depth / 2 ? depth - leave : depth / 2;
}

/* Nothing but the word itself is passed on by it: relaxed is enough. */
static bool take(struct qos_bucket *bucket, uint64_t cost, qos_time leave, qos_time now, bool anyway, qos_time *when)
{
	const qos_time time = qos_bucket_cost(bucket, cost), depth = shared(load(&bucket->depth), time, leave);
	qos_time old = load(&bucket->full_at), from, ahead;

	do {
		from = qos_time_between(now, old) > 0 ? old : now;
		ahead = from - now;
		if (!anyway) {
			*when = passes_at(time, depth, now, ahead);
			if (*when != now)
				return false;
		}
		if (ahead >= QOS_LONGEST)
			return true; /* later than anybody waits */
	} while (!__atomic_compare_exchange_n(&bucket->full_at, &old, from + time, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

bool qos_bucket_take(struct qos_bucket *bucket, uint64_t cost, qos_time now, qos_time *when)
{
	return take(bucket, cost, 0, now, false, when);
}

bool qos_bucket_take_leaving(struct qos_bucket *bucket, uint64_t cost, qos_time leave, qos_time now, qos_time *when)
{
	return take(bucket, cost, leave, now, false, when);
}

void qos_bucket_charge(struct qos_bucket *bucket, uint64_t cost, qos_time now)
{
	take(bucket, cost, 0, now, true, NULL);
}

void qos_bucket_refund(struct qos_bucket *bucket, uint64_t cost)
{
	__atomic_fetch_sub(&bucket->full_at, qos_bucket_cost(bucket, cost), __ATOMIC_RELAXED);
}
