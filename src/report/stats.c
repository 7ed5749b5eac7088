/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/table.h"
#include "report/report.h"

static int add_disk(struct client_table *table, const json_t *disk)
{
	const json_t *counters = json_object_get(disk, "counters"), *latency = json_object_get(disk, "latency");
	char count[REPORT_TEXT], read[CLIENT_TEXT], written[CLIENT_TEXT], errors[REPORT_TEXT], under_way[REPORT_TEXT],
		held[REPORT_TEXT], p50[CLIENT_TEXT], p99[CLIENT_TEXT];
	const char *cells[] = {json_string_value(json_object_get(disk, "name")),
			       json_string_value(json_object_get(disk, "state")),
			       report_count(report_number(counters, "requests"), count),
			       client_format_size((uint64_t)report_number(counters, "bytes-read"), read),
			       client_format_size((uint64_t)report_number(counters, "bytes-written"), written),
			       report_count(report_number(counters, "errors"), errors),
			       report_count(report_number(counters, "in-flight"), under_way),
			       report_count(report_number(counters, "held"), held),
			       client_format_ns(report_number(latency, "p50-ns"), p50),
			       client_format_ns(report_number(latency, "p99-ns"), p99)};

	if (report_number(latency, "requests") <= 0)
		cells[8] = cells[9] = "-";
	for (unsigned i = 2; !counters && i < 8; i++)
		cells[i] = "-";
	return client_table_row(table, cells);
}

static int print_disks(const json_t *disks)
{
	static const struct client_column columns[] = {
		{"DISK", false},   {"STATE", false}, {"REQUESTS", true},  {"READ", true},
		{"WRITTEN", true}, {"ERRORS", true}, {"IN FLIGHT", true}, {"HELD", true},
		{"P50", true},     {"P99", true},    {NULL, false},
	};

	return client_table_show(columns, disks, add_disk);
}

static int add_worker(struct client_table *table, const json_t *worker)
{
	char index[REPORT_TEXT], cpu[CLIENT_TEXT], delay[CLIENT_TEXT], idle[CLIENT_TEXT], turns[REPORT_TEXT],
		sleeps[REPORT_TEXT];
	const char *cells[] = {report_count(report_number(worker, "index"), index),
			       json_string_value(json_object_get(worker, "cpus")),
			       client_format_ns(report_number(worker, "cpu-ns"), cpu),
			       client_format_ns(report_number(worker, "run-delay-ns"), delay),
			       client_format_ns(report_number(worker, "idle-ns"), idle),
			       report_count(report_number(worker, "turns"), turns),
			       report_count(report_number(worker, "sleeps"), sleeps)};

	return client_table_row(table, cells);
}

static int print_workers(const json_t *workers)
{
	static const struct client_column columns[] = {
		{"WORKER", true}, {"CPUS", false}, {"CPU TIME", true}, {"NO CPU FOR", true},
		{"IDLE", true},   {"TURNS", true}, {"SLEEPS", true},   {NULL, false},
	};

	return client_table_show(columns, workers, add_worker);
}

/* Everything that is counted of a disk, a line each. */
static void print_counters(const json_t *disk)
{
	const char *name;
	json_t *value;

	printf("\n");
	json_object_foreach(json_object_get(disk, "counters"), name, value)
	{
		const size_t length = strlen(name);
		const bool time = length > 3 && strcmp(name + length - 3, "-ns") == 0;
		char text[CLIENT_TEXT], count[REPORT_TEXT];

		printf("  %.*s%-*s%s\n", (int)(time ? length - 3 : length), name,
		       (int)(time ? 19 - length : 16 - length), time ? " for" : "",
		       time ? client_format_ns(json_number_value(value), text)
			    : report_count(json_number_value(value), count));
	}
}

int report_stats(const json_t *stats, bool single)
{
	const json_t *disks = json_object_get(stats, "disks");
	int ret = print_disks(disks);

	if (ret == 0 && single) {
		print_counters(json_array_get(disks, 0));
		return 0;
	}
	printf("\n");
	return ret == 0 ? print_workers(json_object_get(stats, "workers")) : ret;
}
