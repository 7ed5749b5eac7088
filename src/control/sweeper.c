/* SPDX-License-Identifier: Apache-2.0 */
#include "control/sweeper.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitized.h"
#include "control/sandbox.h"

/* How long to wait for an answer, ms. */
#define PATIENCE_MS 1000

static struct {
	pid_t pid; /* 0: not started */
	int socket;
	unsigned unanswered; /* numbers that it has, and has not been heard of */
	bool late;           /* it did not answer in time: it is not waited for until it has */
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
	if (directories && !STRAIT_SANITIZED)
		sandbox_landlock(directories, known);
}

static _Noreturn void run(int socket, const char *const *paths, unsigned count)
{
	uint32_t number;

	prctl(PR_SET_NAME, "straitd-sweeper");
	keep_rights();
	confine(paths, count);
	while (read(socket, &number, sizeof(number)) == sizeof(number)) {
		if (number < count && paths[number])
			remove_socket(paths[number]);
		/* If the daemon has gone meanwhile there is still the rest to remove. */
		if (send(socket, &number, sizeof(number), MSG_NOSIGNAL) < 0)
			continue;
	}
	_exit(0);
}

/* Nothing else is open in it: a socket or an image that only the sweeper holds would seem to be in use. */
static void close_all_but(int socket)
{
	int null = open("/dev/null", O_RDWR);

	/* Nor would whoever started the daemon hear the end of its output. */
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (socket > 3)
		syscall(SYS_close_range, 3, (unsigned)socket - 1, 0);
	syscall(SYS_close_range, (unsigned)socket + 1, ~0u, 0);
}

int sweeper_start(const char *const *paths, unsigned count, struct error *err)
{
	int ends[2];
	pid_t pid;

	/* A number is a message: it comes as a whole or not at all. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(err, -errno, "the sweeper of sockets cannot be talked to: %s", strerror(errno));
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
	sweeper.socket = ends[1];
	sweeper.unanswered = 0;
	sweeper.late = false;
	sweeper.paths = paths;
	sweeper.count = count;
	return 0;
}

/* Somebody may make a socket of that name as soon as we say that ours has gone. */
static void wait_for_sweeper(void)
{
	struct pollfd poller = {.fd = sweeper.socket, .events = POLLIN};
	uint32_t number;

	while (sweeper.unanswered) {
		if (poll(&poller, 1, sweeper.late ? 0 : PATIENCE_MS) <= 0) {
			sweeper.late = true;
			return;
		}
		if (read(sweeper.socket, &number, sizeof(number)) <= 0)
			return;
		sweeper.unanswered--;
	}
	sweeper.late = false;
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
	if (number == sweeper.count || send(sweeper.socket, &number, sizeof(number), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
	sweeper.unanswered++;
	wait_for_sweeper();
}

void sweeper_stop(void)
{
	if (!sweeper.pid)
		return;
	close(sweeper.socket);
	while (waitpid(sweeper.pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	sweeper.pid = 0;
}
