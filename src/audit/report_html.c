/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/clean.h"
#include "audit/report.h"

/* One file, without scripts and without anything from elsewhere: it can be mailed. */
static const char head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<head>\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	"<style>\n"
	":root { color-scheme: light dark; --line: #8884; --soft: #8882; --pass: #1a7f37; --note: #0969da;\n"
	"  --unknown: #8250df; --warn: #9a6700; --fail: #cf222e; }\n"
	"@media (prefers-color-scheme: dark) { :root { --pass: #3fb950; --note: #58a6ff; --unknown: #bc8cff;\n"
	"  --warn: #d29922; --fail: #ff7b72; } }\n"
	"body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }\n"
	"h1 { font-size: 1.5rem; margin-bottom: 0; }\n"
	"h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }\n"
	".counts { display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; list-style: none; }\n"
	".counts li { border: 1px solid var(--line); border-radius: .4rem; padding: .2rem .7rem; }\n"
	".status { font-weight: 700; font-size: .8rem; display: inline-block; min-width: 5.5rem; }\n"
	".PASS { color: var(--pass); } .NOTE { color: var(--note); } .UNKNOWN { color: var(--unknown); }\n"
	".WARN { color: var(--warn); } .FAIL { color: var(--fail); }\n"
	"details { border-bottom: 1px solid var(--line); padding: .35rem 0; }\n"
	"summary { cursor: pointer; }\n"
	"summary:focus-visible { outline: 2px solid var(--note); }\n"
	".id { opacity: .7; font-size: .85rem; }\n"
	"dl { display: grid; grid-template-columns: 6rem 1fr; gap: .2rem 1rem; margin: .5rem 0 .5rem 1.2rem; }\n"
	"dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }\n"
	"code { background: var(--soft); padding: .1rem .3rem; border-radius: .2rem; }\n"
	".suppressed { opacity: .6; }\n"
	"@media print { details { break-inside: avoid; } }\n"
	"</style>\n";

static void print_item(FILE *out, const char *label, const char *text)
{
	if (!text)
		return;
	fprintf(out, "<dt>%s</dt><dd>", label);
	audit_print_escaped(out, text);
	fputs("</dd>\n", out);
}

static void print_summary(FILE *out, const struct audit *audit, const struct finding *finding)
{
	const char *status = finding_status_name(finding->status), *subject = audit_subject(audit, finding);

	fprintf(out, "<summary><span class=\"status %s\">%s</span> ", status, status);
	audit_print_escaped(out, finding->rule->title);
	if (*subject) {
		fputs(" (", out);
		audit_print_escaped(out, subject);
		putc(')', out);
	}
	if (finding->value) {
		fputs(": <code>", out);
		audit_print_escaped(out, finding->value);
		fputs("</code>", out);
	}
	if (finding->expected && finding->status > FINDING_PASS) {
		fputs(", expected ", out);
		audit_print_escaped(out, finding->expected);
	}
	if (finding->suppressed)
		fputs(" (suppressed)", out);
	fprintf(out, " <span class=\"id\">%s</span></summary>\n", finding->rule->id);
}

static void print_group(FILE *out, const struct audit *audit, const struct audit_group *group)
{
	const struct finding *finding = &group->finding;
	const struct rule *rule = finding->rule;
	const bool is_bad = finding->status >= FINDING_WARN && !finding->suppressed;

	fprintf(out, "<details%s%s>\n", is_bad ? " open" : "", finding->suppressed ? " class=\"suppressed\"" : "");
	print_summary(out, audit, finding);
	fputs("<dl>\n", out);
	print_item(out, "suppressed", finding->suppressed);
	print_item(out, "found", finding->why);
	print_item(out, "why", rule->why);
	print_item(out, "read", finding->read);
	if (finding->status > FINDING_PASS) {
		print_item(out, "now", audit_group_cure(audit, group, rule->cure));
		print_item(out, "for good", audit_group_cure(audit, group, rule->lasting));
		print_item(out, "costs", rule->costs);
	}
	print_item(out, "source", rule->source);
	fputs("</dl>\n</details>\n", out);
}

/* Findings of the machine (NULL) or of a guest, the worst first. */
static void print_part(FILE *out, const struct audit *audit, const struct guest *guest, const struct audit_group *group,
		       size_t count)
{
	bool has_heading = false;

	for (int status = FINDING_FAIL; status >= FINDING_PASS; status--) {
		for (size_t i = 0; i < count; i++) {
			const struct finding *finding = &group[i].finding;

			if ((int)finding->status != status || finding->guest != guest)
				continue;
			if (!has_heading) {
				fputs("<h2>", out);
				audit_print_escaped(out, guest ? audit_subject(audit, &(struct finding){.guest = guest})
							       : "The machine");
				fputs("</h2>\n", out);
			}
			has_heading = true;
			print_group(out, audit, &group[i]);
		}
	}
}

static void print_head(FILE *out, const struct audit *audit)
{
	const struct audit_counts counts = audit_count(audit);
	const char *name = audit_clean(audit->host->tree, audit->host->name);
	const char *kernel = audit_clean(audit->host->tree, audit->host->kernel);

	fputs(head, out);
	fputs("<title>Audit of ", out);
	audit_print_escaped(out, name ? name : "a machine");
	fputs("</title>\n</head>\n<body>\n<h1>Audit of ", out);
	audit_print_escaped(out, name ? name : "a machine");
	fputs("</h1>\n<p>Profile ", out);
	audit_print_escaped(out, audit->options.profile ? audit->options.profile : "general");
	if (kernel) {
		fputs(", Linux ", out);
		audit_print_escaped(out, kernel);
	}
	fputs(", by strait " STRAIT_VERSION "</p>\n<ul class=\"counts\">\n", out);
	for (int status = FINDING_FAIL; status >= FINDING_PASS; status--) {
		const char *word = finding_status_name((enum finding_status)status);

		fprintf(out, "<li><b>%u</b> <span class=\"%s\">%s</span></li>\n", counts.of[status], word, word);
	}
	if (counts.suppressed)
		fprintf(out, "<li><b>%u</b> suppressed</li>\n", counts.suppressed);
	fputs("</ul>\n", out);
}

void audit_report_html(FILE *out, const struct audit *audit)
{
	const struct audit_group *group;
	const size_t count = audit_groups(audit, &group);

	print_head(out, audit);
	print_part(out, audit, NULL, group, count);
	for (unsigned i = 0; i < audit->host->guests.count; i++)
		print_part(out, audit, &audit->host->guests.guest[i], group, count);
	if (audit->remark_count)
		fputs("<h2>Suppressions</h2>\n<ul>\n", out);
	for (unsigned i = 0; i < audit->remark_count; i++) {
		fputs("<li>", out);
		audit_print_escaped(out, audit->remark[i]);
		fputs("</li>\n", out);
	}
	fputs(audit->remark_count ? "</ul>\n</body>\n</html>\n" : "</body>\n</html>\n", out);
}
