/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_IRQ_H
#define STRAIT_HOST_IRQ_H

#include "host/value.h"

struct host_irq {
	unsigned number;
	const char *action; /* as /proc/interrupts has it: "nvme0q1", "virtio3-req.0" */
	const char *pci;    /* address of the device that raises it; NULL: none, or unknown */
	const char *device; /* what Linux makes of that: nvme0, eth0, vda, else as pci */
	struct cpu_list allowed, effective;
	const uint64_t *counts; /* by CPU, in the order of host_cpus.cpu */
	uint64_t total;
};

/* One of the architecture's own rows of /proc/interrupts: "PIN", "Posted-interrupt notification event". */
struct host_vector {
	const char *name, *about;
	uint64_t total;
};

struct host_irqs {
	struct host_irq *irq; /* in the order of /proc/interrupts, which is that of number */
	unsigned count;
	struct host_vector *vector;
	unsigned vector_count;
	host_answer irqbalance; /* whether it runs; HOST_UNKNOWN where neither it nor systemd left a trace */
	const char *banned;     /* a list of the CPUs it leaves alone; NULL: it does not run */
};

struct host_cpus;
struct tree;
void host_irqs_read(struct tree *tree, const struct host_cpus *cpus, struct host_irqs *irqs);

/* NULL: no such one. */
const struct host_vector *host_vector_find(const struct host_irqs *irqs, const char *name);

/*
 * /proc/interrupts, a row at a time. each() gets the first word without its colon (a number, or an architecture's
 * name), the counts in the order of host_cpus.cpu, and what stands behind them.
 */
typedef void host_interrupt_row(void *context, const char *name, const uint64_t *counts, const char *rest);
void host_interrupts_parse(const struct host_cpus *cpus, const char *text, host_interrupt_row *each, void *context);

#endif
