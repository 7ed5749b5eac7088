/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CPU_STEAL_H
#define STRAIT_CONTROL_CPU_STEAL_H

#include <sched.h>
#include <stdint.h>

/*
 * For how long the hypervisor ran somebody else on our CPUs (steal in
 * proc_stat(5)), to a hundredth of a second.
 */
struct cpu_steal {
	int fd;
	uint64_t all_ns; /* of all CPUs together, at the last look */
	uint64_t ns[CPU_SETSIZE];
	unsigned count; /* CPUs that are online */
};

/* 0 or a negative errno. */
int cpu_steal_open(struct cpu_steal *steal);
void cpu_steal_close(struct cpu_steal *steal);

void cpu_steal_look(struct cpu_steal *steal);

/* Mean of the CPUs in a set, at the last look. */
uint64_t cpu_steal_of(const struct cpu_steal *steal, const cpu_set_t *cpus);

#endif
