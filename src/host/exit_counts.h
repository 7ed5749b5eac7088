/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_EXIT_COUNTS_H
#define STRAIT_HOST_EXIT_COUNTS_H

#include <stdint.h>

#include <jansson.h>

/*
 * Exits of guests' CPUs, added up while events come in: how many of each reason, and how long the host had the CPU
 * until the guest was entered again. A CPU is known by its thread. One thread uses it.
 */
struct exit_counts;

struct exit_counts *exit_counts_new(void); /* NULL: no memory */
void exit_counts_free(struct exit_counts *counts);

/* A name that lives as long as they do, the same pointer for the same text. NULL: no memory, or too many. */
const char *exit_counts_name(struct exit_counts *counts, const char *text);

/* Events, at times in ns of one clock. reason: by exit_counts_name(), or constant. */
void exit_counts_exit(struct exit_counts *counts, int tid, const char *reason, uint64_t ns);
void exit_counts_entry(struct exit_counts *counts, int tid, uint64_t ns);

/* The process a thread is of, where an event tells. */
void exit_counts_process(struct exit_counts *counts, int tid, int pid);

/*
 * The document "kvm-exits.json" of them (host/exits.h reads it). source: where they come from, for people;
 * lost: events that were not seen; pid_of() may be NULL, and is asked where no event told. NULL: no memory.
 */
struct exit_origin {
	double seconds;
	const char *source;
	uint64_t lost;
	int (*pid_of)(int tid); /* the process a thread is of; 0 or less where it is not known */
};
json_t *exit_counts_json(const struct exit_counts *counts, const struct exit_origin *origin);

/* The time from the first event to the last, in seconds. */
double exit_counts_seconds(const struct exit_counts *counts);

#endif
