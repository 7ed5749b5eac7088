/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/suspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/clean.h"
#include "client/table.h"

/* More lines than anybody reads; a capture may have any number of threads. */
#define EVIDENCE_MAX 12

static void add(struct suspicion *suspicion, enum cause_state state, const char *format, va_list arguments)
{
	struct cause *cause = suspicion->cause;
	struct tree *tree = suspicion->diagnosis->host->tree;
	char text[512];

	/* What was found makes the rest of it beside the point, what is clear what is unknown. */
	if (state > cause->state || cause->evidence_count == EVIDENCE_MAX)
		return;
	if (state < cause->state) {
		cause->state = state;
		cause->evidence_count = 0;
	}
	if (!cause->evidence)
		cause->evidence = tree_alloc(tree, EVIDENCE_MAX * sizeof(*cause->evidence));
	vsnprintf(text, sizeof(text), format, arguments);
	cause->evidence[cause->evidence_count++] = audit_clean(tree, text);
}

void suspect_found(struct suspicion *suspicion, double weight, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(suspicion, CAUSE_FOUND, format, arguments);
	va_end(arguments);
	if (weight > suspicion->cause->weight)
		suspicion->cause->weight = weight;
}

void suspect_clear(struct suspicion *suspicion, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(suspicion, CAUSE_RULED_OUT, format, arguments);
	va_end(arguments);
}

void suspect_unknown(struct suspicion *suspicion, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(suspicion, CAUSE_UNKNOWN, format, arguments);
	va_end(arguments);
}

void suspect_tell(struct suspicion *suspicion, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(suspicion, suspicion->cause->state, format, arguments);
	va_end(arguments);
}

void suspect_next(struct suspicion *suspicion, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	suspicion->cause->next = audit_clean(suspicion->diagnosis->host->tree, text);
}

void suspect_another(struct suspicion *suspicion, const char *id, const char *title, const char *cure)
{
	struct diagnosis *diagnosis = suspicion->diagnosis;

	if (diagnosis->count == suspicion->room) {
		const unsigned room = suspicion->room ? 2 * suspicion->room : 32;
		struct cause *more = tree_alloc(diagnosis->host->tree, room * sizeof(*more));

		if (diagnosis->count)
			memcpy(more, diagnosis->cause, diagnosis->count * sizeof(*more));
		diagnosis->cause = more;
		suspicion->room = room;
	}
	suspicion->cause = &diagnosis->cause[diagnosis->count++];
	*suspicion->cause = (struct cause){.id = id, .title = title, .cure = cure, .state = CAUSE_UNKNOWN};
}

const char *suspect_share(struct suspicion *suspicion, double share)
{
	return tree_format(suspicion->diagnosis->host->tree, share < 0.1 ? "%.1f %%" : "%.0f %%", share * 100);
}

const char *suspect_ns(struct suspicion *suspicion, double ns)
{
	char text[CLIENT_TEXT];

	return tree_format(suspicion->diagnosis->host->tree, "%s", client_format_ns(ns, text));
}

const char *suspect_size(struct suspicion *suspicion, double bytes)
{
	char text[CLIENT_TEXT];

	return tree_format(suspicion->diagnosis->host->tree, "%s",
			   client_format_size(bytes > 0 ? (uint64_t)bytes : 0, text));
}

double suspect_weight(double value, double from, double to, double low, double high)
{
	const double part = (value - from) / (to - from);

	return low + (high - low) * (part < 0 ? 0 : part > 1 ? 1 : part);
}

const char *suspect_guest(const struct suspicion *suspicion)
{
	const struct guest *guest = suspicion->seen->guest;

	struct tree *tree = suspicion->diagnosis->host->tree;

	if (guest->name)
		return audit_word(tree, guest->name);
	return guest->uuid ? audit_word(tree, guest->uuid) : tree_format(tree, "%d", guest->pid);
}
