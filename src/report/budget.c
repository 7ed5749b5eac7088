/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/table.h"
#include "report/report.h"

#define LEVELS     3
#define BAR_MOST   100
#define BAR_BYTES  (BAR_MOST * 4 + REPORT_PARTS * 16) /* characters of Unicode, and colours */
#define MUCH_DELAY 0.1                                /* of the time a worker wanted to run it had to wait */
#define MUCH_STEAL 0.02

static const char letters[] = "rhsbpn";
static const char *const level_names[LEVELS] = {"p50", "p99", "p99.9"};

/* What a stage means, for a sentence. */
static const char *const meanings[REPORT_STAGES] = {
	"waiting in the ring for the worker to look",
	"being held by QoS",
	"being handed to the back end",
	"the back end",
	"done requests waiting to be published",
	"the driver waiting to be called",
};

/* What a budget says of one quantile. */
struct level {
	double ns[REPORT_STAGES], total_ns;
};

static void read_levels(const json_t *budget, struct level level[LEVELS])
{
	const json_t *levels = json_object_get(budget, "levels");

	for (unsigned i = 0; i < LEVELS; i++) {
		const json_t *from = json_array_get(levels, i);

		report_stage_ns(json_object_get(from, "stages"), level[i].ns);
		level[i].total_ns = json_number_value(json_object_get(from, "total-ns"));
	}
}

static double seconds_of(const json_t *budget)
{
	return (report_number(budget, "to-ns") - report_number(budget, "from-ns")) / 1e9;
}

/* "read requests", "requests" where all types are meant. */
static char *requests_of(const json_t *budget, char text[REPORT_TEXT])
{
	const char *op = json_string_value(json_object_get(budget, "op"));

	snprintf(text, REPORT_TEXT, "%s%srequests", op ? op : "", op ? " " : "");
	return text;
}

static void print_head(const json_t *budget)
{
	char count[REPORT_TEXT], op[REPORT_TEXT];

	printf("%s: %s %s in %.1f s\n\n", json_string_value(json_object_get(budget, "disk")),
	       report_count(report_number(budget, "requests"), count), requests_of(budget, op), seconds_of(budget));
}

/* A row of the table: time and share at each level. */
static int add_row(struct client_table *table, const char *name, const double ns[LEVELS], const struct level *level)
{
	char text[LEVELS][CLIENT_TEXT], share[LEVELS][REPORT_TEXT];
	const char *cells[1 + 2 * LEVELS] = {name};

	for (unsigned i = 0; i < LEVELS; i++) {
		cells[1 + 2 * i] = client_format_ns(ns[i], text[i]);
		cells[2 + 2 * i] = report_share(ns[i], level[i].total_ns, share[i]);
	}
	return client_table_row(table, cells);
}

static int print_table(const struct level level[LEVELS])
{
	static const struct client_column columns[] = {
		{"STAGE", false}, {"P50", true},   {"", true}, {"P99", true},
		{"", true},       {"P99.9", true}, {"", true}, {NULL, false},
	};
	struct client_table *table = client_table_new(columns);
	double ns[LEVELS];
	int ret = table ? 0 : -ENOMEM;

	for (unsigned stage = 0; stage < REPORT_STAGES && ret == 0; stage++) {
		for (unsigned i = 0; i < LEVELS; i++)
			ns[i] = level[i].ns[stage];
		ret = add_row(table, report_stages[stage], ns, level);
	}
	for (unsigned i = 0; i < LEVELS; i++)
		ns[i] = level[i].total_ns;
	if (ret == 0)
		ret = add_row(table, "total", ns, level);
	if (ret == 0)
		ret = client_table_print(table);
	client_table_free(table);
	return ret;
}

