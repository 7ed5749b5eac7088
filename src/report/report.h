/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_REPORT_REPORT_H
#define STRAIT_REPORT_REPORT_H

#include <jansson.h>

#include "report/style.h"

/*
 * What the methods of statistics answer (docs/rpc.md), on standard output for
 * a person. All return 0, or -ENOMEM.
 */

/* stats.get: a line for each disk; where its requests around p99 spend most. */
int report_budgets(const json_t *stats);

/* budget.get: stages by quantiles, a picture, what the host added, and a sentence that says what it comes to. */
int report_budget(const json_t *budget, const struct report_style *style);

/* Two of them, the later one first: what has changed. */
int report_compared(const json_t *now, const json_t *before);

/* slow.get: one line a request. */
int report_slow(const json_t *slow);

/* profile.get: what the disk is used for, and the figures. */
int report_profile(const json_t *profile);

/* stats.get: a line for each disk, and for each worker; of a single disk all that is counted. */
int report_stats(const json_t *stats, bool single);

/* What the answers of methods are made of. */

/* The words for stages, as the methods have them, in the order in which they come. */
#define REPORT_STAGES 6
extern const char *const report_stages[REPORT_STAGES];

/* A number of an object; 0 where there is none. */
double report_number(const json_t *object, const char *name);

/* Nanoseconds of each stage of {ring: ..., held: ..., ...}. */
void report_stage_ns(const json_t *stages, double ns[REPORT_STAGES]);

/* Which is the largest. */
unsigned report_largest(const double ns[REPORT_STAGES]);

/* "12.3%", "0.04%", "-" where whole is 0. Returns text. */
#define REPORT_TEXT 32
char *report_share(double part, double whole, char text[REPORT_TEXT]);

/* A number with its thousands apart: "1,178,688". Returns text. */
char *report_count(double value, char text[REPORT_TEXT]);

#endif
