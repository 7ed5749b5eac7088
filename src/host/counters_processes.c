/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/counters.h"

/*
 * Who else is on the CPUs: a document with a line "PID CPU TICKS COMM" for each process that ran for so many hundredths
 * of a second since the sample before. Of others nothing is kept, not even that they are there.
 */
struct process_ticks {
	int pid;
	unsigned long long ticks;
};

struct reading {
	struct tree *tree;
	const struct counter_list *before;
	struct counter_list *now;
	FILE *out;
};

static unsigned long long ticks_before(const struct counter_list *list, int pid)
{
	const struct process_ticks *process = list ? list->item : NULL;

	/* Both are in the order of /proc, which is that of numbers. */
	for (size_t low = 0, high = list ? list->count : 0; low < high;) {
		const size_t middle = low + (high - low) / 2;

		if (process[middle].pid == pid)
			return process[middle].ticks;
		if (process[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* Ticks of /proc/PID/stat, and its name, which is in parentheses and may have some itself. */
static const char *read_stat(int proc, const char *pid, char text[1024], unsigned long long *ticks, int *cpu)
{
	unsigned long long user, system;
	char path[32], *begin, *end;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%.16s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	length = read(fd, text, 1023);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	begin = strchr(text, '(');
	end = strrchr(text, ')');
	if (!begin || !end || end < begin)
		return NULL;
	*end = '\0';
	if (sscanf(end + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %*u %*d %*u %*u "
		   "%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %d",
		   &user, &system, cpu) != 3)
		return NULL;
	for (char *c = begin + 1; *c; c++)
		*c = iscntrl((unsigned char)*c) ? '?' : *c;
	*ticks = user + system;
	return begin + 1;
}

static void add_process(struct reading *reading, int proc, const char *pid)
{
	struct process_ticks *kept;
	unsigned long long ticks, before;
	char text[1024];
	int cpu;
	const char *name = read_stat(proc, pid, text, &ticks, &cpu);

	kept = name ? counter_add(reading->tree, reading->now, sizeof(*kept)) : NULL;
	if (!kept)
		return;
	*kept = (struct process_ticks){atoi(pid), ticks};
	before = ticks_before(reading->before, kept->pid);
	/* Of the first sample nobody knows since when. */
	if (reading->before && ticks > before)
		fprintf(reading->out, "%d %d %llu %s\n", kept->pid, cpu, ticks - before, name);
}

static ssize_t provide(void *context, char **text)
{
	struct reading *reading = context;
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	size_t length;

	if (!directory)
		return -errno;
	reading->out = open_memstream(text, &length);
	while (reading->out && (entry = readdir(directory))) {
		if (isdigit((unsigned char)*entry->d_name))
			add_process(reading, dirfd(directory), entry->d_name);
	}
	closedir(directory);
	return reading->out && fclose(reading->out) == 0 ? (ssize_t)length : -ENOMEM;
}

void host_counters_processes(struct host *host, struct counter_list *raw, struct counter_list *processes)
{
	struct reading reading = {host->tree, host->now ? &host->now->raw_processes : NULL, raw, NULL};
	const char *line;
	int used;

	if (tree_ask_again(host->tree, &line, provide, &reading, "processes-run") <= 0)
		return;
	for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		struct counter_process process, *kept;

		if (sscanf(line, "%d %d %" SCNu64 " %n", &process.pid, &process.cpu, &process.ticks, &used) != 3)
			continue;
		kept = counter_add(host->tree, processes, sizeof(*kept));
		if (!kept)
			return;
		process.comm = tree_format(host->tree, "%.*s", (int)strcspn(line + used, "\n"), line + used);
		*kept = process;
	}
}
