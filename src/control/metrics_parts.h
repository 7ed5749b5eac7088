/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_METRICS_PARTS_H
#define STRAIT_CONTROL_METRICS_PARTS_H

#include <time.h>

#include "control/daemon_parts.h"
#include "control/metrics.h"
#include "control/metrics_histogram.h"
#include "control/metrics_text.h"
#include "control/stats.h"

/*
 * What the parts of /metrics share. Nothing outside metrics*.c includes this.
 *
 *   metrics.c            when to make it anew, and the daemon as a whole
 *   metrics_disks.c      disks
 *   metrics_qos.c        limits of disks and groups
 *   metrics_workers.c    workers and host
 *   metrics_process.c    the process
 *   metrics_histogram.c  the stage clock in few buckets
 *   metrics_text.c       the format
 */

/* A disk, from one rendering to the next. */
struct metrics_disk {
	struct metrics_disk *next; /* in the fleet's order */
	char name[64];
	const struct fleet_disk *member; /* while it is looked at */
	uint64_t word[STATS_WORDS];
	uint32_t in_flight;
	bool rests; /* its clocks were read after the last request */
	uint64_t sum_ns[STORAGE_OP_COUNT + STAGE_COUNT];
	uint64_t cumulative[STORAGE_OP_COUNT + STAGE_COUNT][METRICS_ENDS + 1];
	struct metrics_last last[STORAGE_OP_COUNT + STAGE_COUNT];
};

struct metrics_process {
	int statm_fd, fd_directory; /* of /proc/self; -1: it is not there */
	uint64_t fd_max;
	double start; /* seconds since 1970 */
};

struct metrics {
	struct daemon *daemon;
	struct metrics_process process;
	struct metrics_disk *disks;
	struct http_body *made; /* what was made last; NULL: nothing */
	uint64_t made_ns;
	uint64_t spent_ns; /* on making it */
	size_t length;     /* of it */
};

/* metrics_disks.c */
void metrics_disks_look(struct metrics *metrics);
void metrics_disks_put(struct metrics *metrics, struct metrics_text *text);
void metrics_disks_free(struct metrics *metrics);

/* metrics_qos.c */
void metrics_qos_put(struct metrics *metrics, struct metrics_text *text);

/* metrics_workers.c */
void metrics_workers_put(struct metrics *metrics, struct metrics_text *text);

/* metrics_process.c: its part of struct metrics. */
void metrics_process_open(struct metrics_process *process);
void metrics_process_close(struct metrics_process *process);
void metrics_process_put(const struct metrics_process *process, struct metrics_text *text);

#endif
