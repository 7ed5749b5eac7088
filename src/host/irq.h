/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_IRQ_H
#define STRAIT_HOST_IRQ_H

#include "host/value.h"

struct host_irq {
	unsigned number;
	const char *action; /* as /proc/interrupts has it: "nvme0q1", "virtio3-req.0" */
	const char *device; /* what it belongs to: nvme0, eth0, a PCI address; NULL: unknown */
	struct cpu_list allowed, effective;
	const uint64_t *counts; /* by CPU, in the order of host_cpus.cpu */
	uint64_t total;
};

struct host_irqs {
	struct host_irq *irq;
	unsigned count;
	const char *banned; /* CPUs irqbalance leaves alone; NULL: it does not run */
};

struct host_cpus;
struct tree;
void host_irqs_read(struct tree *tree, const struct host_cpus *cpus, struct host_irqs *irqs);

#endif
