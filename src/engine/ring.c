/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned flags;
} profiles[RING_PROFILE_COUNT] = {
	[RING_DEFER_TASKRUN] = {"deferred task work", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
							      IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL},
	[RING_COOP_TASKRUN] = {"cooperative task work",
			       IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL},
	[RING_PLAIN] = {"plain", 0},
};

/*
 * What cannot be tried without waiting (syncs, discards, some files' reads) the
 * kernel does on threads of its own, which come and go as needed; by itself it
 * has no more than four a CPU for a worker. One disk that hangs could hold all
 * of these, and the others that share the worker would stand still.
 */
#define BACKGROUND_THREADS 256

static void allow_background_threads(struct io_uring *ring)
{
	unsigned limits[2] = {BACKGROUND_THREADS, 0}; /* 0: as it is */

	io_uring_register_iowq_max_workers(ring, limits); /* 5.15 */
}

int ring_setup(struct io_uring *ring, unsigned entries, enum ring_profile best, enum ring_profile *profile,
	       struct error *err)
{
	int ret = -EINVAL;

	for (*profile = best; *profile < RING_PROFILE_COUNT; ++*profile) {
		struct io_uring_params params = {
			.flags = profiles[*profile].flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
				 IORING_SETUP_R_DISABLED,
			.cq_entries = entries * 4,
		};

		ret = io_uring_queue_init_params(entries, ring, &params);
		if (ret == 0) {
			allow_background_threads(ring);
			return 0;
		}
		if (ret != -EINVAL)
			break;
	}
	return error_set(err, ret, "io_uring with %u entries: %s%s", entries, strerror(-ret),
			 ret == -EPERM || ret == -ENOSYS ? " (is it forbidden by a container or by "
							   "kernel.io_uring_disabled?)"
			 : ret == -ENOMEM                ? " (is RLIMIT_MEMLOCK too low?)"
							 : "");
}

int ring_enable(struct io_uring *ring)
{
	/* liburing's function for it is missing from the library of some distributions. */
	if (syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
		return -errno;
	/* Saves looking the descriptor up in each system call; 5.18. */
	io_uring_register_ring_fd(ring);
	return 0;
}

const char *ring_profile_name(enum ring_profile profile)
{
	return profiles[profile].name;
}
