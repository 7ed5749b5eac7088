/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_QOS_LATENCY_H
#define STRAIT_ENGINE_QOS_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Latency targets: while a disk misses its own, the one that has the most in
 * the storage of those that do not gets fewer requests under way: half each
 * time, at least one. When all targets have been met for a while, with some
 * room, it gets more: soon as much as well below what was too much, and beyond
 * that a little now and then, since each trial that fails is seen in a 99th
 * percentile. Until it asks for no more than that.
 * Pure arithmetic, a step an interval.
 */
struct latency_disk {
	/* of the last interval */
	uint64_t target_ns; /* 0: none */
	uint64_t p99_ns;    /* 0: too few requests to tell */
	double under_way;   /* requests that were in the storage, on average */
	double load;        /* bytes in the storage, times nanoseconds */

	/* kept between steps; zero in the beginning */
	uint32_t cap;      /* requests that may be under way; 0: no limit */
	uint32_t too_much; /* cap at which a target was missed last; 0: not known */
	uint32_t waits;    /* intervals since it got more */
	uint32_t spare;    /* intervals in which it had no use for all of them */
};

struct latency_control {
	uint32_t calm; /* intervals in which all targets were met */
};

void qos_latency_step(struct latency_control *control, struct latency_disk *const *disks, unsigned count);

static inline bool qos_latency_missed(const struct latency_disk *disk)
{
	return disk->target_ns && disk->p99_ns > disk->target_ns;
}

#endif
