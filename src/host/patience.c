/* SPDX-License-Identifier: Apache-2.0 */
#include "host/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20)

/*
 * Where the child writes: all other descriptors but PATIENCE_FILE and those of standard ones, which are /dev/null, are
 * closed in it.
 */
#define OUT  3
#define NONE (-1)

static void write_all(const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		const ssize_t put = write(OUT, at, length);

		if (put < 0 && errno != EINTR)
			_exit(1);
		at += put > 0 ? put : 0;
		length -= put > 0 ? (size_t)put : 0;
	}
}

/*
 * Who reads what we print waits until the last one has closed it: a child that cannot be killed must not have it. What
 * it writes is provide()'s result, then the text.
 */
static void answer(int fd, int file, tree_provide *provide, void *context)
{
	const int first_closed = file == NONE ? OUT + 1 : PATIENCE_FILE + 1;
	char *text = NULL;
	ssize_t length;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Either may be where the other is to be. */
	fd = fcntl(fd, F_DUPFD, PATIENCE_FILE + 1);
	file = file == NONE ? NONE : fcntl(file, F_DUPFD, PATIENCE_FILE + 1);
	if (dup2(fd, OUT) < 0 || (first_closed > PATIENCE_FILE && dup2(file, PATIENCE_FILE) < 0))
		_exit(1);
	/* Where there is no close_range(2), it goes through /proc. */
	closefrom(first_closed);
	null = open("/dev/null", O_RDWR);
	for (int standard = 0; standard < OUT; standard++) {
		if (dup2(null, standard) < 0)
			close(standard);
	}
	closefrom(first_closed);
	length = provide(context, &text);
	write_all(&length, sizeof(length));
	if (length > 0)
		write_all(text, (size_t)length);
	_exit(0);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* All that comes until the other end is closed: 0, with *text, or an error. */
static int receive(int fd, int64_t deadline, char **text, size_t *length)
{
	size_t room = 0;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		const int64_t left = deadline - now_ms();
		ssize_t got;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&ready, 1, left < INT_MAX ? (int)left : INT_MAX) <= 0)
			continue;
		if (*length == room) {
			char *more = realloc(*text, room = room ? room * 2 : 65536);

			if (!more)
				return -ENOMEM;
			*text = more;
		}
		got = read(fd, *text + *length, room - *length);
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return -errno;
		*length += got > 0 ? (size_t)got : 0;
		if (*length > ANSWER_MAX)
			return -E2BIG;
	}
}

/* What came is a result, and as many bytes as it says. */
static ssize_t take(char *text, size_t length)
{
	ssize_t result;

	if (length < sizeof(result))
		return -EPROTO;
	memcpy(&result, text, sizeof(result));
	if (result >= 0 && (size_t)result != length - sizeof(result))
		return -EPROTO;
	memmove(text, text + sizeof(result), length - sizeof(result));
	return result;
}

static ssize_t ask(int file, int64_t deadline, tree_provide *provide, void *context, char **text)
{
	char *received = NULL;
	size_t length = 0;
	ssize_t ret = 0;
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		answer(fds[1], file, provide, context);
	if (child < 0)
		ret = -errno;
	close(fds[1]);
	if (ret == 0)
		ret = receive(fds[0], deadline, &received, &length);
	close(fds[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		/* One that hangs in the kernel does not end now. */
		while (ret != -ETIMEDOUT && waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (ret == 0)
		ret = take(received, length);
	if (ret >= 0)
		*text = received;
	else
		free(received);
	return ret;
}

ssize_t patience_ask(int64_t ms, tree_provide *provide, void *context, char **text)
{
	return ask(NONE, now_ms() + ms, provide, context, text);
}

ssize_t patience_ask_of_file(int fd, int64_t ms, tree_provide *provide, void *context, char **text)
{
	return ask(fd, now_ms() + ms, provide, context, text);
}
