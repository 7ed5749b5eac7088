/* SPDX-License-Identifier: Apache-2.0 */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exit_status.h"

struct report {
	int status;
	char line[128]; /* "": nothing to say */
};

static void send_report(struct background *background, const struct report *report)
{
	if (background->report_fd < 0)
		return;
	/* Where nobody waits any more nobody is told. SIGPIPE is ignored by whoever serves. */
	if (write(background->report_fd, report, sizeof(*report)) < 0)
		errno = 0;
	close(background->report_fd);
	background->report_fd = -1;
}

void background_done(struct background *background, const char *format, ...)
{
	struct report report = {.status = EXIT_STATUS_CLEAN};
	va_list args;

	va_start(args, format);
	vsnprintf(report.line, sizeof(report.line), format, args);
	va_end(args);
	send_report(background, &report);
}

/* The process that will be nobody's child, since the one between ends at once. */
static void become(struct background *background, int (*run)(struct background *background, void *context),
		   void *context)
{
	struct report report = {.status = EXIT_STATUS_INTERNAL};
	pid_t pid;

	setsid();
	pid = fork();
	if (pid < 0)
		send_report(background, &report);
	if (pid != 0)
		_exit(0);
	report.status = run(background, context);
	send_report(background, &report);
	exit(report.status);
}

static int await(int fd, pid_t between)
{
	struct report report;
	ssize_t got;

	while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
		continue;
	do {
		got = read(fd, &report, sizeof(report));
	} while (got < 0 && errno == EINTR);
	if (got != sizeof(report)) {
		fprintf(stderr, "straitd: the new process has ended unexpectedly\n");
		return EXIT_STATUS_INTERNAL;
	}
	if (report.line[0])
		puts(report.line);
	return report.status;
}

int background_run(int (*run)(struct background *background, void *context), void *context)
{
	struct background background;
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		fprintf(stderr, "straitd: no pipe: %s\n", strerror(errno));
		return EXIT_STATUS_INTERNAL;
	}
	background.report_fd = ends[1];
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		become(&background, run, context);
	}
	close(ends[1]);
	if (pid < 0)
		fprintf(stderr, "straitd: no process: %s\n", strerror(errno));
	status = pid < 0 ? EXIT_STATUS_INTERNAL : await(ends[0], pid);
	close(ends[0]);
	return status;
}
