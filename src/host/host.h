/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_HOST_H
#define STRAIT_HOST_HOST_H

#include "host/block.h"
#include "host/cpu.h"
#include "host/guest.h"
#include "host/irq.h"
#include "host/memory.h"
#include "host/net.h"
#include "host/pci.h"
#include "host/rates.h"
#include "host/straitd.h"
#include "host/tree.h"

/*
 * A machine and its guests, as they are. Whatever is judged is judged elsewhere.
 *
 * All memory is the tree's. Strings are NULL, numbers HOST_UNKNOWN, where they
 * cannot be known; a yes or no is of type host_answer, which may be HOST_UNKNOWN too.
 * Lists of CPUs and nodes are struct cpu_list.
 */
struct host {
	struct tree *tree;
	const char *name;    /* of the machine */
	const char *kernel;  /* uname -r */
	const char *cmdline; /* of the kernel */
	struct host_cpus cpus;
	struct host_memory memory;
	struct host_irqs irqs;
	struct host_pci pci;
	struct host_blocks blocks;
	struct host_nets nets;
	struct host_straitd straitd;
	struct host_guests guests;
	struct host_rates rates;            /* empty until host_measure() */
	struct host_counters *before, *now; /* its own: what it read last */
};

/* Read all of it. What cannot be read is unknown: never fails. host is the tree's. */
struct host *host_read(struct tree *tree);

/* Advance the tree by one sample and work out what has changed in it: the fields of rates. Once for each sample. */
int host_measure(struct host *host, uint64_t interval_ns, struct error *err);

/* Read now what the first host_measure() would read first: where something else happens between the two. */
void host_measure_begin(struct host *host);

#endif