static void print_picture(const struct level level[LEVELS], const struct report_style *style)
{
	/* "p99.9 |", "| 12.3 us" */
	const unsigned around = 7 + 12;
	unsigned width = style->width > around + 10 ? style->width - around : 10;
	char bar[BAR_BYTES], text[CLIENT_TEXT], mark[32];

	width = width > BAR_MOST ? BAR_MOST : width;
	printf("\n");
	for (unsigned i = 0; i < LEVELS; i++) {
		report_bar(style, level[i].ns, letters, width, bar, sizeof(bar));
		printf("%-5s |%s| %s\n", level_names[i], bar, client_format_ns(level[i].total_ns, text));
	}
	printf("      ");
	for (unsigned stage = 0; stage < REPORT_STAGES; stage++) {
		report_mark(style, stage, letters, mark, sizeof(mark));
		printf(" %s %s", mark, report_stages[stage]);
	}
	printf("\n");
}

/* What the host took away, and whose fault it is then. */
static void print_host(const json_t *budget)
{
	const json_t *host = json_object_get(budget, "host");
	const double delay = report_number(host, "run-delay-share"), steal = report_number(host, "steal-share");
	const size_t workers = json_array_size(json_object_get(host, "workers"));
	char text[CLIENT_TEXT], share[REPORT_TEXT];

	if (!workers) {
		printf("Host: no worker has queues of the disk now.\n");
		return;
	}
	printf("Host: its %s waited %s for a CPU, %s of the time that %s wanted to run; ",
	       workers == 1 ? "worker" : "workers", client_format_ns(report_number(host, "run-delay-ns"), text),
	       report_share(delay, 1, share), workers == 1 ? "it" : "they");
	printf("the hypervisor stole %s, %s of the time.\n", client_format_ns(report_number(host, "steal-ns"), text),
	       report_share(steal, 1, share));
	if (delay >= MUCH_DELAY)
		printf("The thread did not run: what waits for a CPU shows in every stage, the back end's included. "
		       "Give the "
		       "worker a CPU of its own (worker-cpus).\n");
	else if (steal >= MUCH_STEAL)
		printf("The machine did not run: the hypervisor has given its CPUs to others.\n");
}

static void print_sentence(const struct level level[LEVELS])
{
	const unsigned most = report_largest(level[1].ns);
	char share[REPORT_TEXT];

	printf("\n%s of p99 is %s: %s.\n", level[1].ns[most] * 2 >= level[1].total_ns ? "Most" : "The largest part",
	       meanings[most], report_share(level[1].ns[most], level[1].total_ns, share));
}

int report_budget(const json_t *budget, const struct report_style *style)
{
	struct level level[LEVELS];
	int ret;

	read_levels(budget, level);
	print_head(budget);
	if (report_number(budget, "requests") == 0) {
		printf("No requests in that time: there is nothing to tell apart.\n");
		return 0;
	}
	ret = print_table(level);
	if (ret < 0)
		return ret;
	print_picture(level, style);
	print_sentence(level);
	print_host(budget);
	return 0;
}

static char *format_change(double change_ns, char text[CLIENT_TEXT])
{
	char size[CLIENT_TEXT];

	if (change_ns > -0.5 && change_ns < 0.5)
		snprintf(text, CLIENT_TEXT, "=");
	else
		snprintf(text, CLIENT_TEXT, "%c%.30s", change_ns < 0 ? '-' : '+',
			 client_format_ns(change_ns < 0 ? -change_ns : change_ns, size));
	return text;
}

static int add_change(struct client_table *table, const char *name, const double now[LEVELS],
		      const double before[LEVELS])
{
	char text[LEVELS][CLIENT_TEXT], change[LEVELS][CLIENT_TEXT];
	const char *cells[1 + 2 * LEVELS] = {name};

	for (unsigned i = 0; i < LEVELS; i++) {
		cells[1 + 2 * i] = client_format_ns(now[i], text[i]);
		cells[2 + 2 * i] = format_change(now[i] - before[i], change[i]);
	}
	return client_table_row(table, cells);
}

