/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/slow.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define MINUTE_NS 60000000000ull

typedef uint64_t __attribute__((may_alias)) word;

_Static_assert(sizeof(struct slow_request) % sizeof(word) == 0, "copied by words");

/*
 * A sequence lock whose data are words. Each is stored with release, so that
 * who sees one sees the odd number before it, and loaded with acquire, so that
 * the number is looked at again afterwards. (A fence would do; the thread
 * sanitizer does not know fences.)
 */
static void begin_change(struct slow_recorder *recorder)
{
	__atomic_store_n(&recorder->sequence, recorder->sequence + 1, __ATOMIC_RELAXED);
}

static void end_change(struct slow_recorder *recorder)
{
	__atomic_store_n(&recorder->sequence, recorder->sequence + 1, __ATOMIC_RELEASE);
}

static void store_words(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(word); i++)
		__atomic_store_n((word *)to + i, ((const word *)from)[i], __ATOMIC_RELEASE);
}

static void load_words(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(word); i++)
		((word *)to)[i] = __atomic_load_n((const word *)from + i, __ATOMIC_ACQUIRE);
}

static void set_count(struct slow_table *table, uint64_t count)
{
	__atomic_store_n(&table->count, count, __ATOMIC_RELEASE);
	if (count < SLOW_KEPT)
		table->floor_ns = 0;
}

/* What is no slower than the fastest of each full table has no place. */
static void update_floor(struct slow_recorder *recorder)
{
	const uint64_t minute = recorder->table[SLOW_MINUTE].floor_ns, ever = recorder->table[SLOW_EVER].floor_ns;
	uint64_t floor = minute < ever ? minute : ever;

	if (recorder->least_ns > floor)
		floor = recorder->least_ns - 1;
	recorder->floor_ns = floor;
	recorder->floor_ticks = clock_ns_to_ticks(floor);
}

static void begin_minute(struct slow_recorder *recorder, uint64_t now)
{
	const uint64_t minute = clock_ns_to_ticks(MINUTE_NS);
	const struct slow_table *last = &recorder->table[SLOW_MINUTE];

	/* A minute of which nothing is left to say does not push out the one before. */
	if (last->count) {
		store_words(recorder->table[SLOW_LAST_MINUTE].request, last->request,
			    last->count * sizeof(last->request[0]));
		set_count(&recorder->table[SLOW_LAST_MINUTE], last->count);
		set_count(&recorder->table[SLOW_MINUTE], 0);
	}
	recorder->minute_ends = now + minute;
}

static void heed_control(struct slow_recorder *recorder)
{
	uint64_t epoch;

	/* Pairs with the control thread's raising it: what was set before is there. */
	recorder->wanted_seen = __atomic_load_n(&recorder->wanted, __ATOMIC_ACQUIRE);
	recorder->least_ns = __atomic_load_n(&recorder->threshold_ns, __ATOMIC_RELAXED);
	epoch = __atomic_load_n(&recorder->epoch, __ATOMIC_RELAXED);
	if (epoch == recorder->epoch_seen)
		return;
	recorder->epoch_seen = epoch;
	for (unsigned i = 0; i < SLOW_TABLE_COUNT; i++)
		set_count(&recorder->table[i], 0);
}

void slow_update(struct slow_recorder *recorder, uint64_t now)
{
	begin_change(recorder);
	if (now >= recorder->minute_ends)
		begin_minute(recorder, now);
	heed_control(recorder);
	end_change(recorder);
	update_floor(recorder);
}

static void insert(struct slow_table *table, const struct slow_request *request)
{
	unsigned place = (unsigned)table->count, i;

	if (table->count == SLOW_KEPT) {
		if (request->total_ns <= table->floor_ns)
			return;
		for (place = 0; table->request[place].total_ns != table->floor_ns; place++)
			continue;
	}
	store_words(&table->request[place], request, sizeof(*request));
	if (place == table->count)
		set_count(table, place + 1);
	if (table->count < SLOW_KEPT)
		return;
	table->floor_ns = UINT64_MAX;
	for (i = 0; i < SLOW_KEPT; i++)
		if (table->request[i].total_ns < table->floor_ns)
			table->floor_ns = table->request[i].total_ns;
}

void slow_record(struct slow_recorder *recorder, struct slow_request *request)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	request->at_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	request->serial = ++recorder->serial;
	request->epoch = recorder->epoch_seen;
	begin_change(recorder);
	insert(&recorder->table[SLOW_MINUTE], request);
	insert(&recorder->table[SLOW_EVER], request);
	end_change(recorder);
	update_floor(recorder);
}

static void raise_wanted(struct slow_recorder *recorder)
{
	/* Pairs with heed_control(). */
	__atomic_store_n(&recorder->wanted, __atomic_load_n(&recorder->wanted, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
}

void slow_set_threshold(struct slow_recorder *recorder, uint64_t threshold_ns)
{
	__atomic_store_n(&recorder->threshold_ns, threshold_ns, __ATOMIC_RELAXED);
	raise_wanted(recorder);
}

void slow_reset(struct slow_recorder *recorder)
{
	__atomic_store_n(&recorder->epoch, __atomic_load_n(&recorder->epoch, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
	raise_wanted(recorder);
}

static int slowest_first(const void *a, const void *b)
{
	const struct slow_request *left = a, *right = b;

	if (left->total_ns != right->total_ns)
		return left->total_ns > right->total_ns ? -1 : 1;
	return (left->serial < right->serial) - (left->serial > right->serial);
}

/* All tables as they were at one time. */
static unsigned copy_tables(const struct slow_recorder *recorder, struct slow_request all[SLOW_MOST])
{
	uint64_t before, after;
	bool whole;
	unsigned total;

	do {
		total = 0;
		before = __atomic_load_n(&recorder->sequence, __ATOMIC_ACQUIRE);
		for (unsigned i = 0; i < SLOW_TABLE_COUNT; i++) {
			const struct slow_table *table = &recorder->table[i];
			const uint64_t count = __atomic_load_n(&table->count, __ATOMIC_ACQUIRE);

			load_words(&all[total], table->request, count * sizeof(table->request[0]));
			total += (unsigned)count;
		}
		after = __atomic_load_n(&recorder->sequence, __ATOMIC_RELAXED);
		whole = before == after && !(before & 1);
		/* The worker may wait for our CPU. */
		if (!whole)
			sched_yield();
	} while (!whole);
	return total;
}

unsigned slow_read(const struct slow_recorder *recorder, struct slow_request *out, unsigned max)
{
	const uint64_t epoch = __atomic_load_n(&recorder->epoch, __ATOMIC_RELAXED);
	struct slow_request all[SLOW_MOST];
	const unsigned total = copy_tables(recorder, all);
	unsigned count = 0;
	uint64_t last = 0;

	qsort(all, total, sizeof(all[0]), slowest_first);
	for (unsigned i = 0; i < total && count < max; i++) {
		/* Of all time and of a minute: the same serial, side by side. Or the worker has not heard of a reset.
		 */
		if (all[i].serial == last || all[i].epoch != epoch)
			continue;
		last = all[i].serial;
		out[count++] = all[i];
	}
	return count;
}
