/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CPU_IDLE_H
#define STRAIT_CONTROL_CPU_IDLE_H

#include <sched.h>
#include <stdint.h>

#include "base/error.h"

/* How idle each CPU was between two looks at /proc/stat (proc_stat(5)), whose unit is a hundredth of a second. */
struct cpu_idle {
	int fd;
	uint64_t idle[CPU_SETSIZE];  /* ticks without work, at the last look */
	uint64_t total[CPU_SETSIZE]; /* all ticks */
	float share[CPU_SETSIZE];    /* of the time between the last two looks; 0 for CPUs that are not there */
};

/* 0 or a negative errno. */
int cpu_idle_open(struct cpu_idle *idle);
void cpu_idle_close(struct cpu_idle *idle);

void cpu_idle_look(struct cpu_idle *idle);

/* The share of the idlest CPU in the set. */
double cpu_idle_best(const struct cpu_idle *idle, const cpu_set_t *cpus);

#endif
