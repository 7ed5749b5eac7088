/* SPDX-License-Identifier: Apache-2.0 */
#include "host/rates.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "host/counters.h"

static double per_second(uint64_t before, uint64_t now, double seconds)
{
	return now >= before ? (double)(now - before) / seconds : NAN;
}

/* Of counters that may be unknown; unit is how many of theirs are one of the result's. */
static double rate_of(int64_t before, int64_t now, double unit, double seconds)
{
	return before < 0 || now < before ? NAN : (double)(now - before) / unit / seconds;
}

/* The kernel's idle and iowait have been seen to go back: they have not run then, and nothing else has the more. */
static double forward(uint64_t before, uint64_t now)
{
	return now > before ? (double)(now - before) : 0;
}

static void measure_cpus(struct tree *tree, const struct counter_list *before, const struct counter_list *now,
			 struct host_rates *rates)
{
	const struct counter_cpu *old = before->item, *new = now->item;

	rates->cpu = tree_alloc(tree, (now->count + 1) * sizeof(*rates->cpu));
	for (size_t i = 0, k = 0; i < now->count; i++) {
		double busy, idle, iowait, steal, total;

		/* Both are ascending; CPUs may come and go. */
		while (k < before->count && old[k].number < new[i].number)
			k++;
		if (k == before->count || old[k].number != new[i].number)
			continue;
		busy = forward(old[k].busy, new[i].busy);
		idle = forward(old[k].idle, new[i].idle);
		iowait = forward(old[k].iowait, new[i].iowait);
		steal = forward(old[k].steal, new[i].steal);
		total = busy + idle + iowait + steal;
		if (total <= 0)
			continue;
		rates->cpu[rates->cpu_count++] =
			(struct rate_cpu){new[i].number, busy / total, steal / total, iowait / total,
					  fmin(forward(old[k].irq, new[i].irq), busy) / total};
	}
}

static const struct counter_thread *same_thread(const struct counter_list *list, size_t hint, int pid, int tid)
{
	const struct counter_thread *thread = list->item;

	if (hint < list->count && thread[hint].tid == tid && thread[hint].pid == pid)
		return &thread[hint];
	for (size_t i = 0; i < list->count; i++) {
		if (thread[i].tid == tid && thread[i].pid == pid)
			return &thread[i];
	}
	return NULL;
}

static void measure_threads(struct tree *tree, const struct counter_list *before, const struct counter_list *now,
			    struct host_rates *rates)
{
	const struct counter_thread *new = now->item;

	rates->thread = tree_alloc(tree, (now->count + 1) * sizeof(*rates->thread));
	for (size_t i = 0; i < now->count; i++) {
		const struct counter_thread *old = same_thread(before, i, new[i].pid, new[i].tid);

		if (!old)
			continue;
		rates->thread[rates->thread_count++] = (struct rate_thread){
			.pid = new[i].pid,
			.tid = new[i].tid,
			.comm = new[i].comm,
			.run = rate_of(old->run, new[i].run, 1e9, rates->seconds),
			.delay = rate_of(old->delay, new[i].delay, 1e9, rates->seconds),
			.switches = rate_of(old->switches, new[i].switches, 1, rates->seconds),
			.involuntary = rate_of(old->involuntary, new[i].involuntary, 1, rates->seconds),
			.cpu = new[i].cpu,
		};
	}
}

static struct rate_irq measure_irq(const struct host_cpus *cpus, const struct counter_irq *old,
				   const struct counter_irq *new, double seconds)
{
	struct rate_irq rate = {.number = new->number};
	double all = 0, most = 0;

	for (unsigned i = 0; i < cpus->count; i++) {
		/* The kernel counts in 32 bits. */
		const double more = (uint32_t)(new->counts[i] - old->counts[i]);

		all += more;
		if (more > most) {
			most = more;
			rate.most_cpu = cpus->cpu[i].number;
		}
	}
	rate.total = all / seconds;
	rate.most = all > 0 ? most / all : 0;
	return rate;
}

