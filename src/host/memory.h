/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_MEMORY_H
#define STRAIT_HOST_MEMORY_H

#include "host/value.h"

struct host_hugepages {
	unsigned node;
	uint64_t page; /* bytes */
	int64_t total, free;
};

/* Bytes, as /proc/meminfo has them. */
struct host_memory {
	int64_t total, available, swap_total, swap_free, dirty, writeback;
	struct host_hugepages *hugepages; /* by node and size of page */
	unsigned hugepages_count;
	const char *thp, *thp_defrag; /* the chosen word */
	int64_t ksm_run, ksm_merge_across_nodes, numa_balancing, swappiness;
};

struct tree;
void host_memory_read(struct tree *tree, struct host_memory *memory);

/* A line of /proc/meminfo's text in bytes; HOST_UNKNOWN where it has no such line, or text is NULL. */
int64_t host_meminfo(const char *text, const char *key);

#endif
