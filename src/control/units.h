/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_UNITS_H
#define STRAIT_CONTROL_UNITS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Numbers as people write them in a configuration. Stricter than strtoull(3)
 * and friends on purpose: no sign, no hexadecimal, no leading zero (which
 * YAML 1.1 reads as octal), no exponent, nothing after the number, and no
 * locale. All return 0, -EINVAL (not such a number) or -ERANGE (too large).
 */

/* "0", "4096" */
int units_parse_uint(const char *text, uint64_t *value);

/*
 * Bytes: "512", or with a unit of 1024: "64KiB", "10 GiB", up to EiB. 10G or
 * 10GB are refused: people disagree on what they mean.
 */
int units_parse_size(const char *text, uint64_t *bytes);

/*
 * A rate: "250", or with k, m or g for powers of thousand: "20k" (thousand is
 * 1000 or 1024). With 1024 sizes are understood, too: "100MiB".
 */
int units_parse_rate(const char *text, uint64_t thousand, uint64_t *rate);

/* "0.01", "250", at most 15 digits. */
int units_parse_decimal(const char *text, double *value);

/* Bytes for people: "10 GiB", "1.5 MiB", "512 B". Rounds down, so that nothing looks larger than it is. */
void units_format_size(uint64_t bytes, char *text, size_t capacity);

/* The same, exactly, for units_parse_size(): "10GiB", "1536MiB", "512". */
void units_write_size(uint64_t bytes, char *text, size_t capacity);

#endif
