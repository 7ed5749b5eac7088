/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ring.h"

#include <errno.h>
#include <string.h>

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

int ring_setup(struct io_uring *ring, unsigned entries, enum ring_profile best, enum ring_profile *profile,
	       struct error *err)
{
	int ret = -EINVAL;

	for (*profile = best; *profile < RING_PROFILE_COUNT; ++*profile) {
		struct io_uring_params params = {
			.flags = profiles[*profile].flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
			.cq_entries = entries * 4,
		};

		ret = io_uring_queue_init_params(entries, ring, &params);
		if (ret == 0) {
			/* Saves looking the descriptor up in each system call; 5.18. */
			io_uring_register_ring_fd(ring);
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

const char *ring_profile_name(enum ring_profile profile)
{
	return profiles[profile].name;
}
