/* SPDX-License-Identifier: Apache-2.0 */
#include "control/sweeper.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/sandbox.h"

static struct {
	pid_t pid; /* 0: not started */
	int pipe;
	const char *const *paths;
	unsigned count;
} sweeper;

static void remove_socket(const char *path)
{
	struct stat status;

	if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
		unlink(path);
}

/* The directory of a path, in memory that is never freed; NULL where there is none left. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* The rights that it takes to remove a socket from a directory of somebody else's, a sticky one too. */
static void keep_rights(void)
{
	static const unsigned needed[] = {CAP_DAC_OVERRIDE, CAP_FOWNER};
	bool had[2];

	if (capng_get_caps_process() < 0)
		return;
	for (unsigned i = 0; i < 2; i++)
		had[i] = capng_have_capability(CAPNG_EFFECTIVE, needed[i]);
	capng_clear(CAPNG_SELECT_CAPS);
	for (unsigned i = 0; i < 2; i++) {
		if (had[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, needed[i]);
	}
	capng_apply(CAPNG_SELECT_CAPS);
}

/* It has rights, and so is kept to what they are for. */
static void confine(const char *const *paths, unsigned count)
{
	const char **directories = calloc(count + 1, sizeof(*directories));
	unsigned known = 0;

	for (unsigned i = 0; directories && i < count; i++) {
		if (paths[i] && (directories[known] = directory_of(paths[i])))
			known++;
	}
	if (directories && !SANDBOX_SANITIZED)
		sandbox_landlock(directories, known);
}

static _Noreturn void run(int pipe, const char *const *paths, unsigned count)
{
	uint32_t number;

	prctl(PR_SET_NAME, "straitd-sweeper");
	keep_rights();
	confine(paths, count);
	/* The whole number or nothing: it is shorter than what a pipe tears apart. */
	while (read(pipe, &number, sizeof(number)) == sizeof(number)) {
		if (number < count && paths[number])
			remove_socket(paths[number]);
	}
	_exit(0);
}

/* Nothing else is open in it: a socket or an image that only the sweeper holds would seem to be in use. */
static void close_all_but(int pipe)
{
	int null = open("/dev/null", O_RDWR);

	/* Nor would whoever started the daemon hear the end of its output. */
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (pipe > 3)
		syscall(SYS_close_range, 3, (unsigned)pipe - 1, 0);
	syscall(SYS_close_range, (unsigned)pipe + 1, ~0u, 0);
}

int sweeper_start(const char *const *paths, unsigned count, struct error *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, -errno, "the sweeper of sockets has no pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0) {
		int ret = error_set(err, -errno, "the sweeper of sockets cannot be started: %s", strerror(errno));

		close(ends[0]);
		close(ends[1]);
		return ret;
	}
	if (pid == 0) {
		close_all_but(ends[0]);
		run(ends[0], paths, count);
	}
	close(ends[0]);
	sweeper.pid = pid;
	sweeper.pipe = ends[1];
	sweeper.paths = paths;
	sweeper.count = count;
	return 0;
}

void sweeper_remove(const char *path)
{
	uint32_t number = 0;

	if (!sweeper.pid) {
		remove_socket(path);
		return;
	}
	while (number < sweeper.count && (!sweeper.paths[number] || strcmp(sweeper.paths[number], path) != 0))
		number++;
	/* If the sweeper has gone, so will the file when the next daemon needs its place. */
	if (number < sweeper.count && write(sweeper.pipe, &number, sizeof(number)) < 0)
		return;
}

void sweeper_stop(void)
{
	if (!sweeper.pid)
		return;
	close(sweeper.pipe);
	while (waitpid(sweeper.pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	sweeper.pid = 0;
}
