/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a capture has of CPUs, memory, interrupts, the kernel's log and counters, and whatever is given as a trace:
 * reading ends, shares are shares, and what was found can be written down.
 *
 * An input is files of a machine of two samples, each after a line "@/path"; all of it is read as a trace, too.
 */
#include "files.h"
#include "input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audit/exits.h"
#include "host/exit_counts.h"
#include "host/exit_text.h"
#include "host/kernel_log.h"
#include "host/kvm.h"
#include "host/model_json.h"
#include "host/tree_parts.h"

static struct tree *make_tree(const char *text, const char *end)
{
	struct tree *tree = tree_new(-1);

	tree->node_max = 1000;
	tree->sample_ns = calloc(2, sizeof(*tree->sample_ns));
	MUST(tree->sample_ns);
	tree->sample_ns[1] = 1000000000;
	tree->sample_count = 2;
	files_add_all(tree, files_find(text, end), end);
	return tree;
}

static void read_log(struct tree *tree)
{
	const struct kernel_log_line *lines;
	const ssize_t count = host_kernel_log(tree, &lines);

	for (ssize_t i = 0; i < count; i++)
		MUST(lines[i].text);
}

static void check_share(double share)
{
	MUST(isnan(share) || (share >= 0 && share <= 1));
}

static void check_rates(const struct host_rates *rates)
{
	for (unsigned i = 0; i < rates->cpu_count; i++) {
		check_share(rates->cpu[i].busy);
		check_share(rates->cpu[i].steal);
	}
	for (unsigned i = 0; i < rates->irq_count; i++)
		check_share(rates->irq[i].most);
	for (unsigned i = 0; i < rates->disk_count; i++)
		check_share(rates->disk[i].utilization);
}

static void judge_exits(struct host *host, const struct host_exits *exits)
{
	const struct exit_summary summary = exits_summarize(host, exits, NULL);
	const struct error none = {0};
	json_t *json = exits_json(exits, &summary, &none);

	exits_worst(&summary);
	MUST(json);
	json_decref(json);
}

static void read_machine(const char *text, const char *end)
{
	struct tree *tree = make_tree(text, end);
	struct host *host = tree_alloc(tree, sizeof(*host));
	struct error why, err;
	struct host_exits exits;
	struct host_kvm kvm;
	json_t *json;

	host->tree = tree;
	host_cpus_read(tree, &host->cpus);
	MUST(host->cpus.count < CPU_LIST_END);
	host_memory_read(tree, &host->memory);
	host_irqs_read(tree, &host->cpus, &host->irqs);
	host_kvm_read(tree, &kvm);
	read_log(tree);
	MUST(host_measure_exits(host, NULL, 0, &exits, &why, &err) == 0);
	check_rates(&host->rates);
	judge_exits(host, &exits);
	json = host_json(host);
	MUST(json);
	json_decref(json);
	tree_close(tree);
}

static void read_trace(const char *text, size_t length)
{
	struct exit_origin origin = {.seconds = 1, .source = "input"};
	struct exit_counts *counts = exit_counts_new();
	FILE *file = length ? fmemopen((void *)text, length, "r") : NULL;
	json_t *json;

	MUST(counts);
	if (file) {
		exit_text_read(counts, file, &origin.lost);
		fclose(file);
	}
	MUST(exit_counts_seconds(counts) >= 0);
	json = exit_counts_json(counts, &origin);
	MUST(json);
	json_decref(json);
	exit_counts_free(counts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	read_machine(text, text + size);
	read_trace(text, size);
	return 0;
}
