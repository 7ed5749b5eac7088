/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/iov.h"

#include <string.h>

void iov_advance(struct iovec **iov, uint32_t *count, uint64_t bytes)
{
	while (*count && bytes >= (*iov)->iov_len) {
		bytes -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count && bytes) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + bytes;
		(*iov)->iov_len -= bytes;
	}
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

void iov_gather(const struct iovec *iov, uint32_t count, void *buffer, size_t bytes)
{
	char *to = buffer;

	for (uint32_t i = 0; i < count && bytes; i++) {
		size_t part = smaller(iov[i].iov_len, bytes);

		if (part)
			memcpy(to, iov[i].iov_base, part);
		to += part;
		bytes -= part;
	}
}

void iov_scatter(const struct iovec *iov, uint32_t count, const void *buffer, size_t bytes)
{
	const char *from = buffer;

	for (uint32_t i = 0; i < count && bytes; i++) {
		size_t part = smaller(iov[i].iov_len, bytes);

		if (part)
			memcpy(iov[i].iov_base, from, part);
		from += part;
		bytes -= part;
	}
}
