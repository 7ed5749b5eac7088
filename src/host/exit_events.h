/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_EXIT_EVENTS_H
#define STRAIT_HOST_EXIT_EVENTS_H

/* The events kvm_exit and kvm_entry as the kernel records them, live or in a file. Only of a build that has
 * libtraceevent. */
#include <event-parse.h>

#include "host/exit_counts.h"

struct exit_events {
	struct tep_handle *formats; /* what the events look like; not owned */
	struct exit_counts *counts; /* where they are added up; not owned */
	int exit, entry;            /* ids of the events */
	struct tep_format_field *reason, *isa, *info1;
};

/* Find both in formats: 0; -ENOENT: they are not there; -ENOTSUP: kvm_exit has no field exit_reason. */
int exit_events_find(struct exit_events *events);

/* Count a record, of whatever event it is. */
void exit_events_take(struct exit_events *events, struct tep_record *record);

#endif
