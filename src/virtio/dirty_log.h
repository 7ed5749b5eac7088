/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VIRTIO_DIRTY_LOG_H
#define STRAIT_VIRTIO_DIRTY_LOG_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Which pages of guest memory the device has written, for a front end that
 * copies a running guest (QEMU docs/interop/vhost-user.rst, "Migration"): a
 * bitmap in memory shared with it, which it reads and clears while we set
 * bits. Page n is bit n % 8 of byte n / 8.
 */
#define DIRTY_LOG_PAGE 4096ull

struct dirty_log {
	uint8_t *bits;    /* NULL: there is none */
	uint64_t pages;   /* that have a bit */
	uint64_t outside; /* ranges to be marked that had pages beyond it (any thread, relaxed) */
	int event_fd;     /* to be written after marking, or -1 */
};

/* Each of these bytes has a bit for its page. */
bool dirty_log_covers(const struct dirty_log *log, uint64_t guest, uint64_t length);

/*
 * Mark the pages of [guest, guest + length), which have been written. Any
 * thread. Whoever clears a bit and then reads the page sees what was written
 * before it was set. Pages beyond the log are left out and counted.
 */
void dirty_log_mark(struct dirty_log *log, uint64_t guest, uint64_t length);

#endif
