/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "audit/clean.h"
#include "audit/diagnose.h"

/* So many causes in full; what is behind them hardly explains what these do not. */
#define SHOWN 10

static void print_cause(const struct cause *cause, unsigned number, bool bold)
{
	printf("%2u. %s%s%s  [%s, %.0f]\n", number, bold ? "\033[1m" : "", cause->title, bold ? "\033[0m" : "",
	       cause->id, cause->weight);
	for (unsigned i = 0; i < cause->evidence_count; i++)
		printf("      %s\n", cause->evidence[i]);
	if (cause->cure)
		printf("    cure: %s\n", cause->cure);
	if (cause->next)
		printf("    next: %s\n", cause->next);
}

/* One line each: the first of what was seen is what says most. */
static void print_others(const struct diagnosis *diagnosis, enum cause_state state, const char *title)
{
	bool any = false;

	for (unsigned i = 0; i < diagnosis->count; i++) {
		const struct cause *cause = &diagnosis->cause[i];

		if (cause->state != state)
			continue;
		if (!any)
			printf("\n%s\n", title);
		any = true;
		printf("  %s: %s%s\n", cause->title, cause->evidence_count ? cause->evidence[0] : "not looked at",
		       cause->evidence_count > 1 ? ", ..." : "");
	}
}

void diagnosis_print(const struct diagnosis *diagnosis, bool bold)
{
	const struct guest *guest = diagnosis->guest;
	const unsigned found = diagnosis_found(diagnosis);

	printf("%s: ", guest->name ? audit_clean(diagnosis->host->tree, guest->name) : "the guest");
	if (diagnosis->samples)
		printf("measured for %.1f s in %u intervals\n", diagnosis->seconds, diagnosis->samples);
	else
		printf("not measured: there is one sample only\n");
	printf("Verdict: %s\n", diagnosis->verdict);
	if (found)
		printf("\nCauses, the most likely first:\n");
	for (unsigned i = 0; i < found && i < SHOWN; i++)
		print_cause(&diagnosis->cause[i], i + 1, bold);
	if (found > SHOWN)
		printf("    and %u that weigh less: --json has all\n", found - SHOWN);
	print_others(diagnosis, CAUSE_RULED_OUT, "Ruled out:");
	print_others(diagnosis, CAUSE_UNKNOWN, "Could not be looked at:");
}