static void measure_irqs(struct host *host, const struct counter_list *before, const struct counter_list *now,
			 struct host_rates *rates)
{
	const struct counter_irq *old = before->item, *new = now->item;

	rates->irq = tree_alloc(host->tree, (now->count + 1) * sizeof(*rates->irq));
	for (size_t i = 0, k = 0; i < now->count; i++) {
		while (k < before->count && old[k].number < new[i].number)
			k++;
		if (k < before->count && old[k].number == new[i].number)
			rates->irq[rates->irq_count++] = measure_irq(&host->cpus, &old[k], &new[i], rates->seconds);
	}
}

static struct rate_disk measure_disk(const struct counter_disk *old, const struct counter_disk *new, double seconds)
{
	struct rate_disk rate = {
		.name = new->name,
		.reads = per_second(old->reads, new->reads, seconds),
		.writes = per_second(old->writes, new->writes, seconds),
		.read_bytes = 512 * per_second(old->read_sectors, new->read_sectors, seconds),
		.write_bytes = 512 * per_second(old->write_sectors, new->write_sectors, seconds),
		.utilization = per_second(old->busy_ms, new->busy_ms, seconds) / 1e3,
		.depth = per_second(old->queued_ms, new->queued_ms, seconds) / 1e3,
		.await_ns = NAN,
		.read_await_ns = NAN,
		.write_await_ns = NAN,
	};
	const double read_ms = per_second(old->read_ms, new->read_ms, seconds);
	const double write_ms = per_second(old->write_ms, new->write_ms, seconds);

	/* The kernel's clock ticks, ours does not. */
	if (rate.utilization > 1)
		rate.utilization = 1;
	if (rate.reads > 0)
		rate.read_await_ns = 1e6 * read_ms / rate.reads;
	if (rate.writes > 0)
		rate.write_await_ns = 1e6 * write_ms / rate.writes;
	if (rate.reads + rate.writes > 0)
		rate.await_ns = 1e6 * (read_ms + write_ms) / (rate.reads + rate.writes);
	return rate;
}

static void measure_disks(struct tree *tree, const struct counter_list *before, const struct counter_list *now,
			  struct host_rates *rates)
{
	const struct counter_disk *old = before->item, *new = now->item;

	rates->disk = tree_alloc(tree, (now->count + 1) * sizeof(*rates->disk));
	for (size_t i = 0; i < now->count; i++) {
		size_t k = i < before->count && !strcmp(old[i].name, new[i].name) ? i : 0;

		while (k < before->count && strcmp(old[k].name, new[i].name))
			k++;
		if (k < before->count)
			rates->disk[rates->disk_count++] = measure_disk(&old[k], &new[i], rates->seconds);
	}
}

static void measure_nets(struct tree *tree, const struct counter_list *before, const struct counter_list *now,
			 struct host_rates *rates)
{
	const struct counter_net *old = before->item, *new = now->item;
	const double seconds = rates->seconds;

	rates->net = tree_alloc(tree, (now->count + 1) * sizeof(*rates->net));
	for (size_t i = 0; i < now->count; i++) {
		size_t k = i < before->count && !strcmp(old[i].name, new[i].name) ? i : 0;

		while (k < before->count && strcmp(old[k].name, new[i].name))
			k++;
		if (k == before->count)
			continue;
		rates->net[rates->net_count++] = (struct rate_net){
			.name = new[i].name,
			.rx_packets = per_second(old[k].rx_packets, new[i].rx_packets, seconds),
			.tx_packets = per_second(old[k].tx_packets, new[i].tx_packets, seconds),
			.rx_bytes = per_second(old[k].rx_bytes, new[i].rx_bytes, seconds),
			.tx_bytes = per_second(old[k].tx_bytes, new[i].tx_bytes, seconds),
			.rx_dropped = per_second(old[k].rx_dropped, new[i].rx_dropped, seconds),
			.tx_dropped = per_second(old[k].tx_dropped, new[i].tx_dropped, seconds),
		};
	}
}

