/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "audit/observe.h"
#include "host/array.h"

static struct observed_cpu *cpu_of(struct observation *seen, int number)
{
	for (unsigned i = 0; i < seen->cpu_count; i++) {
		if ((int)seen->cpu[i].number == number)
			return &seen->cpu[i];
	}
	return NULL;
}

static void take_threads(struct observation *seen, const struct host_rates *rates)
{
	for (unsigned i = 0; i < seen->thread_count; i++) {
		struct observed_thread *observed = &seen->thread[i];
		const struct rate_thread *rate = host_rate_of_thread(rates, observed->thread->tid);
		struct observed_cpu *cpu;

		if (!rate || isnan(rate->run))
			continue;
		series_add(&observed->run, rate->run);
		series_add(&observed->lost, rate->delay);
		series_add(&observed->delay, rate->run + rate->delay > 0 ? rate->delay / (rate->run + rate->delay) : 0);
		observed->cpu = rate->cpu;
		cpu = cpu_of(seen, rate->cpu);
		if (cpu)
			cpu->own += (rate->run - cpu->own) / (seen->samples + 1);
	}
}

static bool is_own(const struct observation *seen, int tid)
{
	for (unsigned i = 0; i < seen->thread_count; i++) {
		if (seen->thread[i].thread->tid == tid)
			return true;
	}
	return seen->guest->pid == tid;
}

static struct observed_other *other_of(struct observation *seen, int pid, int tid)
{
	for (unsigned i = 0; i < seen->other_count; i++) {
		if (seen->other[i].tid == tid && seen->other[i].pid == pid)
			return &seen->other[i];
	}
	if (seen->other_count == seen->other_room) {
		const unsigned room = seen->other_room ? 2 * seen->other_room : 32;
		struct observed_other *more = tree_alloc(seen->host->tree, room * sizeof(*more));

		if (seen->other_count)
			memcpy(more, seen->other, seen->other_count * sizeof(*more));
		seen->other = more;
		seen->other_room = room;
	}
	seen->other[seen->other_count] = (struct observed_other){.pid = pid, .tid = tid};
	return &seen->other[seen->other_count++];
}

static void take_others(struct observation *seen, const struct host_rates *rates)
{
	for (unsigned i = 0; i < rates->thread_count; i++) {
		const struct rate_thread *rate = &rates->thread[i];
		struct observed_other *other;

		if (is_own(seen, rate->tid))
			continue;
		other = other_of(seen, rate->pid, rate->tid);
		other->comm = rate->comm;
		other->cpu = rate->cpu;
		series_add(&other->run, rate->run);
	}
	for (unsigned i = 0; i < rates->process_count; i++) {
		const struct rate_process *rate = &rates->process[i];
		struct observed_other *other;

		if (rate->pid == seen->guest->pid)
			continue;
		other = other_of(seen, rate->pid, 0);
		other->comm = rate->comm;
		other->cpu = rate->cpu;
		series_add(&other->run, rate->run);
	}
}

static void take_disks(struct observation *seen, const struct host_rates *rates)
{
	for (unsigned i = 0; i < seen->disk_count; i++) {
		struct observed_disk *disk = &seen->disk[i];
		const struct rate_disk *rate = host_rate_of_disk(rates, disk->block->name);

		if (!rate)
			continue;
		series_add(&disk->utilization, rate->utilization);
		series_add(&disk->await_ns, rate->await_ns);
		series_add(&disk->ios, rate->reads + rate->writes);
		series_add(&disk->depth, rate->depth);
	}
}

static void take_cpus(struct observation *seen, const struct host_rates *rates)
{
	for (unsigned i = 0; i < rates->cpu_count; i++) {
		struct observed_cpu *cpu = cpu_of(seen, (int)rates->cpu[i].number);

		if (!cpu)
			continue;
		series_add(&cpu->busy, rates->cpu[i].busy);
		series_add(&cpu->steal, rates->cpu[i].steal);
		series_add(&cpu->irq, rates->cpu[i].irq);
	}
}

static void take_irqs(struct observation *seen, const struct host_rates *rates)
{
	for (unsigned i = 0; i < rates->irq_count; i++) {
		for (unsigned k = 0; k < seen->irq_count; k++) {
			if (seen->irq[k].irq->number != rates->irq[i].number)
				continue;
			series_add(&seen->irq[k].total, rates->irq[i].total);
			series_add(&seen->irq[k].most, rates->irq[i].most);
			seen->irq[k].most_cpu = rates->irq[i].most_cpu;
		}
	}
}

