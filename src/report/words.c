/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

const char *const report_stages[REPORT_STAGES] = {"ring", "held", "submit", "backend", "publish", "notify"};

double report_number(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

void report_stage_ns(const json_t *stages, double ns[REPORT_STAGES])
{
	for (unsigned stage = 0; stage < REPORT_STAGES; stage++)
		ns[stage] = report_number(stages, report_stages[stage]);
}

unsigned report_largest(const double ns[REPORT_STAGES])
{
	unsigned largest = 0;

	for (unsigned stage = 1; stage < REPORT_STAGES; stage++) {
		if (ns[stage] > ns[largest])
			largest = stage;
	}
	return largest;
}

char *report_share(double part, double whole, char text[REPORT_TEXT])
{
	const double percent = whole > 0 ? 100 * part / whole : 0;

	if (whole <= 0)
		snprintf(text, REPORT_TEXT, "-");
	else if (percent >= 9.95 || percent < 0.005)
		snprintf(text, REPORT_TEXT, "%.0f%%", percent);
	else
		snprintf(text, REPORT_TEXT, percent < 0.095 ? "%.2f%%" : "%.1f%%", percent);
	return text;
}

char *report_count(double value, char text[REPORT_TEXT])
{
	char digits[REPORT_TEXT];
	size_t length, used = 0;

	snprintf(digits, sizeof(digits), "%" PRIu64, (uint64_t)value);
	length = strlen(digits);
	for (size_t i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text[used++] = ',';
		text[used++] = digits[i];
	}
	text[used] = '\0';
	return text;
}
