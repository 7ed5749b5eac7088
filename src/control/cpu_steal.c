/* SPDX-License-Identifier: Apache-2.0 */
#include "control/cpu_steal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/cpu_stat.h"

int cpu_steal_open(struct cpu_steal *steal)
{
	memset(steal, 0, sizeof(*steal));
	steal->fd = cpu_stat_open();
	if (steal->fd < 0)
		return steal->fd;
	cpu_steal_look(steal);
	return 0;
}

void cpu_steal_close(struct cpu_steal *steal)
{
	if (steal->fd >= 0)
		close(steal->fd);
	steal->fd = -1;
}

/* "cpuN user nice system idle iowait irq softirq steal ..."; without N it is the sum of all. */
static void read_line(void *context, const char *line)
{
	struct cpu_steal *steal = context;
	const uint64_t unit_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long long stolen;
	unsigned cpu;

	if (line[3] == ' ') {
		steal->count = 0;
		if (sscanf(line, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &stolen) == 1)
			steal->all_ns = stolen * unit_ns;
	} else if (sscanf(line, "cpu%u %*u %*u %*u %*u %*u %*u %*u %llu", &cpu, &stolen) == 2 && cpu < CPU_SETSIZE) {
		steal->ns[cpu] = stolen * unit_ns;
		steal->count++;
	}
}

void cpu_steal_look(struct cpu_steal *steal)
{
	cpu_stat_read(steal->fd, read_line, steal);
}

uint64_t cpu_steal_of(const struct cpu_steal *steal, const cpu_set_t *cpus)
{
	uint64_t sum = 0;
	unsigned count = 0;

	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, cpus))
			continue;
		sum += steal->ns[cpu];
		count++;
	}
	return count ? sum / count : 0;
}