static void take_nets(struct observation *seen, const struct host_rates *rates)
{
	for (unsigned i = 0; i < rates->net_count; i++) {
		const struct rate_net *rate = &rates->net[i];

		for (unsigned k = 0; k < seen->net_count; k++) {
			if (strcmp(seen->net[k].net->name, rate->name))
				continue;
			series_add(&seen->net[k].packets, rate->rx_packets + rate->tx_packets);
			series_add(&seen->net[k].dropped, rate->rx_dropped + rate->tx_dropped);
		}
	}
}

static struct observed_exit *exit_of(struct observation *seen, const char *reason)
{
	for (unsigned i = 0; i < seen->exit_count; i++) {
		if (!strcmp(seen->exit[i].reason, reason))
			return &seen->exit[i];
	}
	if (seen->exit_count == seen->exit_room) {
		const unsigned room = seen->exit_room ? 2 * seen->exit_room : 32;
		struct observed_exit *more = tree_alloc(seen->host->tree, room * sizeof(*more));

		if (seen->exit_count)
			memcpy(more, seen->exit, seen->exit_count * sizeof(*more));
		seen->exit = more;
		seen->exit_room = room;
	}
	seen->exit[seen->exit_count] = (struct observed_exit){.reason = reason};
	return &seen->exit[seen->exit_count++];
}

static struct observed_group *group_of(struct observation *seen, unsigned major, unsigned minor)
{
	for (unsigned i = 0; i < seen->group_count; i++) {
		if (seen->group[i].major == major && seen->group[i].minor == minor)
			return &seen->group[i];
	}
	seen->group = array_grow(seen->host->tree, seen->group, seen->group_count, sizeof(*seen->group));
	seen->group[seen->group_count] = (struct observed_group){.major = major, .minor = minor};
	return &seen->group[seen->group_count++];
}

static void take_groups(struct observation *seen, const struct host_rates *rates)
{
	for (unsigned i = 0; i < rates->group_count; i++) {
		const struct rate_group *rate = &rates->group[i];
		struct observed_group *group;

		if (rate->pid != seen->guest->pid)
			continue;
		group = group_of(seen, rate->major, rate->minor);
		series_add(&group->reads, rate->reads);
		series_add(&group->writes, rate->writes);
		series_add(&group->read_bytes, rate->read_bytes);
		series_add(&group->write_bytes, rate->write_bytes);
	}
}

static void take_guest(struct observation *seen, const struct host_rates *rates)
{
	for (unsigned i = 0; i < rates->quota_count; i++) {
		const struct rate_quota *rate = &rates->quota[i];

		for (unsigned k = 0; rate->pid == seen->guest->pid && k < seen->guest->quota_count; k++) {
			if (strcmp(seen->quota[k].quota->cgroup, rate->cgroup) == 0)
				series_add(&seen->quota[k].throttled, rate->throttled);
		}
	}
	for (unsigned i = 0; i < rates->guest_disk_count; i++) {
		const struct rate_guest_disk *rate = &rates->guest_disk[i];

		for (unsigned k = 0; rate->pid == seen->guest->pid && k < seen->guest->disk_count; k++) {
			struct observed_guest_disk *disk = &seen->guest_disk[k];

			if (!disk->disk->id || strcmp(disk->disk->id, rate->id))
				continue;
			series_add(&disk->ios, rate->reads + rate->writes);
			series_add(&disk->bytes, rate->bytes);
			series_add(&disk->await_ns, rate->await_ns);
			series_add(&disk->flush_await_ns, rate->flush_await_ns);
		}
	}
}

void observe_rates(struct observation *seen)
{
	const struct host_rates *rates = &seen->host->rates;

	take_threads(seen, rates);
	take_others(seen, rates);
	take_disks(seen, rates);
	take_cpus(seen, rates);
	take_irqs(seen, rates);
	take_nets(seen, rates);
	for (unsigned i = 0; i < rates->exit_count; i++) {
		if (rates->exit[i].pid == seen->guest->pid)
			series_add(&exit_of(seen, rates->exit[i].reason)->rate, rates->exit[i].rate);
	}
	take_groups(seen, rates);
	take_guest(seen, rates);
	series_add(&seen->cpu_pressure, rates->cpu_pressure.some);
	series_add(&seen->io_pressure, rates->io_pressure.some);
	series_add(&seen->memory_pressure, rates->memory_pressure.some);
	series_add(&seen->dirty, rates->dirty < 0 ? NAN : (double)rates->dirty);
	series_add(&seen->writeback, rates->writeback < 0 ? NAN : (double)rates->writeback);
	series_add(&seen->swap_in, rates->swap_in);
	series_add(&seen->swap_out, rates->swap_out);
	series_add(&seen->reclaim, rates->reclaim);
	seen->seconds += rates->seconds;
	seen->samples++;
}
