/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "audit/report.h"

#define DEFAULT_WIDTH 100
#define MIN_WIDTH     60
#define STATUS_WIDTH  9
#define LABEL_WIDTH   10

struct audit_style audit_style(void)
{
	struct audit_style style = {.width = DEFAULT_WIDTH};
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;

	style.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		style.width = size.ws_col < MIN_WIDTH ? MIN_WIDTH : size.ws_col;
	return style;
}

static void print_status(FILE *out, const struct audit_style *style, enum finding_status status)
{
	static const int colours[] = {
		[FINDING_PASS] = 32, [FINDING_NOTE] = 36, [FINDING_UNKNOWN] = 35,
		[FINDING_WARN] = 33, [FINDING_FAIL] = 31,
	};
	const char *name = finding_status_name(status);

	if (style->colour)
		fprintf(out, "\033[1;%dm%s\033[0m%*s", colours[status], name, STATUS_WIDTH - (int)strlen(name), "");
	else
		fprintf(out, "%-*s", STATUS_WIDTH, name);
}

/* Words of text, in lines that are indented and no longer than the width. A word that is longer has a line of its own.
 */
static void print_wrapped(FILE *out, const struct audit_style *style, const char *label, const char *text)
{
	const unsigned indent = STATUS_WIDTH + LABEL_WIDTH;
	unsigned column = indent;

	if (!text || !*text)
		return;
	fprintf(out, "%*s%-*s", STATUS_WIDTH, "", LABEL_WIDTH, label);
	while (*text) {
		const unsigned length = (unsigned)strcspn(text, " ");

		if (column > indent && column + 1 + length > style->width) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			putc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)length, text);
		column += length;
		text += length;
		text += strspn(text, " ");
	}
	putc('\n', out);
}

/* What is found, in one line: "host.ksm.run: 1, expected 0 or 2". */
static void print_line(FILE *out, const struct audit_style *style, const struct audit *audit,
		       const struct finding *finding)
{
	const char *subject = audit_subject(audit, finding);

	print_status(out, style, finding->status);
	fprintf(out, "%s", finding->rule->id);
	if (*subject)
		fprintf(out, " (%s)", subject);
	fprintf(out, ": %s", finding->value ? finding->value : finding->rule->title);
	if (finding->expected && finding->status > FINDING_PASS)
		fprintf(out, ", expected %s", finding->expected);
	if (finding->status == FINDING_UNKNOWN && finding->why)
		fprintf(out, ": %s", finding->why);
	if (finding->suppressed)
		fprintf(out, " (suppressed: %s)", finding->suppressed);
	putc('\n', out);
}

static void print_details(FILE *out, const struct audit_style *style, const struct audit *audit,
			  const struct audit_group *group)
{
	const struct finding *finding = &group->finding;
	const struct rule *rule = finding->rule;

	print_wrapped(out, style, "found", finding->why);
	print_wrapped(out, style, "why", rule->why);
	print_wrapped(out, style, "read", finding->read);
	print_wrapped(out, style, "now", audit_group_cure(audit, group, rule->cure));
	print_wrapped(out, style, "for good", audit_group_cure(audit, group, rule->lasting));
	print_wrapped(out, style, "costs", rule->costs);
	print_wrapped(out, style, "source", rule->source);
}

static void print_group(FILE *out, const struct audit_style *style, const struct audit *audit,
			const struct audit_group *group)
{
	const struct finding *finding = &group->finding;

	print_line(out, style, audit, finding);
	if (style->quiet || finding->suppressed)
		return;
	if (finding->status >= FINDING_WARN)
		print_details(out, style, audit, group);
	else if (finding->status == FINDING_NOTE)
		print_wrapped(out, style, "", finding->why);
}

static void print_counts(FILE *out, const struct audit *audit)
{
	const struct audit_counts counts = audit_count(audit);

	fprintf(out, "\n%s: ", audit->options.profile ? audit->options.profile : "audit");
	for (enum finding_status status = FINDING_FAIL;; status--) {
		fprintf(out, "%u %s", counts.of[status], finding_status_name(status));
		if (status == FINDING_PASS)
			break;
		fputs(", ", out);
	}
	if (counts.suppressed)
		fprintf(out, "; %u suppressed", counts.suppressed);
	putc('\n', out);
}

void audit_report_text(FILE *out, const struct audit *audit, const struct audit_style *style)
{
	const struct audit_group *group;
	const size_t count = audit_groups(audit, &group);

	for (enum finding_status status = style->quiet ? FINDING_WARN : FINDING_PASS; status <= FINDING_FAIL;
	     status++) {
		for (size_t i = 0; i < count; i++) {
			if (group[i].finding.status == status && !(style->quiet && group[i].finding.suppressed))
				print_group(out, style, audit, &group[i]);
		}
	}
	for (unsigned i = 0; i < audit->remark_count; i++)
		fprintf(out, "%s%s\n", i ? "" : "\n", audit->remark[i]);
	if (!style->quiet)
		print_counts(out, audit);
}

void audit_list_text(FILE *out)
{
	for (unsigned table = 0; rule_tables[table]; table++) {
		for (size_t i = 0; i < rule_tables[table]->count; i++)
			fprintf(out, "%-28s  %s\n", rule_tables[table]->rules[i].id,
				rule_tables[table]->rules[i].title);
	}
}
