/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/metrics_parts.h"

/* The names are those that Prometheus' own libraries give. */

void metrics_process_open(struct metrics_process *process)
{
	struct timespec now;
	struct rlimit limit;

	process->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	process->fd_directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	process->fd_max = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
	clock_gettime(CLOCK_REALTIME, &now);
	process->start = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void metrics_process_close(struct metrics_process *process)
{
	if (process->statm_fd >= 0)
		close(process->statm_fd);
	if (process->fd_directory >= 0)
		close(process->fd_directory);
}

static void put_memory(int statm_fd, struct metrics_text *text)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	unsigned long long virtual_pages, resident_pages;
	char line[128];
	ssize_t length = pread(statm_fd, line, sizeof(line) - 1, 0);

	if (length <= 0)
		return;
	line[length] = '\0';
	if (sscanf(line, "%llu %llu", &virtual_pages, &resident_pages) != 2)
		return;
	metrics_text_family(text, "process_virtual_memory_bytes", "gauge",
			    "Address space of straitd, guests' memory included.");
	metrics_text_uint(text, "process_virtual_memory_bytes", NULL, virtual_pages * page);
	metrics_text_family(text, "process_resident_memory_bytes", "gauge",
			    "Memory of straitd, with the part of guests' memory that it has touched.");
	metrics_text_uint(text, "process_resident_memory_bytes", NULL, resident_pages * page);
}

/* How many are open is the size of the directory since Linux 6.2, and 0 before. */
static void put_descriptors(const struct metrics_process *process, struct metrics_text *text)
{
	struct stat status;

	if (fstat(process->fd_directory, &status) == 0 && status.st_size > 0) {
		metrics_text_family(text, "process_open_fds", "gauge", "Open file descriptors (Linux 6.2 and later).");
		metrics_text_uint(text, "process_open_fds", NULL, (uint64_t)status.st_size);
	}
	metrics_text_family(text, "process_max_fds", "gauge", "File descriptors that may be open.");
	metrics_text_uint(text, "process_max_fds", NULL, process->fd_max);
}

static uint64_t nanoseconds(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_usec * 1000;
}

void metrics_process_put(const struct metrics_process *process, struct metrics_text *text)
{
	struct rusage usage = {0};

	getrusage(RUSAGE_SELF, &usage);
	metrics_text_family(text, "process_cpu_seconds_total", "counter", "CPU time of all threads of straitd.");
	metrics_text_seconds(text, "process_cpu_seconds_total", NULL,
			     nanoseconds(&usage.ru_utime) + nanoseconds(&usage.ru_stime));
	metrics_text_family(text, "process_start_time_seconds", "gauge", "When straitd was started, since 1970.");
	metrics_text_double(text, "process_start_time_seconds", NULL, process->start);
	put_memory(process->statm_fd, text);
	put_descriptors(process, text);
}
