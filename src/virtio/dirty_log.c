/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/dirty_log.h"

#include "base/checked.h"

bool dirty_log_covers(const struct dirty_log *log, uint64_t guest, uint64_t length)
{
	uint64_t first = guest / DIRTY_LOG_PAGE, last;

	if (!length)
		return true;
	if (__builtin_add_overflow(guest, length - 1, &last))
		return false;
	return range_within(first, last / DIRTY_LOG_PAGE - first + 1, log->pages);
}

void dirty_log_mark(struct dirty_log *log, uint64_t guest, uint64_t length)
{
	uint64_t page = guest / DIRTY_LOG_PAGE, last;

	if (!length)
		return;
	if (__builtin_add_overflow(guest, length - 1, &last))
		last = UINT64_MAX;
	last /= DIRTY_LOG_PAGE;
	if (last >= log->pages) {
		__atomic_fetch_add(&log->outside, 1, __ATOMIC_RELAXED);
		if (page >= log->pages)
			return;
		last = log->pages - 1;
	}
	while (page <= last) {
		uint64_t byte = page / 8, stop = last / 8 == byte ? last % 8 : 7;
		uint8_t mask = (uint8_t)((0xffu << page % 8) & (0xffu >> (7 - stop)));

		/*
		 * Always written, also where the bits seem to be set: the front end
		 * may be clearing them. Pairs with its exchange before it reads the
		 * page (vhost-user.rst, "Use atomic operations").
		 */
		__atomic_fetch_or(&log->bits[byte], mask, __ATOMIC_RELEASE);
		page = (byte + 1) * 8;
	}
}
