/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/exits.h"
#include "audit/clean.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/command.h"
#include "client/table.h"
#include "command.h"
#include "host/exit_counts.h"
#include "host/exit_data.h"
#include "host/exit_text.h"
#include "host_tool.h"
#include "seconds.h"

/* Unless --for says otherwise, in seconds. */
#define USUAL 5
#define BAR   40

static const char *seconds_text, *trace_file;
static bool histograms;

static const struct client_option options[] = {
	HOST_TOOL_FOR(&seconds_text, "look for so long; default: 5"),
	{.name = "histogram", .letter = 'H', .help = "show how the time of each reason is spread", .flag = &histograms},
	{.name = "trace",
	 .letter = 't',
	 .argument = "FILE",
	 .help = "a trace of kvm_exit and kvm_entry that was recorded: trace.dat, or\ntext (\"-\": standard input)",
	 .value = &trace_file},
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait exits",
	.usage = "[OPTION]... [VM]",
	.about = "Show why guests' CPUs leave their guest: exits by reason, how often, how long the host had\n"
		 "the CPU each time, and which rates are worrying. Traced where this may be (root, a kernel\n"
		 "with tracefs), else by KVM's statistics, which have no times.",
	.more = "Examples:\n"
		"  strait exits --for 10 vm3\n"
		"  trace-cmd record -e kvm:kvm_exit -e kvm:kvm_entry sleep 10 && strait exits --trace trace.dat",
	.options = options,
	.operands_max = 1,
	.of_host = true,
	.exits = "0 nothing worrying, 1 worrying rates, 2 wrong usage, 3 neither traced nor counted.",
};

static const struct client_column columns[] = {
	{"EXIT", false}, {"RATE/s", true}, {"SHARE", true}, {"TIME", true}, {"MIN", true},
	{"MEAN", true},  {"p99", true},    {"MAX", true},   {"", false},    {NULL, false},
};

static const char *percent(struct tree *tree, double share)
{
	return isnan(share) ? NULL : tree_format(tree, "%.1f%%", 100 * share);
}

/* What a rate means, where anything is known of it. */
static const char *remark(struct tree *tree, const struct exit_row *row)
{
	if (!row->limit)
		return NULL;
	switch (row->verdict) {
	case EXIT_NORMAL:
		return NULL;
	case EXIT_RAISED:
		return tree_format(tree, "raised: %s, normal below %.0f/s", row->limit->what, row->limit->normal);
	case EXIT_WORRYING:
		return tree_format(tree, "WORRYING: %s above %.0f/s; %s", row->limit->what, row->limit->worrying,
				   row->limit->then);
	default:
		return row->limit->then;
	}
}

static int add_row(struct client_table *table, struct tree *tree, const struct exit_row *row)
{
	const struct hist *taken = row->taken && row->taken->count ? row->taken : NULL;
	char text[4][CLIENT_TEXT];
	const char *const cells[] = {
		row->reason,
		tree_format(tree, row->rate < 10 ? "%.1f" : "%.0f", row->rate),
		percent(tree, row->share),
		percent(tree, row->time),
		taken ? client_format_ns((double)taken->min, text[0]) : NULL,
		taken ? client_format_ns((double)taken->sum / (double)taken->count, text[1]) : NULL,
		taken ? client_format_ns((double)hist_quantile(taken, 0.99), text[2]) : NULL,
		taken ? client_format_ns((double)taken->max, text[3]) : NULL,
		remark(tree, row),
	};

	return client_table_row(table, cells);
}

