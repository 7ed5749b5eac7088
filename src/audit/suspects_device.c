/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/rules_guest.h"
#include "audit/suspect.h"
#include "host/kernel_log.h"

/* Interrupts, exits, and devices that complain. */

#define IRQS_MANY  1000 /* a second, from which on it matters where they go */
#define IRQ_BUSY   0.25 /* of a CPU */
#define ONE_CPU    0.9
#define DROPS_SOME 1
#define EVER       48 /* weight of what was counted since boot, or in all of its life: less than what is measured */

static const struct observed_cpu *cpu_of(const struct observation *seen, unsigned number)
{
	for (unsigned i = 0; i < seen->cpu_count; i++) {
		if (seen->cpu[i].number == number)
			return &seen->cpu[i];
	}
	return NULL;
}

static const struct observed_thread *vcpu_on(const struct observation *seen, unsigned cpu)
{
	for (unsigned i = 0; i < seen->thread_count; i++) {
		const struct cpu_list *allowed = &seen->thread[i].thread->allowed;

		if (seen->thread[i].role == ROLE_VCPU && allowed->count == 1 && allowed->cpu[0] == cpu)
			return &seen->thread[i];
	}
	return NULL;
}

struct on_cpu {
	unsigned cpu, vectors;
	double rate, all;
};

/* The CPU that got most of the interrupts of those devices that the guest's I/O goes through. */
static struct on_cpu busiest(const struct observation *seen)
{
	struct on_cpu most = {0};
	double all = 0;

	for (unsigned i = 0; i < seen->cpu_count; i++) {
		struct on_cpu sum = {.cpu = seen->cpu[i].number};

		for (unsigned k = 0; k < seen->irq_count; k++) {
			const struct observed_irq *irq = &seen->irq[k];

			if (irq->most_cpu != sum.cpu || !irq->total.count || series_mean(&irq->total) < 1)
				continue;
			sum.vectors++;
			sum.rate += series_mean(&irq->total) * series_mean(&irq->most);
		}
		if (sum.rate > most.rate)
			most = sum;
	}
	for (unsigned k = 0; k < seen->irq_count; k++)
		all += seen->irq[k].total.count ? series_mean(&seen->irq[k].total) : 0;
	most.all = all;
	return most;
}

static void look_at_interrupts(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;
	const struct on_cpu most = busiest(seen);
	const struct observed_cpu *cpu = cpu_of(seen, most.cpu);
	const double busy = cpu && cpu->irq.count ? series_mean(&cpu->irq) : 0;
	const struct observed_thread *vcpu = vcpu_on(seen, most.cpu);
	const bool together = most.vectors > 1 && most.rate >= ONE_CPU * most.all && seen->host->cpus.count > 1;

	if (!seen->irq_count) {
		suspect_unknown(suspicion, "no interrupt is known to be of what its I/O goes through");
		return;
	}
	if (most.all < IRQS_MANY || (!together && busy < IRQ_BUSY)) {
		suspect_clear(suspicion, "%.0f interrupts a second of its devices, at most %.0f of them on one CPU",
			      most.all, most.rate);
		return;
	}
	suspect_found(suspicion, suspect_weight(busy, 0.02, 0.6, together ? 52 : 48, 85) + (vcpu ? 3 : 0),
		      "CPU %u got %.0f of %.0f interrupts a second, of %u vectors, and spent %s of its time with "
		      "interrupts%s%s",
		      most.cpu, most.rate, most.all, most.vectors, suspect_share(suspicion, busy),
		      vcpu ? ": it is that of " : "", vcpu ? vcpu->name : "");
	suspect_next(suspicion, "grep -E 'CPU|%s' /proc/interrupts; cat /proc/irq/*/effective_affinity_list",
		     seen->irq[0].irq->device ? seen->irq[0].irq->device : "nvme");
}

static const struct {
	const char *reason;
	double worrying, much;
	const char *meaning;
} limits[] = {
	{"io_exits", 10000, 100000, "port I/O: an emulated device is busy, virtio or passthrough helps"},
	{"mmio_exits", 10000, 100000, "memory-mapped I/O: an emulated device is busy, or doorbells lack ioeventfd"},
	{"pf_taken", 1000, 50000, "faults in nested paging: look at the memory's backing (huge pages, KSM, swap)"},
	{"request_irq_exits", 10000, 100000, "interrupt windows: posted interrupts (APICv, AVIC) help"},
	{"irq_window_exits", 10000, 100000, "interrupt windows: posted interrupts (APICv, AVIC) help"},
	{"irq_exits", 20000, 200000, "interrupts of the host on the vCPU's CPU: move them, or post them"},
	{"signal_exits", 1000, 20000, "its threads are signalled all the time"},
	{"insn_emulation", 20000, 200000, "instructions are emulated"},
};

