/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TOP_FORMAT_H
#define STRAIT_TOP_FORMAT_H

#include <stddef.h>

/*
 * Numbers for a column: human ones have three digits and a unit and never more
 * than six characters; plain ones have no unit, for programs and for those who
 * compare digits. NAN is "-". Return text.
 */
#define TOP_NUMBER 32

/* "0", "12.3", "1234", "12.3k", "1.23M"; plain: "1234567", below 10 with two digits behind the point. */
char *top_format_count(double value, char *text, size_t size);
char *top_format_count_plain(double value, char *text, size_t size);

/* "850ns", "4.25us", "12.3ms", "1.02s"; plain: microseconds, "4.2". */
char *top_format_ns(double ns, char *text, size_t size);
char *top_format_ns_plain(double ns, char *text, size_t size);

/* Bytes a second as MB (10^6): "0.04", "12.3", "1234". */
char *top_format_megabytes(double bytes, char *text, size_t size);

/* 0 to 1 as "73%". */
char *top_format_share(double share, char *text, size_t size);

#endif
