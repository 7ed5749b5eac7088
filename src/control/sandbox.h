/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_SANDBOX_H
#define STRAIT_CONTROL_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * What the daemon takes away from itself once all it needs is open, so that
 * whoever gets hold of it through a guest, a front end or an image has little:
 * the descriptors that are open, and no way to others (docs/THREAT-MODEL.md).
 *
 * Two steps, because rights belong to threads and so are given up before there
 * is a second one, while starting threads needs system calls that nothing
 * afterwards does:
 *
 *   sandbox_init()    who to become. Nothing has changed.
 *   ... open everything, set up the workers' rings ...
 *   sandbox_drop()    another user, no capabilities, no new ones by exec, no path. One thread.
 *   ... start the workers ...
 *   sandbox_filter()  the system calls that are left, for all threads.
 */
enum sandbox_mode {
	SANDBOX_ON,       /* each part that this machine has */
	SANDBOX_REQUIRED, /* all of them, or the daemon does not start */
	SANDBOX_OFF,
};

/* The parts that can be left out one by one. No capabilities and no_new_privs are always there unless it is off. */
enum sandbox_part {
	SANDBOX_USER = 1 << 0,
	SANDBOX_LANDLOCK = 1 << 1,
	SANDBOX_SECCOMP = 1 << 2,
	SANDBOX_IO_URING = 1 << 3, /* the owner of the rings sees to it */
};

struct sandbox_options {
	enum sandbox_mode mode;
	uint32_t without; /* enum sandbox_part */
	const char *user; /* name or number; NULL: "strait", else "nobody" */
};

struct sandbox {
	struct sandbox_options options;
	uid_t uid; /* who it becomes, or is already */
	gid_t gid;
	bool change_user;   /* to uid and gid */
	bool has_groups;    /* uid is in the user database */
	char user[96];      /* as the log has it */
	char landlock[64];  /* what sandbox_drop() came to */
	char seccomp[64];   /* what sandbox_filter() came to */
	bool capabilities;  /* they are gone */
	bool stays_refused; /* the configured user cannot be had: this one is not root */
};

static inline bool sandbox_wants(const struct sandbox_options *options, enum sandbox_part part)
{
	return options->mode != SANDBOX_OFF && !(options->without & part);
}

/*
 * Choose the user. Root becomes options->user; anybody else stays who he is.
 * -EINVAL with err set where options->user does not exist.
 */
int sandbox_init(struct sandbox *sandbox, const struct sandbox_options *options, struct error *err);

/* Both do nothing where the sandbox is off. Negative errno with err set only where it is required. */
int sandbox_drop(struct sandbox *sandbox, struct error *err);
int sandbox_filter(struct sandbox *sandbox, struct error *err);

/* "user nobody, no capabilities, ...": what is on, or, before sandbox_drop(), what would be. */
void sandbox_describe(const struct sandbox *sandbox, bool rings_restricted, char *text, size_t capacity);

/* What of it the program was built with, for --version. */
void sandbox_describe_build(char *text, size_t capacity);

/*
 * The parts. 0 or more is success, a negative errno means that this part is
 * not on.
 */

/* sandbox_user.c: become uid and gid if that is wanted; no capability in any set, as far as that is allowed. */
int sandbox_become(struct sandbox *sandbox);

/*
 * sandbox_landlock.c: no path, no TCP port, and no signal to other processes,
 * except that files may be removed from the count directories of removable, and
 * that this process's own entry in /proc may be read. Returns the version of
 * the kernel's interface.
 */
int sandbox_landlock(const char *const *removable, unsigned count);

/* The version sandbox_landlock() would have, 0 where the kernel has none. */
int sandbox_landlock_version(void);

/*
 * sandbox_seccomp.c: of all system calls those that a daemon makes that has
 * opened everything and started its threads. Any other is logged, and fails
 * with EPERM. Returns how many are allowed.
 */
int sandbox_seccomp(void);

#endif
