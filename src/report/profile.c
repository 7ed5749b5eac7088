/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "client/table.h"
#include "report/report.h"

static void print_mix(const json_t *profile)
{
	const char *name;
	json_t *share;
	bool any = false;

	printf("  %-14s", "requests");
	json_object_foreach(json_object_get(profile, "mix"), name, share)
	{
		char text[REPORT_TEXT];

		if (json_number_value(share) <= 0)
			continue;
		printf("%s%s %s", any ? ", " : "", report_share(json_number_value(share), 1, text), name);
		any = true;
	}
	printf("%s\n", any ? "" : "none");
}

/* The sizes that make up most of a type of request: "4 KiB 90%, 64 KiB 10%". */
static void print_sizes(const char *name, const json_t *sizes)
{
	double sum = 0;
	const json_t *size;
	bool any = false;
	size_t i;

	json_array_foreach(sizes, i, size) sum += json_number_value(json_array_get(size, 1));
	if (sum <= 0)
		return;
	printf("  %-6s %-7s", name, strlen(name) > 6 ? "" : "sizes");
	json_array_foreach(sizes, i, size)
	{
		const double count = json_number_value(json_array_get(size, 1));
		char bytes[CLIENT_TEXT], share[REPORT_TEXT];

		if (count < sum / 200)
			continue;
		client_format_size((uint64_t)json_integer_value(json_array_get(size, 0)), bytes);
		printf("%sup to %s %s", any ? ", " : "", bytes, report_share(count, sum, share));
		any = true;
	}
	printf("\n");
}

static void print_figures(const json_t *profile)
{
	const json_t *sequential = json_object_get(profile, "sequential"), *depth = json_object_get(profile, "depth");
	char text[CLIENT_TEXT], reads[REPORT_TEXT], writes[REPORT_TEXT];
	const char *name;
	json_t *sizes;

	print_mix(profile);
	json_object_foreach(json_object_get(profile, "sizes"), name, sizes) print_sizes(name, sizes);
	printf("  %-14s%s of reads, %s of writes\n", "sequential",
	       report_share(report_number(sequential, "read"), 1, reads),
	       report_share(report_number(sequential, "write"), 1, writes));
	printf("  %-14s%.1f when a request comes (p99 %.0f), %.1f on average over time\n", "depth",
	       report_number(depth, "mean"), report_number(depth, "p99"), report_number(depth, "under-way"));
	printf("  %-14s%.1f times the average density\n", "arrivals", report_number(profile, "burstiness"));
	printf("  %-14s%s made stable one by one\n", "writes",
	       report_share(report_number(profile, "sync-share"), 1, writes));
	client_format_size((uint64_t)report_number(json_object_get(profile, "working-set"), "bytes"), text);
	printf("  %-14sabout %s in the last minutes\n", "working set", text);
}

int report_profile(const json_t *profile)
{
	const json_t *sentence;
	size_t i;

	printf("%s: %s\n", json_string_value(json_object_get(profile, "disk")),
	       json_string_value(json_object_get(profile, "class")));
	json_array_foreach(json_object_get(profile, "evidence"), i, sentence)
		printf("  - %s\n", json_string_value(sentence));
	if (report_number(profile, "requests") <= 0)
		return 0;
	printf("\nIn %.0f s:\n", (report_number(profile, "to-ns") - report_number(profile, "from-ns")) / 1e9);
	print_figures(profile);
	return 0;
}
