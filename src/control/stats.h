/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_STATS_H
#define STRAIT_CONTROL_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "control/config.h"
#include "control/loop.h"
#include "control/placement.h"
#include "control/stats_frame.h"
#include "device/blk/blk.h"

/*
 * What disks and workers have done, now and in any of the last minutes.
 * Control thread. The engine counts and only ever adds; here readings are
 * taken and remembered: once a second while workers work, never while all are
 * idle (workers that have work report, and a timer runs as long as something
 * is counted).
 */
struct stats;
struct stats_disk;

/* With what takes rights. NULL with err set. */
struct stats *stats_new(struct loop *loop, struct placement *placement, struct error *err);
void stats_free(struct stats *stats);

/* Workers have had work. */
void stats_worked(void *stats);

/* Of a disk, from the time it has a device until that is destroyed. NULL: no memory. */
struct stats_disk *stats_disk_new(struct stats *stats, const struct blk *blk);
void stats_disk_free(struct stats_disk *disk);

/* The device has been given another one's counters (blk_restore()): these were not counted just now. */
void stats_disk_restored(struct stats_disk *disk);

/* What to look at: window_ns long, and ago_ns before now at its end. */
struct stats_span {
	uint64_t window_ns; /* 0: from the last reset, or else the start */
	uint64_t ago_ns;
};

/* What was looked at; CLOCK_MONOTONIC. Shorter than asked for where less is remembered, and to the second. */
struct stats_covered {
	uint64_t from_ns, to_ns;
};

/*
 * Of the operation types in ops (bits of enum storage_op) together. Without
 * stages the histograms of stages stay empty, which is quicker; the total, and
 * what was spent in each stage, are always there.
 */
struct stats_covered stats_disk_read(struct stats_disk *disk, struct stats_span span, unsigned ops, bool stages,
				     struct stats_sum *sum);

/* Since the device exists, whatever was reset: for those who take differences themselves. */
void stats_disk_total(struct stats_disk *disk, unsigned ops, bool stages, struct stats_sum *sum);

/* The same as they stand, not added up: the numbers, and the clocks of one operation type, of which there are fewer
 * than queues. */
void stats_disk_words(const struct stats_disk *disk, uint64_t word[STATS_WORDS]);
unsigned stats_disk_clocks(const struct stats_disk *disk, enum storage_op op,
			   const struct stage_times *clocks[CONFIG_MAX_QUEUES]);

/* The numbers since the last reset, which takes little. */
void stats_disk_epoch_words(const struct stats_disk *disk, uint64_t word[STATS_WORDS]);

/*
 * What is remembered of the time since since_ns in steps that are step_ns long,
 * oldest first, and ends with what came since the last second began. A step in which
 * nothing was counted is passed over. sum is good until each() returns.
 */
typedef void stats_step_fn(void *context, uint64_t from_ns, uint64_t to_ns, struct stats_sum *sum);
void stats_disk_steps(struct stats_disk *disk, uint64_t since_ns, uint64_t step_ns, bool stages, stats_step_fn *each,
		      void *context);

/*
 * Which requests are recorded as slow (engine/slow.h): those of at_least_ns and
 * more, or those beyond a percentile (0 to 100) of the last minute, which is
 * looked at once a second; both 0: the slowest.
 */
void stats_slow_policy(struct stats_disk *disk, uint64_t at_least_ns, double percentile);

/* What takes less is not recorded now. */
uint64_t stats_slow_threshold(const struct stats_disk *disk);

/* Begin anew: of one disk, or with NULL of all. What is read from now on lacks all before. The new epoch. */
uint64_t stats_reset(struct stats *stats, struct stats_disk *disk);

/* Epoch, and when it began; of a disk, or with NULL the daemon's. */
uint64_t stats_epoch(const struct stats *stats, const struct stats_disk *disk, uint64_t *since_ns);

/* Numbers of a worker that only grow. */
enum stats_worker_word {
	STATS_WORKER_CPU_NS,
	STATS_WORKER_RUN_DELAY_NS, /* ready to run, without a CPU */
	STATS_WORKER_TURNS,
	STATS_WORKER_SLEEPS,
	STATS_WORKER_IDLE_NS,  /* without work, asleep or looking for some */
	STATS_WORKER_STEAL_NS, /* the hypervisor ran somebody else on the CPUs it may use; mean of these */
	STATS_WORKER_WORDS,
};

unsigned stats_worker_count(const struct stats *stats);

/* Now, since the start. */
void stats_worker_read(struct stats *stats, unsigned index, uint64_t word[STATS_WORKER_WORDS]);

/* In a span that stats_disk_read() has covered, as well as it is known. */
void stats_worker_between(struct stats *stats, unsigned index, struct stats_covered covered,
			  uint64_t word[STATS_WORKER_WORDS]);

/* Stolen from all CPUs of the host since it was booted, and how many CPUs there are. */
uint64_t stats_steal_ns(struct stats *stats, unsigned *cpu_count);

#endif
