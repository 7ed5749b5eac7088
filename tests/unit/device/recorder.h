/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_DEVICE_RECORDER_H
#define STRAIT_TESTS_DEVICE_RECORDER_H

#include "storage/storage.h"

/*
 * A small disk in memory that writes down each request it gets. Requests are
 * served at once, on the worker; what was recorded may be read when they have
 * come back to the driver.
 */
enum { RECORDER_SIZE = 1 << 20, RECORDER_MOST = 64 };

struct record {
	enum storage_op op;
	uint32_t flags;
	uint64_t offset, length;
	uint32_t iov_count;
	struct iovec first; /* of the request's memory, where it has any */
};

struct recorder {
	struct storage storage; /* first */
	unsigned count;         /* requests so far, also those that are not in the list any more */
	struct record record[RECORDER_MOST];
	int result;     /* of those that fail */
	unsigned after; /* so many succeed before one fails */
	char data[RECORDER_SIZE];
};

/* Supports everything, with a write cache that is on. The info may be changed before the device is set up. */
void recorder_init(struct recorder *recorder);

/* Forget what was recorded; let the next requests succeed, and all after so many fail with result. */
void recorder_expect(struct recorder *recorder, unsigned after, int result);

#endif
