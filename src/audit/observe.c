/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/observe.h"

#include <math.h>
#include <string.h>

#include "audit/rules_guest.h"

void series_add(struct series *series, double value)
{
	if (isnan(value))
		return;
	series->sum += value;
	series->worst = series->count && series->worst > value ? series->worst : value;
	series->count++;
}

double series_mean(const struct series *series)
{
	return series->count ? series->sum / series->count : NAN;
}

static void add_threads(struct observation *seen, enum thread_role role, const struct guest_thread *thread,
			unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct observed_thread *observed = &seen->thread[seen->thread_count++];

		observed->role = role;
		observed->thread = &thread[i];
		observed->cpu = HOST_UNKNOWN;
		if (role == ROLE_VCPU)
			observed->name = tree_format(seen->host->tree, "vCPU %u", thread[i].index);
		else if (thread[i].name && role == ROLE_IOTHREAD)
			observed->name = thread[i].name;
		else if (thread[i].name)
			observed->name = tree_format(seen->host->tree, "%s (%d)", thread[i].name, thread[i].tid);
		else
			observed->name = tree_format(seen->host->tree, "thread %d", thread[i].tid);
	}
}

/* More than any sane stack is deep; a capture may claim any. */
#define DEEPEST 16

static void add_block(struct observation *seen, const struct guest_disk *of, const struct host_block *block,
		      unsigned depth)
{
	const struct host_blocks *blocks = &seen->host->blocks;
	struct observed_disk *disk;

	for (unsigned i = 0; i < seen->disk_count; i++) {
		if (seen->disk[i].block == block)
			return;
	}
	if (seen->disk_count == blocks->count || depth > DEEPEST)
		return;
	disk = &seen->disk[seen->disk_count++];
	disk->block = block;
	disk->of = of;
	disk->leaf = true;
	for (unsigned i = 0; i < block->below_count; i++) {
		const struct host_block *below = host_block_find(blocks, block->below[i]);

		if (!below)
			continue;
		disk->leaf = false;
		add_block(seen, of, below, depth + 1);
	}
}

static void add_disks(struct observation *seen)
{
	const struct guest *guest = seen->guest;

	seen->disk = tree_alloc(seen->host->tree, (seen->host->blocks.count + 1) * sizeof(*seen->disk));
	seen->guest_disk = tree_alloc(seen->host->tree, (guest->disk_count + 1) * sizeof(*seen->guest_disk));
	for (unsigned i = 0; i < guest->disk_count; i++) {
		const struct host_block *block = rule_block_of(seen->host, &guest->disk[i]);

		seen->guest_disk[i].disk = &guest->disk[i];
		if (rule_is_disk(&guest->disk[i]) && block)
			add_block(seen, &guest->disk[i], block, 0);
		for (unsigned k = 0; k < seen->disk_count; k++) {
			if (seen->disk[k].block == block)
				seen->guest_disk[i].below = &seen->disk[k];
		}
	}
}

static void add_net(struct observation *seen, const char *name)
{
	const struct host_net *net = name ? host_net_find(&seen->host->nets, name) : NULL;

	for (unsigned i = 0; i < seen->net_count; i++) {
		if (seen->net[i].net == net)
			return;
	}
	if (net)
		seen->net[seen->net_count++].net = net;
}

/* The guest's own interfaces, and the ports of the bridges they are on. */
static void add_nets(struct observation *seen)
{
	const struct host_nets *nets = &seen->host->nets;

	seen->net = tree_alloc(seen->host->tree, (nets->count + 1) * sizeof(*seen->net));
	for (unsigned i = 0; i < seen->guest->nic_count; i++) {
		const struct host_net *own = host_net_find(nets, seen->guest->nic[i].interface ?: "");

		if (!own)
			continue;
		add_net(seen, own->name);
		for (unsigned k = 0; own->master && k < nets->count; k++) {
			const struct host_net *port = &nets->net[k];

			if (port->kind == HOST_NET_PHYSICAL && port->master && !strcmp(port->master, own->master))
				add_net(seen, port->name);
		}
	}
}

static bool is_at(const char *device, const char *name, const char *pci)
{
	return device && ((name && !strcmp(device, name)) || (pci && !strcmp(device, pci)));
}

/* Whether an interrupt is of a device that the guest's I/O goes through. */
static bool concerns(const struct observation *seen, const struct host_irq *irq)
{
	const char *device = irq->device;

	for (unsigned i = 0; i < seen->disk_count; i++) {
		const struct host_block *block = seen->disk[i].block;

		if (is_at(device, block->controller ? block->controller : block->name, block->pci))
			return true;
	}
	for (unsigned i = 0; i < seen->net_count; i++) {
		if (is_at(device, seen->net[i].net->name, seen->net[i].net->pci))
			return true;
	}
	for (unsigned i = 0; i < seen->guest->hostdev_count; i++) {
		const char *address = seen->guest->hostdev[i].address;

		if (address && (is_at(device, NULL, address) || (irq->action && strstr(irq->action, address))))
			return true;
	}
	return false;
}

static void add_irqs(struct observation *seen)
{
	const struct host_irqs *irqs = &seen->host->irqs;

	seen->irq = tree_alloc(seen->host->tree, (irqs->count + 1) * sizeof(*seen->irq));
	for (unsigned i = 0; i < irqs->count; i++) {
		if (concerns(seen, &irqs->irq[i]))
			seen->irq[seen->irq_count++].irq = &irqs->irq[i];
	}
}

struct observation *observe_begin(struct host *host, const struct guest *guest)
{
	struct observation *seen = tree_alloc(host->tree, sizeof(*seen));

	seen->host = host;
	seen->guest = guest;
	seen->began = (double)tree_sample_ns(host->tree) / 1e9;
	seen->thread = tree_alloc(host->tree, (guest->vcpu_count + guest->iothread_count + guest->other_count + 1) *
						      sizeof(*seen->thread));
	seen->quota = tree_alloc(host->tree, (guest->quota_count + 1) * sizeof(*seen->quota));
	for (unsigned i = 0; i < guest->quota_count; i++)
		seen->quota[i].quota = &guest->quota[i];
	add_threads(seen, ROLE_VCPU, guest->vcpu, guest->vcpu_count);
	add_threads(seen, ROLE_IOTHREAD, guest->iothread, guest->iothread_count);
	add_threads(seen, ROLE_EMULATOR, guest->other, guest->other_count);
	add_disks(seen);
	add_nets(seen);
	add_irqs(seen);
	seen->cpu_count = host->cpus.count;
	seen->cpu = tree_alloc(host->tree, (seen->cpu_count + 1) * sizeof(*seen->cpu));
	for (unsigned i = 0; i < seen->cpu_count; i++)
		seen->cpu[i].number = host->cpus.cpu[i].number;
	return seen;
}
