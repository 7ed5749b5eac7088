/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_EXITS_H
#define STRAIT_AUDIT_EXITS_H

#include "host/exit_reason.h"
#include "host/exits.h"

/* Exits of guests, reason by reason, against the rates that are known to be good or bad. */
enum exit_verdict {
	EXIT_NOT_JUDGED,
	EXIT_NORMAL,
	EXIT_RAISED,
	EXIT_WORRYING,
};

/* Exits a second of a guest of one kind. */
struct exit_limit {
	enum exit_kind kind;
	const char *what;        /* "I/O" */
	double normal, worrying; /* below the one, above the other; 0: no such rate is known */
	const char *then;        /* what to do, or what it means */
};

/* NULL: none is known. */
const struct exit_limit *exit_limit_of(enum exit_kind kind);

struct exit_row {
	const char *reason; /* as the kernel has it; of statistics KVM's name, "io_exits" */
	const struct exit_limit *limit;
	enum exit_verdict verdict; /* of all exits of its kind together */
	double rate;               /* a second */
	double share;              /* of all exits of the guest; NAN: not known */
	double time;               /* share of its CPUs' time; NAN: not known */
	const struct hist *taken;  /* ns; NULL, or empty: not known */
};

struct guest_exits {
	const struct guest *guest; /* NULL: a process that is no guest we know, or a trace that tells of none */
	int pid;                   /* HOST_UNKNOWN */
	unsigned threads;          /* that had exits */
	double rate;               /* of all reasons; NAN: not known */
	struct exit_row *row;      /* the most frequent first */
	unsigned count;
	bool traced; /* else by KVM's statistics */
};

struct exit_summary {
	struct guest_exits *guest;
	unsigned count;
};

/* Of one guest, or of all (NULL). Memory is the tree's. What was not traced is taken from host->rates. */
struct exit_summary exits_summarize(struct host *host, const struct host_exits *exits, const struct guest *only);

/* The worst of all rows. */
enum exit_verdict exits_worst(const struct exit_summary *summary);
const char *exit_verdict_name(enum exit_verdict verdict); /* "worrying"; NULL: not judged */

/* All of it; why: why nothing was traced (code 0: it was). NULL: no memory. */
json_t *exits_json(const struct host_exits *exits, const struct exit_summary *summary, const struct error *why);

#endif
