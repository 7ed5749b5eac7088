/* SPDX-License-Identifier: Apache-2.0 */
#include "control/cpu_idle.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/cpu_stat.h"

int cpu_idle_open(struct cpu_idle *idle)
{
	memset(idle, 0, sizeof(*idle));
	idle->fd = cpu_stat_open();
	if (idle->fd < 0)
		return idle->fd;
	cpu_idle_look(idle);
	return 0;
}

void cpu_idle_close(struct cpu_idle *idle)
{
	if (idle->fd >= 0)
		close(idle->fd);
	idle->fd = -1;
}

/* "cpuN user nice system idle iowait irq softirq steal ..." */
static void read_line(void *context, const char *line)
{
	struct cpu_idle *idle = context;
	unsigned long long user, nice, system, idling, iowait, irq, softirq, steal;
	uint64_t idle_now, total_now;
	unsigned cpu;

	if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &user, &nice, &system, &idling, &iowait,
		   &irq, &softirq, &steal) != 9 ||
	    cpu >= CPU_SETSIZE)
		return;
	idle_now = idling + iowait;
	total_now = user + nice + system + idle_now + irq + softirq + steal;
	if (total_now > idle->total[cpu])
		idle->share[cpu] = (float)(idle_now - idle->idle[cpu]) / (float)(total_now - idle->total[cpu]);
	idle->idle[cpu] = idle_now;
	idle->total[cpu] = total_now;
}

void cpu_idle_look(struct cpu_idle *idle)
{
	cpu_stat_read(idle->fd, read_line, idle);
}

double cpu_idle_best(const struct cpu_idle *idle, const cpu_set_t *cpus)
{
	double best = 0;

	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, cpus) && idle->share[cpu] > best)
			best = idle->share[cpu];
	}
	return best;
}
