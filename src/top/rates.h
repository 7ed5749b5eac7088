/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TOP_RATES_H
#define STRAIT_TOP_RATES_H

#include "top/reading.h"

/*
 * What happened between two readings. NAN is what cannot be known: a rate of
 * a disk that was not there before, a latency without requests.
 */
struct top_row {
	char name[TOP_TEXT];
	char state[TOP_TEXT];
	char group[TOP_TEXT];
	char stage[TOP_TEXT];
	bool noisy;
	double pressure;
	double iops, read_iops, write_iops;     /* a second */
	double bytes, read_bytes, write_bytes;  /* a second */
	double errors;                          /* a second */
	double depth;                           /* requests under way: on average; now, where none ended */
	double p50_ns, p99_ns, p999_ns, max_ns; /* over the disk's window */
	double stage_share;                     /* 0 to 1 */
	double kicks, calls;                    /* an I/O */
	double held;                            /* requests, now */
	double held_share;                      /* of the time of all requests, 0 to 1 */
	double cpu;                             /* of the busiest of its workers, 0 to 1 */
	double polls, sleeps;                   /* a second, of all its workers */
};

struct top_worker_row {
	unsigned index;
	double cpu;           /* 0 to 1 */
	double run_delay;     /* share of the time in which it could run and was not let, 0 to 1 */
	double polls, sleeps; /* a second */
	char cpus[TOP_TEXT];
};

struct top_rates {
	struct top_row *rows;
	unsigned count;
	struct top_worker_row *workers;
	unsigned worker_count;
	double seconds;     /* between the readings; NAN: there was one only */
	double iops, bytes; /* of all disks */
};

/*
 * before may be NULL. One of another epoch, or from before a restart, counts
 * as none. 0 or -ENOMEM; can be freed in either case.
 */
int top_rates_compute(struct top_rates *rates, const struct top_reading *before, const struct top_reading *now);
void top_rates_free(struct top_rates *rates);

#endif
