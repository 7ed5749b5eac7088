/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_STATS_PARTS_H
#define STRAIT_CONTROL_STATS_PARTS_H

#include "control/config.h"
#include "control/cpu_steal.h"
#include "control/stats.h"
#include "control/stats_history.h"

/*
 * What the parts of the statistics share. Nothing outside stats*.c includes this.
 *
 *   stats.c          once a second: the timer, the frames of disks, epochs
 *   stats_read.c     what is asked of disks
 *   stats_slow.c     which requests are recorded as slow
 *   stats_workers.c  workers
 */

/* Readings of the workers that are kept: ten minutes' worth. */
#define STATS_WORKER_READINGS 600

struct stats_worker_reading {
	uint64_t at_ns;
	uint64_t word[CONFIG_MAX_WORKERS][STATS_WORKER_WORDS]; /* of as many as there were */
};

struct stats {
	struct loop *loop;
	struct placement *placement;
	struct loop_source timer; /* once a second while something is counted */
	bool running;
	bool worked;         /* somebody reported since the last time */
	uint64_t sampled_ns; /* when frames were last made */
	struct stats_disk *disks;
	uint64_t epoch, epoch_ns;
	struct cpu_steal steal;

	/* A ring of readings; each is as long as there may be workers, and touched as far as there are. */
	struct stats_worker_reading *worker_readings;
	unsigned reading_next, reading_count;
};

struct stats_disk {
	struct stats *stats;
	struct stats_disk *next;
	const struct blk *blk;
	uint64_t start_ns;
	uint64_t ops_done[STORAGE_OP_COUNT]; /* taken when a frame was last made of them */
	unsigned ops_busy;                   /* which had new ones at the last look: some may have been counted since */
	struct stats_seen *seen;
	struct stats_history history;
	uint64_t slow_ns;       /* the threshold in force, and how it is found */
	double slow_percentile; /* 0: it is as configured */
	uint64_t epoch, epoch_ns;
	struct stats_bytes base; /* everything up to the reset that began the epoch */
	uint64_t base_word[STATS_WORDS];
};

/* stats.c */

enum stats_how {
	STATS_TOTALS, /* for a sum without stages */
	STATS_ALL,
	STATS_FRAME, /* all, and from then on it has been seen */
};

/* Append what has come since the last frame. */
void stats_disk_put(struct stats_disk *disk, struct stats_bytes *bytes, enum stats_how how);

/* Append everything since the device exists. Not STATS_FRAME. */
void stats_disk_put_all(struct stats_disk *disk, struct stats_bytes *bytes, enum stats_how how);

/* stats_slow.c: requests were counted; the disk is reset. */
void stats_slow_update(struct stats_disk *disk);
void stats_slow_reset(struct stats_disk *disk);

/* stats_workers.c */
int stats_workers_open(struct stats *stats, struct error *err);
void stats_workers_close(struct stats *stats);

/* Remember how they stand now. */
void stats_workers_sample(struct stats *stats, uint64_t now_ns);

#endif
