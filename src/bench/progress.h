/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_PROGRESS_H
#define STRAIT_BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One line on standard error, once a second: phase, percent, requests a
 * second since the last line, time. On a terminal it overwrites itself.
 */
struct bench_progress {
	bool on;
	bool terminal;
	unsigned width; /* of the line shown */
	uint64_t last_ns;
	uint64_t last_ios;
};

/* wanted: 1 always, 0 never, -1 on a terminal. */
void bench_progress_init(struct bench_progress *progress, int wanted);

/* A phase begins at now_ns: what follows is counted from here. */
void bench_progress_begin(struct bench_progress *progress, uint64_t now_ns, uint64_t ios);

/* Show a line. share is 0 to 1, ios the requests completed so far. */
void bench_progress_show(struct bench_progress *progress, const char *phase, double share, uint64_t now_ns,
			 uint64_t elapsed_ns, uint64_t ios);

/* Remove the line, so that something else can be printed. */
void bench_progress_clear(struct bench_progress *progress);

#endif