/* One line for each power of two that any exit took. */
static void print_histogram(struct tree *tree, const struct exit_row *row)
{
	uint64_t sum[64] = {0}, most = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		const uint64_t lower = hist_lower(i);

		sum[lower ? 63 - __builtin_clzll(lower) : 0] += row->taken->bucket[i];
	}
	for (unsigned i = 0; i < 64; i++)
		most = sum[i] > most ? sum[i] : most;
	printf("\n%s\n", audit_clean(tree, row->reason));
	for (unsigned i = 0; i < 64; i++) {
		char from[CLIENT_TEXT];
		const int bar = (int)ceil((double)sum[i] * BAR / (double)most);

		if (sum[i])
			printf("  %9s and more  %9llu  %.*s\n", client_format_ns(i ? (double)(1ull << i) : 0, from),
			       (unsigned long long)sum[i], bar, "########################################");
	}
}

static int print_guest(struct tree *tree, const struct guest_exits *entry)
{
	struct client_table *table = client_table_new(columns);
	int ret = table ? 0 : -ENOMEM;

	printf("%s", entry->guest && entry->guest->name ? audit_clean(tree, entry->guest->name)
		     : entry->pid > 0                   ? tree_format(tree, "process %d", entry->pid)
							: "all threads");
	if (!isnan(entry->rate))
		printf(": %.0f exits/s", entry->rate);
	if (entry->traced)
		printf(" of %u CPU%s\n", entry->threads, entry->threads == 1 ? "" : "s");
	else
		printf(" by KVM's statistics\n");
	for (unsigned i = 0; i < entry->count && ret == 0; i++) {
		if (entry->traced || entry->row[i].rate > 0)
			ret = add_row(table, tree, &entry->row[i]);
	}
	if (ret == 0)
		ret = client_table_print(table);
	client_table_free(table);
	for (unsigned i = 0; histograms && i < entry->count && ret == 0; i++) {
		if (entry->row[i].taken && entry->row[i].taken->count)
			print_histogram(tree, &entry->row[i]);
	}
	return ret;
}

static int print_table(struct host *host, const struct host_exits *exits, const struct exit_summary *summary)
{
	int ret = 0;

	for (unsigned i = 0; i < summary->count && ret == 0; i++) {
		if (i)
			putchar('\n');
		ret = print_guest(host->tree, &summary->guest[i]);
	}
	if (exits->lost)
		printf("%llu events were lost: rates are higher than shown.\n", (unsigned long long)exits->lost);
	return ret < 0 ? command_no_memory(&command) : client_command_flush(&command);
}

static int print_json(const struct host_exits *exits, const struct exit_summary *summary, const struct error *why)
{
	json_t *json = exits_json(exits, summary, why);
	const int code = json ? client_command_print(&command, json) : command_no_memory(&command);

	json_decref(json);
	return code;
}

static int show(const struct client_arguments *arguments, struct host *host, const struct host_exits *exits,
		const struct guest *guest, const struct error *why)
{
	const struct exit_summary summary = exits_summarize(host, exits, guest);
	int code;

	if (why->code)
		fprintf(stderr, "%s: %s\n", command.name, audit_clean(host->tree, why->text));
	if (!summary.count && why->code) {
		fprintf(stderr,
			"%s: KVM's statistics have nothing either: they are in debugfs (root) and in QEMU's answers by "
			"QMP\n",
			command.name);
		return CLIENT_EXIT_FAILED;
	}
	if (!summary.count && !arguments->json)
		fprintf(stderr, "%s: no guest had an exit in %.1f s\n", command.name, exits->seconds);
	code = arguments->json ? print_json(exits, &summary, why) : print_table(host, exits, &summary);
	return code == CLIENT_EXIT_OK && exits_worst(&summary) == EXIT_WORRYING ? CLIENT_EXIT_FINDINGS : code;
}

