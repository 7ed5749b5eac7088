/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_CHECKED_H
#define STRAIT_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* True where [start, start + length) neither wraps nor ends beyond limit. */
static inline bool range_within(uint64_t start, uint64_t length, uint64_t limit)
{
	return length <= limit && start <= limit - length;
}

static inline bool is_power_of_two(uint64_t value)
{
	return value && !(value & (value - 1));
}

/* alignment is a power of two. */
static inline bool is_aligned(uint64_t value, uint64_t alignment)
{
	return !(value & (alignment - 1));
}

#endif
