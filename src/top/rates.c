/* SPDX-License-Identifier: Apache-2.0 */
#include "top/rates.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A counter that went back belongs to something else that has the same name. */
static double rate(uint64_t before, uint64_t now, double seconds)
{
	return now >= before ? (double)(now - before) / seconds : NAN;
}

static double share(double part, double whole)
{
	if (isnan(part) || isnan(whole) || whole <= 0)
		return NAN;
	return part < whole ? part / whole : 1;
}

/* NULL where it was not there. Most disks stay in their place. */
static const struct top_disk *disk_before(const struct top_reading *before, const char *name, unsigned place)
{
	if (!before)
		return NULL;
	if (place < before->disk_count && strcmp(before->disks[place].name, name) == 0)
		return &before->disks[place];
	for (unsigned i = 0; i < before->disk_count; i++) {
		if (strcmp(before->disks[i].name, name) == 0)
			return &before->disks[i];
	}
	return NULL;
}

static void take_latency(struct top_row *row, const struct top_latency *latency)
{
	const bool some = latency->requests > 0;

	row->p50_ns = some ? (double)latency->p50_ns : NAN;
	row->p99_ns = some ? (double)latency->p99_ns : NAN;
	row->p999_ns = some ? (double)latency->p999_ns : NAN;
	row->max_ns = some ? (double)latency->max_ns : NAN;
	row->stage_share = some && latency->stage[0] ? latency->stage_share : NAN;
	memcpy(row->stage, some ? latency->stage : "", some ? sizeof(row->stage) : 1);
}

static void rates_of_disk(struct top_row *row, const struct top_counters *before, const struct top_disk *disk,
			  double seconds)
{
	const struct top_counters *now = &disk->counters;
	const double held_ns = rate(before->held_ns, now->held_ns, seconds);

	row->iops = rate(before->requests, now->requests, seconds);
	row->read_iops = rate(before->reads, now->reads, seconds);
	row->write_iops = rate(before->writes, now->writes, seconds);
	row->read_bytes = rate(before->bytes_read, now->bytes_read, seconds);
	row->write_bytes = rate(before->bytes_written, now->bytes_written, seconds);
	row->bytes = row->read_bytes + row->write_bytes;
	row->errors = rate(before->errors, now->errors, seconds);
	if (row->iops > 0) {
		row->kicks = rate(before->kicks, now->kicks, seconds) / row->iops;
		row->calls = rate(before->calls, now->calls, seconds) / row->iops;
		row->held_share = share(held_ns, row->iops * disk->latency.mean_ns);
	}
}

static void take_workers(struct top_row *row, const struct top_disk *disk, const struct top_rates *rates)
{
	for (unsigned i = 0; i < rates->worker_count; i++) {
		const struct top_worker_row *worker = &rates->workers[i];

		if (worker->index >= TOP_MAX_WORKERS || !disk->worker[worker->index] || isnan(worker->cpu))
			continue;
		row->cpu = isnan(row->cpu) || worker->cpu > row->cpu ? worker->cpu : row->cpu;
		row->polls = isnan(row->polls) ? worker->polls : row->polls + worker->polls;
		row->sleeps = isnan(row->sleeps) ? worker->sleeps : row->sleeps + worker->sleeps;
	}
}

static void compute_row(struct top_row *row, const struct top_rates *rates, const struct top_disk *before,
			const struct top_disk *now)
{
	const struct top_latency *latency = &now->latency;

	row->iops = row->read_iops = row->write_iops = row->bytes = row->read_bytes = row->write_bytes = NAN;
	row->errors = row->kicks = row->calls = row->held_share = row->cpu = row->polls = row->sleeps = NAN;
	memcpy(row->name, now->name, sizeof(row->name));
	memcpy(row->state, now->state, sizeof(row->state));
	memcpy(row->group, now->group, sizeof(row->group));
	row->noisy = now->noisy;
	row->pressure = now->pressure;
	row->held = (double)now->counters.held_now;
	take_latency(row, latency);
	/* Little's law; a moment says little of a disk whose requests are short. One that hangs has its moment only. */
	row->depth = (double)now->counters.in_flight;
	if (latency->requests && now->window_ns)
		row->depth = (double)latency->requests * latency->mean_ns / (double)now->window_ns;
	if (before && !isnan(rates->seconds))
		rates_of_disk(row, &before->counters, now, rates->seconds);
	take_workers(row, now, rates);
}

static void compute_worker(struct top_worker_row *row, const struct top_reading *before, const struct top_worker *now,
			   double seconds)
{
	const struct top_worker *was = NULL;

	row->index = now->index;
	row->cpu = row->run_delay = row->polls = row->sleeps = NAN;
	memcpy(row->cpus, now->cpus, sizeof(row->cpus));
	for (unsigned i = 0; before && i < before->worker_count; i++) {
		if (before->workers[i].index == now->index)
			was = &before->workers[i];
	}
	if (!was)
		return;
	row->cpu = share(rate(was->cpu_ns, now->cpu_ns, seconds), 1e9);
	row->run_delay = share(rate(was->run_delay_ns, now->run_delay_ns, seconds), 1e9);
	row->polls = rate(was->turns, now->turns, seconds);
	row->sleeps = rate(was->sleeps, now->sleeps, seconds);
}

int top_rates_compute(struct top_rates *rates, const struct top_reading *before, const struct top_reading *now)
{
	memset(rates, 0, sizeof(*rates));
	if (before && (before->epoch != now->epoch || before->time_ns >= now->time_ns))
		before = NULL;
	rates->seconds = before ? (double)(now->time_ns - before->time_ns) / 1e9 : NAN;
	rates->rows = calloc(now->disk_count + 1, sizeof(*rates->rows));
	rates->workers = calloc(now->worker_count + 1, sizeof(*rates->workers));
	if (!rates->rows || !rates->workers)
		return -ENOMEM;
	for (unsigned i = 0; i < now->worker_count; i++)
		compute_worker(&rates->workers[i], before, &now->workers[i], rates->seconds);
	rates->worker_count = now->worker_count;
	for (unsigned i = 0; i < now->disk_count; i++) {
		struct top_row *row = &rates->rows[i];

		compute_row(row, rates, disk_before(before, now->disks[i].name, i), &now->disks[i]);
		rates->iops += isnan(row->iops) ? 0 : row->iops;
		rates->bytes += isnan(row->bytes) ? 0 : row->bytes;
	}
	rates->count = now->disk_count;
	return 0;
}

void top_rates_free(struct top_rates *rates)
{
	free(rates->rows);
	free(rates->workers);
	memset(rates, 0, sizeof(*rates));
}
