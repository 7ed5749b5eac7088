/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_AUDIT_H
#define STRAIT_AUDIT_AUDIT_H

#include "audit/rule.h"

/* An audit: rules asked of a machine, and what they found. */
struct audit_options {
	const char *profile;     /* its name, for reports */
	unsigned contexts;       /* enum rule_context; audit_profile() */
	const char *const *only; /* ids, or their beginnings up to a dot; NULL: all. NULL ends each list */
	const char *const *skip;
	const char *guest; /* one guest alone and the host (name, uuid or pid); NULL: all */
};

struct audit {
	struct host *host;
	struct audit_options options;
	const struct guest *guest; /* while a rule of guests is asked */
	struct finding *finding;
	size_t count, room;
	const char **remark; /* what else there is to say, about suppressions */
	unsigned remark_count;
};

/* The contexts of a profile; 0: no such one. All of them but "general" are asked what they add to it. */
#define AUDIT_PROFILES "general, database, low-latency, density, realtime"
unsigned audit_profile(const char *name);

/* Ask all rules that fit. Findings come in the order of rules, then guests, then objects. */
struct audit *audit_run(struct host *host, const struct audit_options *options);

/* Judge a rule of data: what audit_run() does with those that have no function. */
void audit_compare(struct audit *audit, const struct rule *rule);

/* The case that counts in this audit; NULL: none, so that its value is only told. */
const struct rule_case *audit_case(const struct audit *audit, const struct rule *rule);

/*
 * For checks: one finding each. object, value, expected may be NULL; format says what is particular, or for
 * audit_unknown() why it could not be read (error: negative errno or 0).
 */
void audit_pass(struct audit *audit, const struct rule *rule, const char *object, const char *value);
void audit_found(struct audit *audit, const struct rule *rule, enum finding_status status, const char *object,
		 const char *value, const char *expected, const char *format, ...)
	__attribute__((format(printf, 7, 8)));
void audit_unknown(struct audit *audit, const struct rule *rule, const char *object, int error, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * The same, with where it was read instead of what the rule says of that; value is judged by audit_case(). For checks
 * that find values which no path leads to.
 */
void audit_judge(struct audit *audit, const struct rule *rule, const char *object, const char *read, const char *value);

/* Whether one of these contexts was asked for. */
bool audit_is_for(const struct audit *audit, unsigned contexts);

/* The worst status among findings that are not suppressed: what the exit code says. */
enum finding_status audit_worst(const struct audit *audit);

#endif
