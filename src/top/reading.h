/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TOP_READING_H
#define STRAIT_TOP_READING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * What straitd says of itself at one moment: the result of stats.get, taken
 * apart. Text is made harmless for a terminal: what is not printable ASCII
 * has become "?". Numbers that are missing are 0.
 */
#define TOP_TEXT        64
#define TOP_MAX_WORKERS 256

struct top_counters {
	uint64_t reads, writes, flushes, discards, write_zeroes; /* requests that ended */
	uint64_t bytes_read, bytes_written;
	uint64_t errors;
	uint64_t requests;
	uint64_t kicks, calls;
	uint64_t in_flight;
	uint64_t held_now;
	uint64_t held_ns;
};

struct top_latency {
	uint64_t requests; /* that these figures are of; 0: they mean nothing */
	uint64_t p50_ns, p99_ns, p999_ns, max_ns;
	double mean_ns;
	char stage[TOP_TEXT]; /* where most of the time went */
	double stage_share;   /* 0 to 1 */
};

struct top_disk {
	char name[TOP_TEXT];
	char state[TOP_TEXT];
	char group[TOP_TEXT]; /* "": none */
	bool noisy;
	double pressure;    /* 0 to 1 */
	uint64_t window_ns; /* what its latency covers */
	struct top_counters counters;
	struct top_latency latency;
	bool worker[TOP_MAX_WORKERS]; /* that serve it */
};

struct top_worker {
	unsigned index;
	uint64_t cpu_ns, run_delay_ns, idle_ns;
	uint64_t turns, sleeps;
	char cpus[TOP_TEXT];
};

struct top_reading {
	uint64_t epoch;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t steal_ns;
	struct top_disk *disks;
	unsigned disk_count;
	struct top_worker *workers;
	unsigned worker_count;
};

/* 0, -EPROTO for what is no such result, or -ENOMEM. In every case the reading can be freed. */
int top_reading_parse(struct top_reading *reading, const json_t *result, struct error *err);
void top_reading_free(struct top_reading *reading);

#endif
