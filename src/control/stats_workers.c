/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"

#define READINGS_BYTES (STATS_WORKER_READINGS * sizeof(struct stats_worker_reading))

int stats_workers_open(struct stats *stats, struct error *err)
{
	stats->worker_readings =
		mmap(NULL, READINGS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stats->worker_readings == MAP_FAILED) {
		stats->worker_readings = NULL;
		stats->steal.fd = -1;
		return error_set(err, -ENOMEM, "no memory for the statistics of workers");
	}
	if (cpu_steal_open(&stats->steal) < 0)
		log_warning("/proc/stat cannot be read: what the hypervisor takes away (steal) is not known");
	/* How they stand before any has worked. */
	stats_workers_sample(stats, stats->sampled_ns);
	return 0;
}

void stats_workers_close(struct stats *stats)
{
	cpu_steal_close(&stats->steal);
	if (stats->worker_readings)
		munmap(stats->worker_readings, READINGS_BYTES);
}

unsigned stats_worker_count(const struct stats *stats)
{
	return stats->placement->count;
}

static void read_worker(const struct stats *stats, unsigned index, uint64_t word[STATS_WORKER_WORDS])
{
	const struct worker *worker = stats->placement->worker[index];
	const struct worker_counters *counters = worker_counters(worker);
	const struct worker_run_times times = worker_run_times(worker);
	const uint64_t since = __atomic_load_n(&counters->idle_since, __ATOMIC_RELAXED), now = clock_ticks();
	const uint64_t idle = __atomic_load_n(&counters->idle_ticks, __ATOMIC_RELAXED);

	word[STATS_WORKER_CPU_NS] = times.running;
	word[STATS_WORKER_RUN_DELAY_NS] = times.waiting;
	word[STATS_WORKER_TURNS] = __atomic_load_n(&counters->turns, __ATOMIC_RELAXED);
	word[STATS_WORKER_SLEEPS] = __atomic_load_n(&counters->sleeps, __ATOMIC_RELAXED);
	word[STATS_WORKER_IDLE_NS] = clock_ticks_to_ns(idle + (since && now > since ? now - since : 0));
	word[STATS_WORKER_STEAL_NS] = cpu_steal_of(&stats->steal, &stats->placement->cpus[index]);
}

void stats_worker_read(struct stats *stats, unsigned index, uint64_t word[STATS_WORKER_WORDS])
{
	cpu_steal_look(&stats->steal);
	read_worker(stats, index, word);
}

void stats_workers_sample(struct stats *stats, uint64_t now_ns)
{
	struct stats_worker_reading *reading = &stats->worker_readings[stats->reading_next];

	cpu_steal_look(&stats->steal);
	reading->at_ns = now_ns;
	for (unsigned i = 0; i < stats->placement->count; i++)
		read_worker(stats, i, reading->word[i]);
	stats->reading_next = (stats->reading_next + 1) % STATS_WORKER_READINGS;
	if (stats->reading_count < STATS_WORKER_READINGS)
		stats->reading_count++;
}

/* The reading that was taken next to a time; NULL where it is nearer to now, or to the start. */
static const struct stats_worker_reading *reading_at(const struct stats *stats, uint64_t at_ns, uint64_t now_ns)
{
	const struct stats_worker_reading *best = NULL;
	uint64_t distance = now_ns > at_ns ? now_ns - at_ns : 0;

	for (unsigned i = 0; i < stats->reading_count; i++) {
		const struct stats_worker_reading *reading = &stats->worker_readings[i];
		const uint64_t apart = reading->at_ns > at_ns ? reading->at_ns - at_ns : at_ns - reading->at_ns;

		if (apart >= distance)
			continue;
		distance = apart;
		best = reading;
	}
	return best;
}

void stats_worker_between(struct stats *stats, unsigned index, struct stats_covered covered,
			  uint64_t word[STATS_WORKER_WORDS])
{
	const uint64_t now_ns = clock_monotonic_ns();
	const struct stats_worker_reading *from = reading_at(stats, covered.from_ns, now_ns);
	const struct stats_worker_reading *to = reading_at(stats, covered.to_ns, now_ns);

	if (to)
		memcpy(word, to->word[index], sizeof(to->word[index]));
	else
		stats_worker_read(stats, index, word);
	for (unsigned i = 0; i < STATS_WORKER_WORDS; i++) {
		const uint64_t before = from ? from->word[index][i] : word[i];

		/* A worker that was not there yet, or is a new one. */
		word[i] = word[i] > before ? word[i] - before : 0;
	}
}

uint64_t stats_steal_ns(struct stats *stats, unsigned *cpu_count)
{
	cpu_steal_look(&stats->steal);
	*cpu_count = stats->steal.count;
	return stats->steal.all_ns;
}
