/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_CPU_H
#define STRAIT_HOST_CPU_H

#include "host/value.h"

struct host_cpu {
	unsigned number;
	int node, package, core;  /* HOST_UNKNOWN; core is unique in the machine */
	struct cpu_list siblings; /* hardware threads of its core, with itself */
	const char *governor;     /* NULL: no frequency scaling here */
	/* The deepest idle state that is used: not disabled, and not slower than who asked by PM QoS allows. */
	int64_t idle_latency_us; /* HOST_UNKNOWN: no cpuidle here */
	const char *idle_state;  /* its name */
};

struct host_node {
	unsigned number;
	struct cpu_list cpus;
	int64_t memory, free; /* bytes */
};

struct host_cpus {
	struct host_cpu *cpu; /* online ones, ascending */
	unsigned count;
	int latency_error; /* why what processes ask of idle states is not known, so that these may be shallower; or 0
			    */
	struct host_node *node;
	unsigned node_count;
	const char *vendor, *model; /* GenuineIntel; "model name" */
	host_answer virtualization; /* vmx or svm */
	host_answer amd;            /* svm */
	host_answer hypervisor;     /* is a guest itself */
	struct cpu_list isolated;   /* from booting, or by cgroups' partitions */
	struct cpu_list nohz_full, rcu_nocbs;
	const char *clocksource;
};

struct tree;
void host_cpus_read(struct tree *tree, struct host_cpus *cpus);

/* NULL: it is not there or not online. */
const struct host_cpu *host_cpu_find(const struct host_cpus *cpus, unsigned number);

/* The one node that all of them are of; HOST_UNKNOWN where there are several or none. */
int host_node_of(const struct host_cpus *cpus, const struct cpu_list *list);

#endif
