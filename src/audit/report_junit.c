/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/clean.h"
#include "audit/report.h"

static void print_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	audit_print_escaped(out, value);
	putc('"', out);
}

/* "1, expected 0 or 2" */
static void print_message(FILE *out, const struct finding *finding)
{
	fputs(" message=\"", out);
	audit_print_escaped(out, finding->value ? finding->value : finding->rule->title);
	if (finding->expected) {
		fputs(", expected ", out);
		audit_print_escaped(out, finding->expected);
	}
	putc('"', out);
}

static void print_part(FILE *out, const char *label, const char *text)
{
	if (!text)
		return;
	fprintf(out, "%s: ", label);
	audit_print_escaped(out, text);
	putc('\n', out);
}

static void print_failure(FILE *out, const struct audit *audit, const struct finding *finding)
{
	const struct rule *rule = finding->rule;

	fprintf(out, "      <failure type=\"%s\"", finding_status_name(finding->status));
	print_message(out, finding);
	fputs(">", out);
	print_part(out, "found", finding->why);
	print_part(out, "why", rule->why);
	print_part(out, "read", finding->read);
	print_part(out, "now", audit_cure(audit, finding, rule->cure));
	print_part(out, "for good", audit_cure(audit, finding, rule->lasting));
	print_part(out, "costs", rule->costs);
	print_part(out, "source", rule->source);
	fputs("</failure>\n", out);
}

static void print_case(FILE *out, const struct audit *audit, const struct finding *finding)
{
	const char *subject = audit_subject(audit, finding);
	const char *name = *subject ? tree_format(audit->host->tree, "%s (%s)", finding->rule->title, subject)
				    : finding->rule->title;

	fputs("    <testcase", out);
	print_attribute(out, "classname", finding->rule->id);
	print_attribute(out, "name", name);
	fputs(">\n", out);
	if (finding->suppressed || finding->status == FINDING_UNKNOWN) {
		fputs("      <skipped", out);
		print_attribute(out, "message",
				finding->suppressed ? finding->suppressed
				: finding->why      ? finding->why
						    : "unknown");
		fputs("/>\n", out);
	} else if (finding->status >= FINDING_WARN) {
		print_failure(out, audit, finding);
	}
	if (finding->value) {
		fputs("      <system-out>", out);
		audit_print_escaped(out, finding->value);
		fputs("</system-out>\n", out);
	}
	fputs("    </testcase>\n", out);
}

void audit_report_junit(FILE *out, const struct audit *audit)
{
	const struct audit_counts counts = audit_count(audit);
	const char *name = audit_clean(audit->host->tree, audit->host->name);

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"strait audit\"", out);
	fprintf(out, " tests=\"%zu\" failures=\"%u\" errors=\"0\" skipped=\"%u\"", audit->count,
		counts.of[FINDING_WARN] + counts.of[FINDING_FAIL], counts.of[FINDING_UNKNOWN] + counts.suppressed);
	if (name)
		print_attribute(out, "hostname", name);
	fputs(">\n    <properties>\n      <property name=\"profile\"", out);
	print_attribute(out, "value", audit->options.profile ? audit->options.profile : "");
	fputs("/>\n    </properties>\n", out);
	for (size_t i = 0; i < audit->count; i++)
		print_case(out, audit, &audit->finding[i]);
	fputs("  </testsuite>\n</testsuites>\n", out);
}
