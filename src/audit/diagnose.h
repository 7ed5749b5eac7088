/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_DIAGNOSE_H
#define STRAIT_AUDIT_DIAGNOSE_H

#include <jansson.h>

#include "host/host.h"

/*
 * Why is this guest slow? The playbook of an incident, run while the problem is there: samples are taken, each suspect
 * is looked at, and what is found is ranked. A suspect that was looked at and is clean is ruled out, with what
 * says so; one that could not be looked at is neither.
 */
enum cause_state {
	CAUSE_FOUND,
	CAUSE_RULED_OUT,
	CAUSE_UNKNOWN, /* nothing could be read, or there is no such thing here: evidence says which */
};

struct cause {
	const char *id;    /* "threads.iothread" */
	const char *title; /* "I/O threads do not get a CPU" */
	enum cause_state state;
	double weight; /* 0 to 100: how much of a guest's slowness it can explain */
	const char **evidence;
	unsigned evidence_count;
	const char *next; /* what to type next; NULL: nothing to add */
	const char *cure; /* NULL: where next is all there is to say */
};

struct diagnosis {
	struct host *host;
	const struct guest *guest;
	const struct observation *seen;
	double seconds; /* that were measured; 0: the capture has one sample only */
	unsigned samples;
	const char *verdict; /* a sentence: saturation, jitter, ... */
	struct cause *cause; /* found ones first, by weight; then ruled out, then unknown */
	unsigned count;
};

/*
 * seconds: how long to measure. A capture is measured to its end if that is sooner. interrupted(), if given, is asked
 * between samples and ends it. NULL: err says why. The host's memory.
 */
struct diagnosis *diagnose(struct host *host, const struct guest *guest, double seconds, bool (*interrupted)(void),
			   struct error *err);

/* {"guest": ..., "seconds": ..., "samples": ..., "verdict": ..., "causes": [...], "ruled-out": [...], "unknown": [...]}
 * NULL: no memory. */
json_t *diagnosis_to_json(const struct diagnosis *diagnosis);

/* The same for people, on standard output; bold: with the terminal's means. */
void diagnosis_print(const struct diagnosis *diagnosis, bool bold);

/* How many causes were found. */
unsigned diagnosis_found(const struct diagnosis *diagnosis);

#endif
