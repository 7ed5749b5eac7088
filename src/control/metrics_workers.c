/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "control/metrics_parts.h"

static const struct {
	enum stats_worker_word word;
	bool seconds;
	const char *name, *help;
} worker_families[] = {
	{STATS_WORKER_CPU_NS, true, "strait_worker_cpu_seconds_total", "CPU time of a worker."},
	{STATS_WORKER_RUN_DELAY_NS, true, "strait_worker_run_delay_seconds_total",
	 "Time a worker was ready to run and had no CPU."},
	{STATS_WORKER_STEAL_NS, true, "strait_worker_steal_seconds_total",
	 "Time the hypervisor ran somebody else on the CPUs a worker may use, their mean."},
	{STATS_WORKER_IDLE_NS, true, "strait_worker_idle_seconds_total",
	 "Time a worker had no work, asleep or looking for some."},
	{STATS_WORKER_TURNS, false, "strait_worker_turns_total", "Turns of a worker's loop."},
	{STATS_WORKER_SLEEPS, false, "strait_worker_sleeps_total", "Times a worker waited in the kernel."},
};

static void put_workers(struct stats *stats, unsigned count, struct metrics_text *text)
{
	uint64_t word[CONFIG_MAX_WORKERS][STATS_WORKER_WORDS];

	for (unsigned i = 0; i < count; i++)
		stats_worker_read(stats, i, word[i]);
	for (size_t i = 0; i < sizeof(worker_families) / sizeof(worker_families[0]); i++) {
		const char *name = worker_families[i].name;

		metrics_text_family(text, name, "counter", worker_families[i].help);
		for (unsigned j = 0; j < count; j++) {
			char number[12];
			const struct metrics_labels labels = {.name = {"worker"}, .value = {number}};

			snprintf(number, sizeof(number), "%u", j);
			if (worker_families[i].seconds)
				metrics_text_seconds(text, name, &labels, word[j][worker_families[i].word]);
			else
				metrics_text_uint(text, name, &labels, word[j][worker_families[i].word]);
		}
	}
}

void metrics_workers_put(struct metrics *metrics, struct metrics_text *text)
{
	struct stats *stats = metrics->daemon->host.stats;
	unsigned cpu_count;
	const uint64_t steal_ns = stats_steal_ns(stats, &cpu_count);

	put_workers(stats, stats_worker_count(stats), text);
	metrics_text_family(text, "strait_host_steal_seconds_total", "counter",
			    "Time the hypervisor ran somebody else, of all CPUs together, since the host was booted.");
	metrics_text_seconds(text, "strait_host_steal_seconds_total", NULL, steal_ns);
	metrics_text_family(text, "strait_host_cpus", "gauge", "CPUs of the host.");
	metrics_text_uint(text, "strait_host_cpus", NULL, cpu_count);
}
