/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_REPORT_H
#define STRAIT_BENCH_REPORT_H

#include <stdio.h>

#include "bench/options.h"
#include "bench/result.h"

/*
 * Write the report to out, as tables for people or as one JSON object, whose
 * keys strait-bench(1) documents. A run that failed has a JSON report as well,
 * with the key "failure". 0, or -ENOMEM, or -EIO where out cannot be written.
 */
int bench_report_text(FILE *out, const struct bench_options *options, const struct bench_result *result);
int bench_report_json(FILE *out, const struct bench_options *options, const struct bench_result *result);

#endif
