/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_RING_H
#define STRAIT_ENGINE_RING_H

#include <liburing.h>

#include "base/error.h"

/*
 * How a worker's io_uring is set up, best first. Each kernel gets the first
 * that it takes; from RING_PLAIN on Linux 5.15 is enough.
 */
enum ring_profile {
	RING_DEFER_TASKRUN, /* 6.1: completions are run by us, when we ask */
	RING_COOP_TASKRUN,  /* 5.19: completions do not interrupt us */
	RING_PLAIN,
	RING_PROFILE_COUNT,
};

/*
 * Set up a ring, with best or the next profile that works. *profile says
 * which. Any thread; it can do nothing yet, see ring_enable(). 0, or a negative
 * errno with err set.
 */
int ring_setup(struct io_uring *ring, unsigned entries, enum ring_profile best, enum ring_profile *profile,
	       struct error *err);

/*
 * Before ring_enable(): allow the ring nothing but what a storage back end or a
 * worker asks of it, for good. seccomp does not see what goes through a ring,
 * so without this one could open files and connect by it. 0 or a negative
 * errno: the ring is as it was.
 */
int ring_restrict(struct io_uring *ring);

/* Begin to use the ring, which becomes the calling thread's. 0 or a negative errno. */
int ring_enable(struct io_uring *ring);

const char *ring_profile_name(enum ring_profile profile);

/* The kernel holds completions back until the next io_uring_enter (taskrun work or an overflow). */
static inline int ring_needs_enter(const struct io_uring *ring)
{
	return (__atomic_load_n(ring->sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

#endif
