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
 * Who else is on the CPUs: a document with a line "PID CPU TICKS COMM" for each process that has run at all. A file
 * for each would be most of a capture.
 */
static void add_line(FILE *out, int proc, const char *pid)
{
	char path[32], text[1024], *end, *at;
	unsigned long long user, system;
	ssize_t length;
	int fd, cpu;

	snprintf(path, sizeof(path), "%.16s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	/* The name is in parentheses, and may have some itself. */
	at = strchr(text, '(');
	end = strrchr(text, ')');
	if (!at || !end || end < at)
		return;
	*end = '\0';
	if (sscanf(end + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %*u %*d %*u "
		   "%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %d",
		   &user, &system, &cpu) != 3)
		return;
	for (char *c = at + 1; *c; c++)
		*c = iscntrl((unsigned char)*c) ? '?' : *c;
	if (user + system)
		fprintf(out, "%s %d %llu %s\n", pid, cpu, user + system, at + 1);
}

static ssize_t provide(void *context, char **text)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	size_t length;
	FILE *out;

	(void)context;
	if (!directory)
		return -errno;
	out = open_memstream(text, &length);
	while (out && (entry = readdir(directory))) {
		if (isdigit((unsigned char)*entry->d_name))
			add_line(out, dirfd(directory), entry->d_name);
	}
	closedir(directory);
	return out && fclose(out) == 0 ? (ssize_t)length : -ENOMEM;
}

void host_counters_processes(struct host *host, struct counter_list *processes)
{
	const char *line;
	int used;

	if (tree_ask_again(host->tree, &line, provide, NULL, "processes-run") <= 0)
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
