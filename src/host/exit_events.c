/* SPDX-License-Identifier: Apache-2.0 */
#if defined(HAVE_LIBTRACEFS) || defined(HAVE_LIBTRACECMD)

#include "host/exit_events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "host/exit_reason.h"

int exit_events_find(struct exit_events *events)
{
	struct tep_event *exit = tep_find_event_by_name(events->formats, "kvm", "kvm_exit");
	struct tep_event *entry = tep_find_event_by_name(events->formats, "kvm", "kvm_entry");

	if (!exit || !entry)
		return -ENOENT;
	events->exit = exit->id;
	events->entry = entry->id;
	events->reason = tep_find_field(exit, "exit_reason");
	events->isa = tep_find_field(exit, "isa");
	events->info1 = tep_find_field(exit, "info1");
	return events->reason ? 0 : -ENOTSUP;
}

static uint64_t field(const struct tep_format_field *format, const struct tep_record *record)
{
	unsigned long long value = 0;

	/* A file may have records that are shorter than their format. */
	if (!format || format->offset < 0 || format->size < 0 || record->size - format->size < format->offset ||
	    tep_read_number_field((struct tep_format_field *)format, record->data, &value) < 0)
		return 0;
	return value;
}

static const char *name_of(struct exit_events *events, const struct tep_record *record)
{
	const uint32_t reason = (uint32_t)field(events->reason, record);
	const unsigned isa = (unsigned)field(events->isa, record);
	const char *name = exit_reason_name(isa, reason, field(events->info1, record));
	char text[32];

	if (name)
		return name;
	snprintf(text, sizeof(text), "0x%" PRIx32, reason);
	return exit_counts_name(events->counts, text);
}

void exit_events_take(struct exit_events *events, struct tep_record *record)
{
	const int id = tep_data_type(events->formats, record);

	if (id == events->exit)
		exit_counts_exit(events->counts, tep_data_pid(events->formats, record), name_of(events, record),
				 record->ts);
	else if (id == events->entry)
		exit_counts_entry(events->counts, tep_data_pid(events->formats, record), record->ts);
}

#endif