static void look_at_exits(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;
	double all = NAN;

	if (seen->guest->accelerator && strcmp(seen->guest->accelerator, "kvm")) {
		suspect_unknown(suspicion, "it runs without KVM (%s): there are no exits to count",
				seen->guest->accelerator);
		return;
	}
	for (unsigned i = 0; i < seen->exit_count; i++) {
		const struct observed_exit *exit = &seen->exit[i];
		const double rate = series_mean(&exit->rate);

		if (!strcmp(exit->reason, "exits"))
			all = rate;
		for (size_t k = 0; k < sizeof(limits) / sizeof(*limits); k++) {
			if (strcmp(exit->reason, limits[k].reason) || rate < limits[k].worrying)
				continue;
			suspect_found(suspicion, suspect_weight(rate, limits[k].worrying, limits[k].much, 45, 75),
				      "%.0f a second of %s: %s", rate, exit->reason, limits[k].meaning);
			suspect_next(suspicion, "strait exits %s", suspect_guest(suspicion));
		}
	}
	if (seen->exit_count)
		suspect_clear(suspicion, "%.0f exits a second, no reason above what is usual", isnan(all) ? 0 : all);
	else
		suspect_unknown(suspicion, "KVM's statistics of it could not be read (debugfs, QMP query-stats)");
}

static void look_at_health(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;

	for (unsigned i = 0; i < seen->disk_count; i++) {
		const struct host_block *block = seen->disk[i].block;
		const struct host_nvme_health *nvme = block->nvme;

		if (!seen->disk[i].leaf || block->kind == HOST_BLOCK_PARTITION)
			continue;
		if (!nvme) {
			suspect_unknown(suspicion, "%s: %s", block->name,
					block->nvme_unreadable ? block->nvme_unreadable : "it has no NVMe health log");
			continue;
		}
		if (nvme->critical_warning > 0)
			suspect_found(suspicion, 80, "%s: critical warning 0x%llx", block->name,
				      (unsigned long long)nvme->critical_warning);
		if (nvme->media_errors > 0)
			suspect_found(suspicion, EVER, "%s: %lld media errors", block->name,
				      (long long)nvme->media_errors);
		if (nvme->critical_warning > 0 || nvme->media_errors > 0)
			suspect_next(suspicion, "nvme smart-log /dev/%s", block->name);
		else
			suspect_clear(suspicion, "%s: no warning, no media errors, %lld %% used", block->name,
				      (long long)nvme->percent_used);
	}
	if (!seen->disk_count)
		suspect_unknown(suspicion, "no device of this host is known to be below its disks");
}

static long long known(int64_t count)
{
	return count < 0 ? 0 : (long long)count;
}

static void look_at_link(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;

	for (unsigned i = 0; i < seen->disk_count + seen->guest->hostdev_count; i++) {
		const char *address = i < seen->disk_count ? seen->disk[i].block->pci
							   : seen->guest->hostdev[i - seen->disk_count].address;
		const struct host_pci_device *device = address ? host_pci_find(&seen->host->pci, address) : NULL;

		if (!device || (i < seen->disk_count && !seen->disk[i].leaf))
			continue;
		if (device->aer_fatal > 0 || device->aer_nonfatal > 0)
			suspect_found(suspicion, EVER + 1,
				      "%s: %lld uncorrectable PCIe errors since boot, %lld of them fatal", address,
				      known(device->aer_fatal) + known(device->aer_nonfatal), known(device->aer_fatal));
		if (device->aer_correctable > 100)
			suspect_found(suspicion, 45, "%s: %lld corrected PCIe errors since boot", address,
				      (long long)device->aer_correctable);
		/* A slot that can do no more is a fact, and no cause. */
		if (rule_link_is_low(seen->host, device))
			suspect_found(suspicion, 44, "%s: its link is %s x%lld of %s x%lld", address,
				      device->link_speed ? device->link_speed : "unknown",
				      (long long)device->link_width,
				      device->link_speed_max ? device->link_speed_max : "unknown",
				      (long long)device->link_width_max);
		if (suspicion->cause->state == CAUSE_FOUND)
			suspect_next(suspicion, "lspci -vv -s %s; grep . /sys/bus/pci/devices/%s/aer_*", address,
				     address);
		else
			suspect_clear(suspicion, "%s: no uncorrectable errors, full link", address);
	}
	suspect_unknown(suspicion, "no PCI device is known to be below its disks or passed to it");
}

struct log_word {
	const char *word;
	double now, before; /* weight of a line during the measurement, and of an earlier one */
};

