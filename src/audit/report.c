/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/report.h"

#include <string.h>

#include "audit/clean.h"

struct audit_counts audit_count(const struct audit *audit)
{
	struct audit_counts counts = {.suppressed = 0};

	for (size_t i = 0; i < audit->count; i++) {
		if (audit->finding[i].suppressed)
			counts.suppressed++;
		else
			counts.of[audit->finding[i].status]++;
	}
	return counts;
}

const char *audit_cure(const struct audit *audit, const struct finding *finding, const char *cure)
{
	const char *object = finding->object ? finding->object : "NAME", *text = "", *at;

	if (!cure || !strstr(cure, "%s"))
		return cure;
	for (; (at = strstr(cure, "%s")); cure = at + 2)
		text = tree_format(audit->host->tree, "%s%.*s%s", text, (int)(at - cure), cure, object);
	return tree_format(audit->host->tree, "%s%s", text, cure);
}

const char *audit_subject(const struct audit *audit, const struct finding *finding)
{
	struct tree *tree = audit->host->tree;
	const char *guest = finding->guest ? audit_clean(tree, finding->guest->name) : NULL;

	if (finding->guest && !guest)
		guest = tree_format(tree, "process %d", finding->guest->pid);
	if (guest && finding->object)
		return tree_format(tree, "%s, %s", guest, finding->object);
	return guest ? guest : finding->object ? finding->object : "";
}

void audit_print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			putc(*text, out);
		}
	}
}
