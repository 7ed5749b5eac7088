/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TEST_SANDBOX_ATTEMPTS_H
#define STRAIT_TEST_SANDBOX_ATTEMPTS_H

#include <liburing.h>
#include <sys/types.h>

/* What one might do to get out of a sandbox, what a daemon goes on doing in it, and the world both are done in. */
struct sandbox_world {
	char directory[64];
	char file[96];
	char listening_path[96];
	int file_fd; /* open before the sandbox is */
	int listener;
	int pair[2];
	pid_t victim; /* a process of the same user */
	struct io_uring ring;
};

extern struct sandbox_world world;

enum {
	ALONE_SECCOMP = 1 << 0,  /* seccomp alone keeps it */
	ALONE_LANDLOCK = 1 << 1, /* Landlock alone does, in the version the number says */
	ALONE_RING = 1 << 2,     /* the ring's restriction alone does */
	NEEDS_ROOT = 1 << 3,     /* only root can do it at all */
};

struct attempt {
	const char *name;
	int (*run)(void); /* 0 or more where it worked, else a negative errno */
	unsigned kept;
	int landlock_version;
};

extern const struct attempt escapes[], chores[];
extern const unsigned escape_count, chore_count;

/* Group set-up and clean-up of cmocka. */
int set_world(void **state);
int clear_world(void **state);

/* The world as it is before each attempt, and what of it has to be closed after one. */
void renew_world(void);
void close_world(void);

#endif
