/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/procstat.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool read_times(struct bench_procstat *stat, pid_t pid)
{
	const double hertz = (double)sysconf(_SC_CLK_TCK);
	unsigned long long user, system;
	char path[64], line[1024];
	const char *rest;
	FILE *file;
	size_t got;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	got = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[got] = '\0';
	/* The command name, in parentheses, may contain anything, even parentheses. */
	rest = strrchr(line, ')');
	if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
		return false;
	stat->user_s = (double)user / hertz;
	stat->system_s = (double)system / hertz;
	return true;
}

static bool read_clock(struct bench_procstat *stat, pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return false;
	stat->cpu_s = (double)used.tv_sec + (double)used.tv_nsec / 1e9;
	return true;
}

static void add_switches(struct bench_procstat *stat, pid_t pid, const char *task)
{
	unsigned long long value;
	char path[320], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, task);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &value) == 1)
			stat->voluntary += value;
		else if (sscanf(line, "nonvoluntary_ctxt_switches: %llu", &value) == 1)
			stat->involuntary += value;
	}
	fclose(file);
}

void bench_procstat_read(struct bench_procstat *stat, pid_t pid)
{
	char path[64];
	struct dirent *entry;
	DIR *tasks;

	memset(stat, 0, sizeof(*stat));
	if (pid <= 0 || !read_times(stat, pid) || !read_clock(stat, pid))
		return;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return;
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] != '.')
			add_switches(stat, pid, entry->d_name);
	}
	closedir(tasks);
	stat->valid = true;
}

static uint64_t grown(uint64_t before, uint64_t after)
{
	return after > before ? after - before : 0;
}

struct bench_procstat bench_procstat_between(const struct bench_procstat *before, const struct bench_procstat *after)
{
	struct bench_procstat used = {0};

	if (!before->valid || !after->valid)
		return used;
	used.valid = true;
	used.cpu_s = after->cpu_s - before->cpu_s;
	used.user_s = after->user_s - before->user_s;
	used.system_s = after->system_s - before->system_s;
	used.voluntary = grown(before->voluntary, after->voluntary);
	used.involuntary = grown(before->involuntary, after->involuntary);
	return used;
}

void bench_procstat_name(pid_t pid, char *name, unsigned size)
{
	char path[64];
	FILE *file;

	snprintf(name, size, "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, (int)size, file))
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}
