/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_SLOW_H
#define STRAIT_ENGINE_SLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/stage.h"

/*
 * The slowest requests of a queue: those of the present minute, of the minute before (of those in
 * which anything was slow), and of all time since a reset. The queue's worker writes;
 * what the control thread wants, it leaves in words of its own, and reads
 * without the worker's doing.
 */
#define SLOW_KEPT 32 /* in each of the three tables */
#define SLOW_MOST (3 * SLOW_KEPT)

/* All of it 64 bits, to be copied by words while it changes. */
struct slow_request {
	uint64_t serial;                /* of the recorder's */
	uint64_t epoch;                 /* the number of resets before it */
	uint64_t at_ms;                 /* when it was over, milliseconds of Unix time */
	uint64_t op;                    /* enum storage_op */
	uint64_t offset, length;        /* bytes */
	uint64_t spent_ns[STAGE_COUNT]; /* their sum is the total */
	uint64_t total_ns;
	uint64_t depth;        /* requests in flight when it was taken, with it */
	uint64_t queue;        /* index of the disk's */
	uint64_t worker;       /* index */
	uint64_t activity;     /* enum stage_activity: what the worker did when it came */
	uint64_t last_look_ns; /* how long it had not looked at this ring when it took it */
};

struct slow_table {
	uint64_t count;
	uint64_t floor_ns; /* the worker's: of a full table the least total in it, else 0 */
	struct slow_request request[SLOW_KEPT];
};

enum {
	SLOW_MINUTE,
	SLOW_LAST_MINUTE,
	SLOW_EVER,
	SLOW_TABLE_COUNT,
};

/* Memory of zeroes is one that records all. */
struct slow_recorder {
	/* the control thread's; the worker looks at wanted alone until that changes */
	uint64_t wanted; /* grows with each change of those below */
	uint64_t threshold_ns, epoch;

	/* the worker's */
	uint64_t wanted_seen;
	uint64_t floor_ns, floor_ticks; /* what takes no longer is not recorded */
	uint64_t least_ns;              /* threshold_ns, as last seen */
	uint64_t epoch_seen;
	uint64_t minute_ends; /* ticks */
	uint64_t serial;
	uint64_t sequence; /* odd while tables change */
	struct slow_table table[SLOW_TABLE_COUNT];
};

/* Control thread: record nothing that takes less. 0: the slowest, however fast. */
void slow_set_threshold(struct slow_recorder *recorder, uint64_t threshold_ns);

/* Control thread: forget all. */
void slow_reset(struct slow_recorder *recorder);

/* Any thread: up to max of what is recorded, the slowest first, each once. Returns how many. */
unsigned slow_read(const struct slow_recorder *recorder, struct slow_request *out, unsigned max);

/* Worker: begin a new minute, heed the control thread, if need be. */
void slow_update(struct slow_recorder *recorder, uint64_t now);

static inline void slow_look(struct slow_recorder *recorder, uint64_t now)
{
	if (__builtin_expect(now >= recorder->minute_ends ||
				     __atomic_load_n(&recorder->wanted, __ATOMIC_RELAXED) != recorder->wanted_seen,
			     0))
		slow_update(recorder, now);
}

/* Worker: a request that took longer than floor_ns. serial, epoch and at_ms are filled in. */
void slow_record(struct slow_recorder *recorder, struct slow_request *request);

#endif
