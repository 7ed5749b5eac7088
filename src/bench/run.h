/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_RUN_H
#define STRAIT_BENCH_RUN_H

#include "bench/options.h"
#include "bench/result.h"

/*
 * Run a benchmark from connect to disconnect. Call clock_init() before. Always
 * fills *result (result->outcome says how it went), even where there was
 * nothing to connect to.
 */
void bench_run(const struct bench_options *options, struct bench_result *result);

/*
 * End the run early, at the next chance; everything until then is reported.
 * May be called from a signal handler.
 */
void bench_interrupt(void);

#endif