static void measure_exits(struct tree *tree, const struct counter_list *before, const struct counter_list *now,
			  struct host_rates *rates)
{
	const struct counter_exit *old = before->item, *new = now->item;

	rates->exit = tree_alloc(tree, (now->count + 1) * sizeof(*rates->exit));
	for (size_t i = 0; i < now->count; i++) {
		size_t k = 0;

		while (k < before->count && (old[k].pid != new[i].pid || strcmp(old[k].reason, new[i].reason)))
			k++;
		if (k < before->count)
			rates->exit[rates->exit_count++] = (struct rate_exit){
				new[i].pid, new[i].reason, per_second(old[k].count, new[i].count, rates->seconds)};
	}
}

static struct rate_pressure measure_pressure(struct host_pressure before, struct host_pressure now, double seconds)
{
	return (struct rate_pressure){rate_of(before.some, now.some, 1e6, seconds),
				      rate_of(before.full, now.full, 1e6, seconds)};
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void host_rates_read(struct host *host, struct host_rates *rates)
{
	const struct host_counters *before = host->before, *now = host->now;
	struct tree *tree = host->tree;

	memset(rates, 0, sizeof(*rates));
	if (!before || now->ns <= before->ns)
		return;
	rates->seconds = (double)(now->ns - before->ns) / 1e9;
	measure_cpus(tree, &before->cpus, &now->cpus, rates);
	measure_threads(tree, &before->threads, &now->threads, rates);
	measure_irqs(host, &before->irqs, &now->irqs, rates);
	measure_disks(tree, &before->disks, &now->disks, rates);
	measure_nets(tree, &before->nets, &now->nets, rates);
	measure_exits(tree, &before->exits, &now->exits, rates);
	host_rates_of_guests(tree, before, now, rates);
	rates->cpu_pressure = measure_pressure(before->cpu, now->cpu, rates->seconds);
	rates->io_pressure = measure_pressure(before->io, now->io, rates->seconds);
	rates->memory_pressure = measure_pressure(before->memory, now->memory, rates->seconds);
	rates->dirty = larger(before->dirty, now->dirty);
	rates->writeback = larger(before->writeback, now->writeback);
	rates->swap_in = rate_of(before->swap_in, now->swap_in, 1, rates->seconds);
	rates->swap_out = rate_of(before->swap_out, now->swap_out, 1, rates->seconds);
	rates->reclaim = rate_of(before->reclaimed, now->reclaimed, 1, rates->seconds);
}

void host_measure_begin(struct host *host)
{
	if (!host->now)
		host->now = host_counters_read(host);
}

int host_measure(struct host *host, uint64_t interval_ns, struct error *err)
{
	int ret;

	host_measure_begin(host);
	ret = tree_advance(host->tree, interval_ns);
	if (ret == -ENOENT)
		return error_set(err, ret,
				 "what changes in the machine: expected a capture with at least %u samples, it has %u; "
				 "take it with \"strait capture --for SECONDS\"",
				 tree_sample(host->tree) + 2, tree_sample(host->tree) + 1);
	if (ret < 0)
		return error_set(err, ret, "the machine could not be read again: %s", strerror(-ret));
	host->before = host->now;
	host->now = host_counters_read(host);
	host_rates_read(host, &host->rates);
	return 0;
}

const struct rate_thread *host_rate_of_thread(const struct host_rates *rates, int tid)
{
	for (unsigned i = 0; i < rates->thread_count; i++) {
		if (rates->thread[i].tid == tid)
			return &rates->thread[i];
	}
	return NULL;
}

const struct rate_disk *host_rate_of_disk(const struct host_rates *rates, const char *name)
{
	for (unsigned i = 0; i < rates->disk_count; i++) {
		if (!strcmp(rates->disk[i].name, name))
			return &rates->disk[i];
	}
	return NULL;
}

const struct rate_net *host_rate_of_net(const struct host_rates *rates, const char *name)
{
	for (unsigned i = 0; i < rates->net_count; i++) {
		if (!strcmp(rates->net[i].name, name))
			return &rates->net[i];
	}
	return NULL;
}