static int print_changes(const struct level now[LEVELS], const struct level before[LEVELS])
{
	static const struct client_column columns[] = {
		{"STAGE", false}, {"P50", true},   {"CHANGE", true}, {"P99", true},
		{"CHANGE", true}, {"P99.9", true}, {"CHANGE", true}, {NULL, false},
	};
	struct client_table *table = client_table_new(columns);
	double is[LEVELS], was[LEVELS];
	int ret = table ? 0 : -ENOMEM;

	for (unsigned stage = 0; stage <= REPORT_STAGES && ret == 0; stage++) {
		const bool total = stage == REPORT_STAGES;

		for (unsigned i = 0; i < LEVELS; i++) {
			is[i] = total ? now[i].total_ns : now[i].ns[stage];
			was[i] = total ? before[i].total_ns : before[i].ns[stage];
		}
		ret = add_change(table, total ? "total" : report_stages[stage], is, was);
	}
	if (ret == 0)
		ret = client_table_print(table);
	client_table_free(table);
	return ret;
}

static void print_difference(const struct level *now, const struct level *before)
{
	const double change = now->total_ns - before->total_ns;
	double by[REPORT_STAGES];
	char text[CLIENT_TEXT], part[CLIENT_TEXT];
	unsigned most;

	for (unsigned stage = 0; stage < REPORT_STAGES; stage++)
		by[stage] = (now->ns[stage] - before->ns[stage]) * (change < 0 ? -1 : 1);
	most = report_largest(by);
	/* Buckets are a hundredth wide. */
	if (change * change < before->total_ns * before->total_ns * 0.02 * 0.02)
		printf("\np99 is the same.\n");
	else
		printf("\np99 is %s %s; %s of it is %s.\n", client_format_ns(change < 0 ? -change : change, text),
		       change < 0 ? "shorter" : "longer", client_format_ns(by[most], part), meanings[most]);
}

int report_compared(const json_t *now, const json_t *before)
{
	struct level is[LEVELS], was[LEVELS];
	char count[2][REPORT_TEXT], op[REPORT_TEXT];
	int ret;

	read_levels(now, is);
	read_levels(before, was);
	printf("%s: %s %s in the last %.1f s, against %s in the %.1f s before\n\n",
	       json_string_value(json_object_get(now, "disk")), report_count(report_number(now, "requests"), count[0]),
	       requests_of(now, op), seconds_of(now), report_count(report_number(before, "requests"), count[1]),
	       seconds_of(before));
	ret = print_changes(is, was);
	if (ret < 0)
		return ret;
	if (report_number(now, "requests") > 0 && report_number(before, "requests") > 0)
		print_difference(&is[1], &was[1]);
	return 0;
}

static int add_budget(struct client_table *table, const json_t *disk)
{
	const json_t *latency = json_object_get(disk, "latency");
	const char *stage = json_string_value(json_object_get(latency, "dominant-stage"));
	char count[REPORT_TEXT], share[REPORT_TEXT], p50[CLIENT_TEXT], p99[CLIENT_TEXT], p999[CLIENT_TEXT];
	const char *cells[] = {json_string_value(json_object_get(disk, "name")),
			       report_count(report_number(latency, "requests"), count),
			       client_format_ns(report_number(latency, "p50-ns"), p50),
			       client_format_ns(report_number(latency, "p99-ns"), p99),
			       client_format_ns(report_number(latency, "p999-ns"), p999),
			       stage,
			       report_share(report_number(latency, "dominant-share"), 1, share)};

	if (!stage) {
		cells[2] = cells[3] = cells[4] = cells[6] = "-";
		cells[5] = latency ? "no requests" : json_string_value(json_object_get(disk, "state"));
	}
	return client_table_row(table, cells);
}

int report_budgets(const json_t *stats)
{
	static const struct client_column columns[] = {
		{"DISK", false}, {"REQUESTS", true}, {"P50", true},   {"P99", true},
		{"P99.9", true}, {"P99 IS", false},  {"SHARE", true}, {NULL, false},
	};

	return client_table_show(columns, json_object_get(stats, "disks"), add_budget);
}
