/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "host/counters.h"

/* Ticks of /proc are hundredths of a second, whatever the kernel's own are. */
#define TICKS_A_SECOND 100
#define WORTH_TELLING  0.01

/* Of counters that may be unknown. */
static double per_second(int64_t before, int64_t now, double seconds)
{
	return before < 0 || now < before ? NAN : (double)(now - before) / seconds;
}

static double per_request(int64_t before_ns, int64_t now_ns, int64_t before, int64_t now)
{
	return before < 0 || before_ns < 0 || now <= before || now_ns < before_ns
		       ? NAN
		       : (double)(now_ns - before_ns) / (double)(now - before);
}

static void measure_processes(struct tree *tree, const struct counter_list *now, struct host_rates *rates)
{
	const struct counter_process *process = now->item;

	rates->process = tree_alloc(tree, (now->count + 1) * sizeof(*rates->process));
	for (size_t i = 0; i < now->count; i++) {
		const double run = (double)process[i].ticks / TICKS_A_SECOND / rates->seconds;

		if (run >= WORTH_TELLING)
			rates->process[rates->process_count++] =
				(struct rate_process){process[i].pid, process[i].comm, run, process[i].cpu};
	}
}

static void measure_quotas(struct tree *tree, const struct counter_list *before, const struct counter_list *now,
			   struct host_rates *rates)
{
	const struct counter_quota *old = before->item, *new = now->item;

	rates->quota = tree_alloc(tree, (now->count + 1) * sizeof(*rates->quota));
	for (size_t i = 0; i < now->count; i++) {
		size_t k = 0;

		while (k < before->count && (old[k].pid != new[i].pid || strcmp(old[k].cgroup, new[i].cgroup)))
			k++;
		if (k < before->count)
			rates->quota[rates->quota_count++] = (struct rate_quota){
				.pid = new[i].pid,
				.cgroup = new[i].cgroup,
				.throttled = per_second(old[k].throttled_us, new[i].throttled_us, rates->seconds) / 1e6,
			};
	}
}

static void measure_groups(struct tree *tree, const struct counter_list *before, const struct counter_list *now,
			   struct host_rates *rates)
{
	const struct counter_group *old = before->item, *new = now->item;
	const double seconds = rates->seconds;

	rates->group = tree_alloc(tree, (now->count + 1) * sizeof(*rates->group));
	for (size_t i = 0; i < now->count; i++) {
		const struct group_io *done = &new[i].done;
		size_t k = 0;

		while (k < before->count && (old[k].pid != new[i].pid || old[k].done.major != done->major ||
					     old[k].done.minor != done->minor))
			k++;
		if (k == before->count)
			continue;
		rates->group[rates->group_count++] = (struct rate_group){
			.pid = new[i].pid,
			.major = done->major,
			.minor = done->minor,
			.reads = per_second(old[k].done.reads, done->reads, seconds),
			.writes = per_second(old[k].done.writes, done->writes, seconds),
			.read_bytes = per_second(old[k].done.read_bytes, done->read_bytes, seconds),
			.write_bytes = per_second(old[k].done.write_bytes, done->write_bytes, seconds),
		};
	}
}

static void measure_disks(struct tree *tree, const struct counter_list *before, const struct counter_list *now,
			  struct host_rates *rates)
{
	const struct counter_guest_disk *old = before->item, *new = now->item;
	const double seconds = rates->seconds;

	rates->guest_disk = tree_alloc(tree, (now->count + 1) * sizeof(*rates->guest_disk));
	for (size_t i = 0; i < now->count; i++) {
		size_t k = 0;

		while (k < before->count && (old[k].pid != new[i].pid || strcmp(old[k].id, new[i].id)))
			k++;
		if (k == before->count)
			continue;
		rates->guest_disk[rates->guest_disk_count++] = (struct rate_guest_disk){
			.pid = new[i].pid,
			.id = new[i].id,
			.reads = per_second(old[k].reads, new[i].reads, seconds),
			.writes = per_second(old[k].writes, new[i].writes, seconds),
			.bytes = per_second(old[k].bytes, new[i].bytes, seconds),
			.flushes = per_second(old[k].flushes, new[i].flushes, seconds),
			.await_ns = per_request(old[k].io_ns, new[i].io_ns, old[k].ios, new[i].ios),
			.flush_await_ns = per_request(old[k].flush_ns, new[i].flush_ns, old[k].flushes, new[i].flushes),
		};
	}
}

void host_rates_of_guests(struct tree *tree, const struct host_counters *before, const struct host_counters *now,
			  struct host_rates *rates)
{
	measure_processes(tree, &now->processes, rates);
	measure_quotas(tree, &before->quotas, &now->quotas, rates);
	measure_groups(tree, &before->groups, &now->groups, rates);
	measure_disks(tree, &before->guest_disks, &now->guest_disks, rates);
}
