/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
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

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether two findings say the same of two objects. */
static bool is_alike(const struct finding *a, const struct finding *b)
{
	return a->rule == b->rule && a->status == b->status && a->guest == b->guest && a->object && b->object &&
	       is_same_text(a->value, b->value) && is_same_text(a->expected, b->expected) &&
	       is_same_text(a->why, b->why) && is_same_text(a->suppressed, b->suppressed);
}

/* "cpu3" as "cpu" and 3; false where no number ends it, or one that is not written as a number is. */
static bool split(const char *object, size_t *prefix, unsigned long *number)
{
	size_t end = strlen(object);

	*prefix = end;
	while (*prefix && isdigit((unsigned char)object[*prefix - 1]))
		--*prefix;
	if (*prefix == end || end - *prefix > 9 || (object[*prefix] == '0' && end - *prefix > 1))
		return false;
	*number = strtoul(object + *prefix, NULL, 10);
	return true;
}

static bool follows(const char *before, const char *object)
{
	unsigned long left, right;
	size_t left_prefix, right_prefix;

	return split(before, &left_prefix, &left) && split(object, &right_prefix, &right) &&
	       left_prefix == right_prefix && strncmp(before, object, left_prefix) == 0 && right == left + 1;
}

/* "cpu0-7, cpu12": the objects of findings that are alike. */
static const char *join_objects(struct tree *tree, const struct finding *const *finding, size_t count)
{
	const char *text = "";

	for (size_t i = 0, end; i < count; i = end) {
		const char *comma = i ? ", " : "", *first = finding[i]->object, *last;
		unsigned long number = 0;
		size_t prefix;

		for (end = i + 1; end < count && follows(finding[end - 1]->object, finding[end]->object);)
			end++;
		last = finding[end - 1]->object;
		if (end - i > 1 && split(last, &prefix, &number))
			text = tree_format(tree, "%s%s%s-%lu", text, comma, first, number);
		else
			text = tree_format(tree, "%s%s%s", text, comma, first);
	}
	return text;
}

/* What is found, in one line: "host.ksm.run: 1, expected 0 or 2". */
static void print_line(FILE *out, const struct audit_style *style, const struct audit *audit,
		       const struct finding *const *finding, size_t count)
{
	struct finding shown = *finding[0];
	const char *subject;

	if (count > 1)
		shown.object = join_objects(audit->host->tree, finding, count);
	subject = audit_subject(audit, &shown);
	print_status(out, style, shown.status);
	fprintf(out, "%s", shown.rule->id);
	if (*subject)
		fprintf(out, " (%s)", subject);
	fprintf(out, ": %s", shown.value ? shown.value : shown.rule->title);
	if (shown.expected && shown.status > FINDING_PASS)
		fprintf(out, ", expected %s", shown.expected);
	if (shown.status == FINDING_UNKNOWN && shown.why)
		fprintf(out, ": %s", shown.why);
	if (shown.suppressed)
		fprintf(out, " (suppressed: %s)", shown.suppressed);
	putc('\n', out);
}

static void print_details(FILE *out, const struct audit_style *style, const struct audit *audit,
			  const struct finding *finding)
{
	const struct rule *rule = finding->rule;

	print_wrapped(out, style, "found", finding->why);
	print_wrapped(out, style, "why", rule->why);
	print_wrapped(out, style, "read", finding->read);
	print_wrapped(out, style, "now", audit_cure(audit, finding, rule->cure));
	print_wrapped(out, style, "for good", audit_cure(audit, finding, rule->lasting));
	print_wrapped(out, style, "costs", rule->costs);
	print_wrapped(out, style, "source", rule->source);
}

static void print_status_of_all(FILE *out, const struct audit_style *style, const struct audit *audit,
				enum finding_status status, const struct finding **alike)
{
	for (size_t i = 0, end; i < audit->count; i = end) {
		const struct finding *finding = &audit->finding[i];
		size_t count = 0;

		for (end = i; end < audit->count && is_alike(finding, &audit->finding[end]); end++)
			alike[count++] = &audit->finding[end];
		if (!count) {
			alike[count++] = finding;
			end = i + 1;
		}
		if (finding->status != status || (style->quiet && finding->suppressed))
			continue;
		print_line(out, style, audit, alike, count);
		if (style->quiet || finding->suppressed)
			continue;
		if (status >= FINDING_WARN)
			print_details(out, style, audit, finding);
		else if (status == FINDING_NOTE)
			print_wrapped(out, style, "", finding->why);
	}
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
	const struct finding **alike = tree_alloc(audit->host->tree, (audit->count + 1) * sizeof(*alike));

	for (enum finding_status status = style->quiet ? FINDING_WARN : FINDING_PASS; status <= FINDING_FAIL; status++)
		print_status_of_all(out, style, audit, status, alike);
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
