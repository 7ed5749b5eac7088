/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_UNITS_H
#define STRAIT_BENCH_UNITS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Numbers as people write and read them. Parsers take the whole text and
 * return 0, or -EINVAL, or -ERANGE where the value does not fit.
 */

/* Digits only. */
int bench_parse_number(const char *text, uint64_t *value);

/* Bytes: a number with k, m, g or t (powers of 1024, any case, also as KiB). */
int bench_parse_size(const char *text, uint64_t *bytes);

/* A time: a number, possibly with a fraction, with us, ms, s (which may be missing), m or h. */
int bench_parse_duration(const char *text, uint64_t *ns);

/* A number of events: a number, possibly with a fraction, with k or m (powers of 1000). */
int bench_parse_rate(const char *text, double *value);

/* Three significant digits and a unit: "4.2 us", "1.95 M", "7.62 GiB". Return text. */
char *bench_format_ns(double ns, char *text, size_t size);
char *bench_format_count(double value, char *text, size_t size);
char *bench_format_bytes(double bytes, char *text, size_t size);

/* Exact where possible: "4k", "1m", "12345". */
char *bench_format_size(uint64_t bytes, char *text, size_t size);

#endif