/* The document of a trace as text. Errors have no name of the file, here and below. */
static char *read_text(FILE *file, struct error *err)
{
	struct exit_counts *counts = exit_counts_new();
	struct exit_origin origin = {.source = trace_file};
	json_t *json = NULL;
	char *text = NULL;

	if (!counts) {
		error_set(err, -ENOMEM, "no memory");
	} else if (exit_text_read(counts, file, &origin.lost) == 0 || ferror(file) ||
		   exit_counts_seconds(counts) <= 0) {
		error_set(err, -EINVAL,
			  "expected a trace with events kvm_exit and kvm_entry, found none: a trace.dat, which is no "
			  "pipe, or text, as \"trace-cmd report\" makes of a trace.dat and \"perf script\" of a "
			  "perf.data");
	} else {
		origin.seconds = exit_counts_seconds(counts);
		json = exit_counts_json(counts, &origin);
		text = json ? json_dumps(json, JSON_COMPACT) : NULL;
		if (!text)
			error_set(err, -ENOMEM, "no memory");
	}
	json_decref(json);
	exit_counts_free(counts);
	return text;
}

/* The document of a trace that was recorded. */
static char *read_trace(struct error *err)
{
	const bool standard = strcmp(trace_file, "-") == 0;
	FILE *file = standard ? stdin : fopen(trace_file, "re");
	char *text;

	if (!file) {
		error_set(err, -errno, "%s", strerror(errno));
		return NULL;
	}
	text = exit_data_is(fileno(file)) ? exit_data_read(fileno(file), trace_file, err) : read_text(file, err);
	if (!standard)
		fclose(file);
	return text;
}

static int show_trace(const struct client_arguments *arguments)
{
	struct error err = {0};
	struct host_exits exits;
	struct host *host;
	struct tree *tree;
	char *text;
	int code = CLIENT_EXIT_FAILED;

	if (arguments->operand_count || arguments->from || seconds_text)
		return client_command_misused(&command, "--trace tells of what it has: leave out VM, --from and --for");
	tree = tree_open_live(&err);
	if (!tree) {
		fprintf(stderr, "%s: %s\n", command.name, err.text);
		return CLIENT_EXIT_FAILED;
	}
	text = read_trace(&err);
	if (text) {
		/* Threads of a trace are no longer those of this machine. */
		host = tree_alloc(tree, sizeof(*host));
		host->tree = tree;
		if (host_exits_parse(tree, text, strlen(text), &exits) == 0)
			code = show(arguments, host, &exits, NULL, &err);
		else
			error_set(&err, -EINVAL, "cannot be read");
	}
	if (err.code)
		fprintf(stderr, "%s: %s: %s\n", command.name, audit_clean(tree, trace_file), err.text);
	free(text);
	tree_close(tree);
	return code;
}

static int show_machine(const struct client_arguments *arguments, struct tree *tree, unsigned seconds)
{
	const struct guest *guest = NULL;
	struct host *host = host_read(tree);
	struct host_exits exits;
	struct error why, err;

	if (arguments->operand_count) {
		guest = host_tool_guest(&command, host, arguments->operands[0]);
		if (!guest)
			return CLIENT_EXIT_FAILED;
		if (guest->accelerator && strcmp(guest->accelerator, "kvm") != 0) {
			fprintf(stderr, "%s: %s: it has no exits, because it runs without KVM (%s)\n", command.name,
				arguments->operands[0], audit_clean(tree, guest->accelerator));
			return CLIENT_EXIT_FAILED;
		}
	}
	if (host_measure_exits(host, guest, seconds * 1000000000ull, &exits, &why, &err) < 0) {
		fprintf(stderr, "%s: %s\n", command.name, err.text);
		return CLIENT_EXIT_FAILED;
	}
	return show(arguments, host, &exits, guest, &why);
}

int command_exits(int argc, char **argv)
{
	struct client_arguments arguments;
	unsigned seconds = USUAL;
	struct tree *tree;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	code = host_tool_seconds(&command, seconds_text, &seconds);
	if (code != CLIENT_GO_ON)
		return code;
	if (trace_file)
		return show_trace(&arguments);
	tree = host_tool_open(&command, &arguments);
	if (!tree)
		return CLIENT_EXIT_FAILED;
	code = show_machine(&arguments, tree, seconds);
	tree_close(tree);
	return code;
}
