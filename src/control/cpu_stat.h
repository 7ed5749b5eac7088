/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CPU_STAT_H
#define STRAIT_CONTROL_CPU_STAT_H

/* The lines of CPUs in /proc/stat (proc_stat(5)), whose unit is a hundredth of a second. Control thread. */

/* A descriptor for cpu_stat_read(), which the caller closes, or a negative errno. */
int cpu_stat_open(void);

/*
 * Call line() with each, the one of all CPUs together first. fd may be -1, and
 * what cannot be read has no lines.
 */
void cpu_stat_read(int fd, void (*line)(void *context, const char *line), void *context);

#endif
