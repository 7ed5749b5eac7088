/* SPDX-License-Identifier: Apache-2.0 */
#include "control/cpu_steal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cpu_steal_open(struct cpu_steal *steal)
{
	memset(steal, 0, sizeof(*steal));
	steal->fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	if (steal->fd < 0)
		return -errno;
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
static void read_line(struct cpu_steal *steal, const char *line)
{
	const uint64_t unit_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long long stolen;
	unsigned cpu;

	if (line[3] == ' ') {
		if (sscanf(line, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &stolen) == 1)
			steal->all_ns = stolen * unit_ns;
	} else if (sscanf(line, "cpu%u %*u %*u %*u %*u %*u %*u %*u %llu", &cpu, &stolen) == 2 && cpu < CPU_SETSIZE) {
		steal->ns[cpu] = stolen * unit_ns;
		steal->count++;
	}
}

void cpu_steal_look(struct cpu_steal *steal)
{
	/* A line is at most 200 bytes long; the lines of CPUs come first. */
	static char text[CPU_SETSIZE * 200];
	ssize_t length = steal->fd < 0 ? -1 : pread(steal->fd, text, sizeof(text) - 1, 0);
	char *line = text, *end;

	if (length <= 0)
		return;
	text[length] = '\0';
	steal->count = 0;
	while (strncmp(line, "cpu", 3) == 0 && (end = strchr(line, '\n'))) {
		*end = '\0';
		read_line(steal, line);
		line = end + 1;
	}
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
