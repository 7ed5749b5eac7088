/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_STORAGE_IOV_H
#define STRAIT_STORAGE_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Walk over scattered memory. Entries of length 0 are allowed anywhere. What
 * is asked for beyond the last entry is left undone.
 */

/* Drop the first bytes, in place: *iov and *count then name what is left. */
void iov_advance(struct iovec **iov, uint32_t *count, uint64_t bytes);

/* Copy the first bytes of iov into buffer. */
void iov_gather(const struct iovec *iov, uint32_t count, void *buffer, size_t bytes);

/* Copy bytes of buffer over the start of iov. */
void iov_scatter(const struct iovec *iov, uint32_t count, const void *buffer, size_t bytes);

#endif
