/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_RULE_H
#define STRAIT_AUDIT_RULE_H

#include <stdbool.h>
#include <stddef.h>

#include "host/host.h"

/*
 * A rule: what is read, what is expected in which context, and everything that a
 * reader of a finding wants to know. Rules are constant tables (rules_*.c); most are data alone, the others have
 * a function. docs/rules.md is made from them.
 */
enum rule_context {
	CONTEXT_GENERAL = 1 << 0,
	CONTEXT_LATENCY = 1 << 1,
	CONTEXT_THROUGHPUT = 1 << 2,
	CONTEXT_DENSITY = 1 << 3,
	CONTEXT_REALTIME = 1 << 4,
	CONTEXT_ALL = CONTEXT_GENERAL | CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_DENSITY | CONTEXT_REALTIME,
};

enum finding_status {
	FINDING_PASS,
	FINDING_NOTE,    /* worth knowing; no judgement */
	FINDING_UNKNOWN, /* could not be read: why says why */
	FINDING_WARN,
	FINDING_FAIL,
};

/* How what was read is compared. */
enum rule_comparison {
	COMPARE_REPORT,  /* not at all: a NOTE */
	COMPARE_EQUAL,   /* to one of the words in expected, separated by "|" */
	COMPARE_DIFFERS, /* from each of them */
	COMPARE_AT_MOST, /* numbers */
	COMPARE_AT_LEAST,
	COMPARE_CHOSEN, /* the word in brackets, "[none] mq-deadline", as COMPARE_EQUAL */
};

/* What is expected in some contexts; the first case that fits the contexts of the audit counts. */
struct rule_case {
	unsigned contexts; /* enum rule_context; 0 ends the cases */
	enum rule_comparison comparison;
	const char *expected;
	enum finding_status otherwise; /* NOTE, WARN or FAIL */
};

#define RULE_CASES 4

struct audit;

struct rule {
	const char *id;    /* "host.ksm", "guest.disk.cache": dotted, lower case */
	const char *title; /* what it looks at, a few words */
	unsigned contexts; /* in which it is asked at all */
	/*
	 * A rule of data: the file it reads. One "*" stands for any name or its end ("cpu*"), of which each match is
	 * an object, or the only file is read where there is none. only_if: as path, with what the "*" stood for put
	 * in; where it does not exist, the rule has nothing to say.
	 */
	const char *path;
	const char *only_if;
	struct rule_case cases[RULE_CASES];
	/* Or a function, which reports with audit_found() and its like, once for each object. */
	void (*check)(struct audit *audit, const struct rule *rule);
	bool of_guest;       /* asked with each guest: audit->guest */
	const char *reads;   /* what is read, for people, where path does not say it */
	const char *wants;   /* of a function: what it expects, and in which context */
	const char *why;     /* sentences: why it matters */
	const char *costs;   /* what the cure may cost */
	const char *cure;    /* how to change it now; %s is the object */
	const char *lasting; /* and for good */
	const char *source;  /* where that is known from */
};

/* One thing that was looked at. Strings are the tree's. */
struct finding {
	const struct rule *rule;
	enum finding_status status;
	const struct guest *guest; /* NULL: of the host */
	const char *object;        /* "sda", "vda", "cpu3"; NULL: the machine or the guest itself */
	const char *read;          /* where the value is from */
	const char *value;         /* what was found */
	const char *expected;      /* and what would be good here */
	const char *why;           /* UNKNOWN: why; else NULL, or what is particular about this case */
	const char *suppressed;    /* the reason by which it does not count; NULL: it does */
};

/* Rules that belong together; audit/rules.h names all tables. */
struct rule_table {
	const struct rule *rules;
	size_t count;
};
#define RULE_TABLE(array)                                                                                              \
	{                                                                                                              \
		.rules = (array), .count = sizeof(array) / sizeof((array)[0])                                          \
	}

/* All tables, in the order in which they are asked. NULL ends them. */
extern const struct rule_table *const rule_tables[];

const struct rule *rule_find(const char *id);

/* Whether word is the rule's id, or the beginning of it up to a dot: "host.kvm" is all of KVM. */
bool rule_matches(const struct rule *rule, const char *word);

/* Whether it is that of any rule. */
bool rule_is_known(const char *word);

/* "general", "latency", ...; NULL: no such one. context: a single bit. */
const char *rule_context_name(enum rule_context context);
/* "PASS", "NOTE", ... */
const char *finding_status_name(enum finding_status status);

/* What a case expects, in words: "none or mq-deadline", "at most 70"; NULL: it expects nothing. The tree's. */
const char *rule_expectation(struct tree *tree, const struct rule_case *wanted);

/* Whether a value is what the case expects. 0, 1, or -EINVAL where a number was expected and value is none. */
int rule_compare(const struct rule_case *wanted, const char *value);

#endif
