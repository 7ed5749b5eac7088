/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_REPORT_H
#define STRAIT_AUDIT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "audit/audit.h"

/* Reports of an audit. Whether writing has failed is asked of out (ferror()). */
struct audit_style {
	bool colour;
	bool quiet; /* a line for each WARN and FAIL, nothing else */
	unsigned width;
};

/* What standard output can show: colour on a terminal alone, and not with NO_COLOR. */
struct audit_style audit_style(void);

/* By status, the worst last: next to the prompt. */
void audit_report_text(FILE *out, const struct audit *audit, const struct audit_style *style);
void audit_report_junit(FILE *out, const struct audit *audit);
void audit_report_html(FILE *out, const struct audit *audit);

/* NULL: no memory. The caller's. */
json_t *audit_report_json(const struct audit *audit);

/* The rules themselves: a line each; and all there is to know of them, from which docs/rules.md is made. */
void audit_list_text(FILE *out);
json_t *audit_list_json(void);

/* How many findings have each status and count; suppressed ones apart. */
struct audit_counts {
	unsigned of[FINDING_FAIL + 1], suppressed;
};
struct audit_counts audit_count(const struct audit *audit);

/* rule->cure or rule->lasting with the object in the place of "%s". The tree's; NULL stays NULL. */
const char *audit_cure(const struct audit *audit, const struct finding *finding, const char *cure);

/* "vm1", or "vm1, vda", or "vda", or "" of the machine itself. The tree's. */
const char *audit_subject(const struct audit *audit, const struct finding *finding);

/*
 * Findings of a rule and a guest that say the same of different objects, as one, whose object is all of theirs:
 * "cpu0-3, cpu7". In the order of findings; the tree's.
 */
struct audit_group {
	struct finding finding;
	size_t count;
};
size_t audit_groups(const struct audit *audit, const struct audit_group **groups);

/* audit_cure() for all of a group. */
const char *audit_group_cure(const struct audit *audit, const struct audit_group *group, const char *cure);

/* text for XML and HTML. */
void audit_print_escaped(FILE *out, const char *text);

#endif
