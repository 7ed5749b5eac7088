/* SPDX-License-Identifier: Apache-2.0 */
#include "control/cpu_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

int cpu_stat_open(void)
{
	const int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void cpu_stat_read(int fd, void (*line)(void *context, const char *line), void *context)
{
	/* A line is at most 200 bytes long; the lines of CPUs come first. */
	static char text[CPU_SETSIZE * 200];
	ssize_t length = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	char *at = text, *end;

	if (length <= 0)
		return;
	text[length] = '\0';
	while (strncmp(at, "cpu", 3) == 0 && (end = strchr(at, '\n'))) {
		*end = '\0';
		line(context, at);
		at = end + 1;
	}
}
