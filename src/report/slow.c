/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/table.h"
#include "report/report.h"

#define SMALL_PART 0.01 /* of the total, is not named */

/* "backend 97%, ring 3%": the largest first. */
static void describe(const double ns[REPORT_STAGES], double total_ns, char *text, size_t size)
{
	double left[REPORT_STAGES];
	size_t used = 0;

	memcpy(left, ns, sizeof(left));
	text[0] = '\0';
	for (unsigned i = 0; i < REPORT_STAGES && used < size; i++) {
		const unsigned most = report_largest(left);
		char share[REPORT_TEXT];

		if (left[most] <= SMALL_PART * total_ns)
			break;
		used += (size_t)snprintf(text + used, size - used, "%s%s %s", i ? ", " : "", report_stages[most],
					 report_share(left[most], total_ns, share));
		left[most] = 0;
	}
}

static void format_time(double unix_ms, char *text, size_t size)
{
	const time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	size_t used;

	if (!localtime_r(&seconds, &tm)) {
		snprintf(text, size, "-");
		return;
	}
	used = strftime(text, size, "%F %T", &tm);
	snprintf(text + used, size - used, ".%03u", (unsigned)(unix_ms - 1000.0 * (double)seconds));
}

static int add_request(struct client_table *table, const json_t *request)
{
	const double total_ns = report_number(request, "total-ns");
	char at[40], offset[CLIENT_TEXT], length[CLIENT_TEXT], total[CLIENT_TEXT], where[160], depth[REPORT_TEXT],
		queue[REPORT_TEXT], worker[REPORT_TEXT];
	double ns[REPORT_STAGES];
	const char *cells[] = {at,     json_string_value(json_object_get(request, "op")),
			       offset, length,
			       total,  where,
			       depth,  queue,
			       worker, json_string_value(json_object_get(request, "activity"))};

	report_stage_ns(json_object_get(request, "stages"), ns);
	describe(ns, total_ns, where, sizeof(where));
	format_time(report_number(request, "at"), at, sizeof(at));
	snprintf(offset, sizeof(offset), "%lld", (long long)json_integer_value(json_object_get(request, "offset")));
	client_format_size((uint64_t)json_integer_value(json_object_get(request, "length")), length);
	client_format_ns(total_ns, total);
	report_count(report_number(request, "depth"), depth);
	report_count(report_number(request, "queue"), queue);
	report_count(report_number(request, "worker"), worker);
	return client_table_row(table, cells);
}

int report_slow(const json_t *slow)
{
	static const struct client_column columns[] = {
		{"AT", false},    {"OP", false},       {"OFFSET", true}, {"LENGTH", true},
		{"TOTAL", true},  {"WHERE", false},    {"DEPTH", true},  {"QUEUE", true},
		{"WORKER", true}, {"ACTIVITY", false}, {NULL, false},
	};
	const json_t *requests = json_object_get(slow, "requests");
	const char *name = json_string_value(json_object_get(slow, "disk"));
	const double threshold_ns = report_number(slow, "threshold-ns");
	char text[CLIENT_TEXT];

	if (!json_array_size(requests)) {
		printf("%s: no slow requests have been recorded", name);
		if (threshold_ns > 0)
			printf("; those of %s and more are", client_format_ns(threshold_ns, text));
		printf(".\n");
		return 0;
	}
	return client_table_show(columns, requests, add_request);
}
