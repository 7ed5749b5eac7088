/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_PROCSTAT_H
#define STRAIT_BENCH_PROCSTAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What a process has used so far, all its threads together. The CPU time is
 * exact (its CPU clock, clock_getcpuclockid(3)); how it is divided comes in the
 * kernel's ticks of usually 10 ms (proc(5), /proc/PID/stat). Context switches
 * are summed over the threads alive now, so that those of a thread that ended
 * in between are lost.
 */
struct bench_procstat {
	bool valid;
	double cpu_s;
	double user_s;
	double system_s;
	uint64_t voluntary;   /* gave the CPU up: slept */
	uint64_t involuntary; /* lost the CPU */
};

/* valid is false where the process is gone or hidden. */
void bench_procstat_read(struct bench_procstat *stat, pid_t pid);

/* What was used from before to after; valid only if both are. */
struct bench_procstat bench_procstat_between(const struct bench_procstat *before, const struct bench_procstat *after);

/* The command name of a process (proc(5), comm); "?" where it cannot be read. */
void bench_procstat_name(pid_t pid, char *name, unsigned size);

#endif
