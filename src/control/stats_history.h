/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_STATS_HISTORY_H
#define STRAIT_CONTROL_STATS_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "control/stats_frame.h"

/*
 * Frames of a disk, one after the other, as many as fit into a number of bytes:
 * the oldest go. Where nothing was counted there is none. Pure: times come as
 * arguments (clock_monotonic_ns()).
 */
struct stats_frame {
	struct stats_frame *next;
	uint64_t from_ns, to_ns; /* what it has was counted in between */
	size_t size;
	uint8_t bytes[];
};

struct stats_history {
	struct stats_frame *first, *last;
	size_t used, most; /* bytes */
	uint64_t since_ns; /* of the time before nothing is known */
};

void stats_history_init(struct stats_history *history, size_t most, uint64_t now_ns);
void stats_history_free(struct stats_history *history);

/* Copies what was counted in [from, to], which follows the last frame's. Without memory it is forgotten. */
void stats_history_add(struct stats_history *history, uint64_t from_ns, uint64_t to_ns, const uint8_t *bytes,
		       size_t size);

/* Forget all before a time. */
void stats_history_cut(struct stats_history *history, uint64_t since_ns);

/*
 * Add up the frames that lie in [*from, *to], those that lie there in part if
 * that is the larger part; *from and *to become what is really covered.
 */
void stats_history_sum(const struct stats_history *history, uint64_t *from_ns, uint64_t *to_ns, unsigned ops,
		       bool stages, struct stats_sum *sum);

#endif
