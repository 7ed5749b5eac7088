/* SPDX-License-Identifier: Apache-2.0 */
#include "host/counters.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* More of a kind than any machine has. */
#define COUNTERS_MAX 16384

void *counter_add(struct tree *tree, struct counter_list *list, size_t size)
{
	if (list->count == COUNTERS_MAX) {
		list->full = true;
		return NULL;
	}
	if (list->count == list->room) {
		void *more = tree_alloc(tree, (list->room ? 2 * list->room : 32) * size);

		if (list->count)
			memcpy(more, list->item, list->count * size);
		list->item = more;
		list->room = list->room ? 2 * list->room : 32;
	}
	return (char *)list->item + list->count++ * size;
}

static ssize_t provide_clock(void *context, char **text)
{
	struct timespec now;

	(void)context;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return asprintf(text, "%lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec) < 0 ? -ENOMEM
											      : (ssize_t)strlen(*text);
}

/* Reading all the rest of a sample takes a while, so that when it began is not when it was read. */
static uint64_t read_clock(struct tree *tree)
{
	const char *text;
	uint64_t ns = 0;

	if (tree_ask_again(tree, &text, provide_clock, NULL, "clock") > 0)
		ns = strtoull(text, NULL, 10);
	return ns ? ns : tree_sample_ns(tree);
}

static void read_cpus(struct tree *tree, struct counter_list *cpus)
{
	const char *text;

	if (tree_reread(tree, &text, "/proc/stat") < 0)
		return;
	for (const char *line = text; line && !strncmp(line, "cpu", 3); line = tree_next_line(line)) {
		uint64_t user, nice, system, idle, iowait = 0, irq = 0, softirq = 0, steal = 0;
		unsigned number;
		struct counter_cpu *cpu;

		/* The first line, without a number, is all of them together. */
		if (!isdigit((unsigned char)line[3]) ||
		    sscanf(line,
			   "cpu%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %" SCNu64,
			   &number, &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal) < 5)
			continue;
		cpu = counter_add(tree, cpus, sizeof(*cpu));
		if (cpu)
			*cpu = (struct counter_cpu){
				number, user + nice + system + irq + softirq, idle, iowait, irq + softirq, steal};
	}
}

struct irq_reading {
	struct host *host;
	struct counter_list *irqs;
};

static void add_irq(void *context, const char *name, const uint64_t *counts, const char *rest)
{
	const struct irq_reading *reading = context;
	const size_t cpus = reading->host->cpus.count;
	struct counter_irq *irq;
	char *end;
	const unsigned long number = strtoul(name, &end, 10);

	(void)rest;
	if (end == name || *end || number > INT32_MAX)
		return;
	irq = counter_add(reading->host->tree, reading->irqs, sizeof(*irq));
	if (!irq)
		return;
	irq->number = (unsigned)number;
	irq->counts = tree_alloc(reading->host->tree, (cpus + 1) * sizeof(*irq->counts));
	memcpy(irq->counts, counts, cpus * sizeof(*irq->counts));
}

static void read_irqs(struct host *host, struct counter_list *irqs)
{
	struct irq_reading reading = {host, irqs};
	const char *text;

	if (tree_reread(host->tree, &text, "/proc/interrupts") >= 0)
		host_interrupts_parse(&host->cpus, text, add_irq, &reading);
}

static void read_disks(struct tree *tree, struct counter_list *disks)
{
	const char *text;

	if (tree_reread(tree, &text, "/proc/diskstats") < 0)
		return;
	for (const char *line = *text ? text : NULL; line; line = tree_next_line(line)) {
		struct counter_disk disk, *kept;
		char name[64];

		if (sscanf(line,
			   "%*u %*u %63s %" SCNu64 " %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %" SCNu64 " %" SCNu64
			   " %*u %" SCNu64 " %" SCNu64,
			   name, &disk.reads, &disk.read_sectors, &disk.read_ms, &disk.writes, &disk.write_sectors,
			   &disk.write_ms, &disk.busy_ms, &disk.queued_ms) != 9)
			continue;
		kept = counter_add(tree, disks, sizeof(*kept));
		if (!kept)
			return;
		disk.name = tree_format(tree, "%s", name);
		*kept = disk;
	}
}

static void read_nets(struct tree *tree, struct counter_list *nets)
{
	const char *text;

	if (tree_reread(tree, &text, "/proc/net/dev") < 0)
		return;
	for (const char *line = *text ? text : NULL; line; line = tree_next_line(line)) {
		const char *name = line + strspn(line, " "), *colon = name + strcspn(name, ":\n");
		struct counter_net net, *kept;

		if (*colon != ':' || sscanf(colon + 1,
					    "%" SCNu64 " %" SCNu64 " %*u %" SCNu64 " %*u %*u %*u %*u %" SCNu64
					    " %" SCNu64 " %*u %" SCNu64,
					    &net.rx_bytes, &net.rx_packets, &net.rx_dropped, &net.tx_bytes,
					    &net.tx_packets, &net.tx_dropped) != 6)
			continue;
		kept = counter_add(tree, nets, sizeof(*kept));
		if (!kept)
			return;
		net.name = tree_format(tree, "%.*s", (int)(colon - name), name);
		*kept = net;
	}
}

static struct host_pressure read_pressure(struct tree *tree, const char *name)
{
	const char *text;

	return host_pressure_parse(tree_reread(tree, &text, "/proc/pressure/%s", name) < 0 ? NULL : text);
}

/* A line of /proc/vmstat. */
static int64_t event(const char *text, const char *key)
{
	const size_t length = strlen(key);

	for (const char *line = text; line; line = tree_next_line(line)) {
		if (!strncmp(line, key, length) && line[length] == ' ')
			return strtoll(line + length, NULL, 10);
	}
	return HOST_UNKNOWN;
}

static void read_memory(struct tree *tree, struct host_counters *counters)
{
	const char *text;

	if (tree_reread(tree, &text, "/proc/meminfo") < 0)
		text = NULL;
	counters->dirty = host_meminfo(text, "Dirty");
	counters->writeback = host_meminfo(text, "Writeback");
	if (tree_reread(tree, &text, "/proc/vmstat") < 0)
		text = NULL;
	counters->swap_in = event(text, "pswpin");
	counters->swap_out = event(text, "pswpout");
	counters->reclaimed = event(text, "pgsteal_direct");
}

/* What was left out is not measured, and nobody is to believe it quiet. */
static void tell_left_out(struct tree *tree, const struct host_counters *counters)
{
	const struct {
		const struct counter_list *list;
		const char *path;
	} lists[] = {
		{&counters->cpus, "/proc/stat"},
		{&counters->threads, "/proc/*/task"},
		{&counters->irqs, "/proc/interrupts"},
		{&counters->disks, "/proc/diskstats"},
		{&counters->nets, "/proc/net/dev"},
		{&counters->exits, "/sys/kernel/debug/kvm"},
		{&counters->processes, "/proc/*/stat"},
		{&counters->raw_processes, "/proc/*/stat"},
		{&counters->quotas, "/sys/fs/cgroup/*/cpu.stat"},
		{&counters->groups, "/sys/fs/cgroup/*/io.stat"},
		{&counters->guest_disks, "/.strait/qmp/*/query-blockstats.json"},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (lists[i].list->full)
			tree_note_too_large(tree, "%s", lists[i].path);
	}
}

struct host_counters *host_counters_read(struct host *host)
{
	struct tree *tree = host->tree;
	struct host_counters *counters = tree_alloc(tree, sizeof(*counters));

	counters->ns = read_clock(tree);
	read_cpus(tree, &counters->cpus);
	host_counters_threads(host, &counters->threads);
	read_irqs(host, &counters->irqs);
	read_disks(tree, &counters->disks);
	read_nets(tree, &counters->nets);
	counters->cpu = read_pressure(tree, "cpu");
	counters->io = read_pressure(tree, "io");
	counters->memory = read_pressure(tree, "memory");
	read_memory(tree, counters);
	host_counters_exits(host, &counters->exits);
	host_counters_processes(host, &counters->raw_processes, &counters->processes);
	host_counters_guests(host, counters);
	tell_left_out(tree, counters);
	return counters;
}