static const struct log_word log_words[] = {
	{"controller is down", 93, 48},
	{"resetting controller", 92, 46},
	{"timeout, aborting", 90, 44},
	{"timeout, reset", 92, 46},
	{"QID timeout", 90, 44},
	{"I/O error", 90, 46},
	{"critical medium error", 90, 46},
	{"critical target error", 88, 44},
	{"exception Emask", 88, 44},
	{"Uncorrect", 85, 42},
	{"PCIe Bus Error", 70, 32},
	{"AER: Corrected", 70, 32},
	{"blocked for more than", 80, 42},
	{"Out of memory", 85, 45},
	{"oom-kill", 85, 45},
	{"soft lockup", 88, 45},
	{"hard LOCKUP", 92, 46},
	{"stalls on CPU", 85, 42},
	{"Hardware Error", 85, 46},
	{"page allocation failure", 75, 38},
	{"NETDEV WATCHDOG", 80, 40},
	{"clocksource: Marking", 60, 40},
	{"throttled", 60, 30},
};

static const struct log_word *find_word(const char *line)
{
	for (size_t i = 0; i < sizeof(log_words) / sizeof(*log_words); i++) {
		if (strstr(line, log_words[i].word))
			return &log_words[i];
	}
	return NULL;
}

/* Lines of hours ago are no cause of what is slow now. */
#define RECENT_SECONDS 3600

static void look_at_log(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;
	const struct kernel_log_line *line;
	const ssize_t count = host_kernel_log(seen->host->tree, &line);
	unsigned older = 0;

	if (count < 0) {
		suspect_unknown(suspicion, "the kernel's log could not be read: %s", strerror((int)-count));
		return;
	}
	/* The latest first: there is room for a few. */
	for (ssize_t i = count - 1; i >= 0; i--) {
		const struct log_word *word = find_word(line[i].text);

		if (!word)
			continue;
		if (line[i].seconds >= seen->began)
			suspect_found(suspicion, word->now, "during the measurement: %s", line[i].text);
		else if (line[i].seconds >= seen->began - RECENT_SECONDS)
			suspect_found(suspicion, word->before, "%.0f s before: %s", seen->began - line[i].seconds,
				      line[i].text);
		else
			older++;
	}
	if (suspicion->cause->state == CAUSE_FOUND)
		suspect_next(suspicion, "journalctl -k --since -1h, or dmesg -T");
	else
		suspect_clear(suspicion, "no complaint of a device or the kernel in the last hour, %u older ones",
			      older);
}

static void look_at_drops(struct suspicion *suspicion)
{
	const struct observation *seen = suspicion->seen;
	bool measured = false;

	for (unsigned i = 0; i < seen->net_count; i++) {
		const struct observed_net *net = &seen->net[i];

		if (!net->dropped.count)
			continue;
		measured = true;
		if (series_mean(&net->dropped) < DROPS_SOME)
			continue;
		suspect_found(suspicion, suspect_weight(series_mean(&net->dropped), DROPS_SOME, 10000, 45, 75),
			      "%s dropped %.0f packets a second of %.0f", net->net->name, series_mean(&net->dropped),
			      series_mean(&net->packets));
		suspect_next(suspicion, "ip -s -s link show %s; ethtool -S %s", net->net->name, net->net->name);
	}
	if (measured)
		suspect_clear(suspicion, "its interfaces dropped nothing");
	else
		suspect_unknown(suspicion, "no interface of this host is known to be the guest's");
}

const struct suspect suspects_device[] = {
	{
		.id = "device.health",
		.title = "an NVMe device reports errors",
		.cure = "Replace it, or move the guest: such errors come before failures.",
		.look = look_at_health,
	},
	{
		.id = "device.log",
		.title = "the kernel complains",
		.cure = "Resets and timeouts stop all of a device's I/O for seconds: firmware, cable, power, slot.",
		.look = look_at_log,
	},
	{
		.id = "device.link",
		.title = "PCIe errors, or a link below what it can do",
		.cure = "Reseat it, another slot; look at the riser.",
		.look = look_at_link,
	},
	{
		.id = "device.interrupts",
		.title = "interrupts meet on one CPU",
		.cure = "Spread them over CPUs near the device and away from vCPUs (smp_affinity_list, irqbalance).",
		.look = look_at_interrupts,
	},
	{
		.id = "device.exits",
		.title = "too many exits",
		.cure = "The reason says which layer asks for them.",
		.look = look_at_exits,
	},
	{
		.id = "device.drops",
		.title = "packets are dropped",
		.cure = "Longer rings, more queues, or a CPU for who should have taken them.",
		.look = look_at_drops,
	},
	{.id = NULL},
};
