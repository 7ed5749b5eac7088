/* SPDX-License-Identifier: Apache-2.0 */
#include "host/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/tree.h"

int64_t host_meminfo(const char *text, const char *key)
{
	const size_t length = strlen(key);
	long long kib;

	for (const char *line = text; line && *line; line = tree_next_line(line)) {
		if (strncmp(line, key, length) || line[length] != ':')
			continue;
		return sscanf(line + length + 1, "%lld", &kib) == 1 && kib >= 0 && kib <= INT64_MAX / 1024
			       ? kib * 1024
			       : HOST_UNKNOWN;
	}
	return HOST_UNKNOWN;
}

/* The word in brackets of "always [madvise] never". */
static const char *chosen(struct tree *tree, const char *path)
{
	const char *line = tree_line(tree, "%s", path), *open = line ? strchr(line, '[') : NULL;
	const char *end = open ? strchr(open, ']') : NULL;

	return end ? tree_format(tree, "%.*s", (int)(end - open - 1), open + 1) : NULL;
}

static void add_pool(struct tree *tree, struct host_memory *memory, unsigned node, const char *pools, const char *name)
{
	struct host_hugepages pool = {.node = node};
	unsigned long long kib;

	if (sscanf(name, "hugepages-%llukB", &kib) != 1 || !kib || kib > UINT64_MAX / 1024)
		return;
	pool.page = kib * 1024;
	pool.total = tree_number(tree, HOST_UNKNOWN, "%s/%s/nr_hugepages", pools, name);
	pool.free = tree_number(tree, HOST_UNKNOWN, "%s/%s/free_hugepages", pools, name);
	memory->hugepages[memory->hugepages_count++] = pool;
}

static void add_pools(struct tree *tree, struct host_memory *memory, unsigned node, const char *pools)
{
	const char *const *names;
	const ssize_t count = tree_list(tree, pools, &names);
	struct host_hugepages *all;

	if (count <= 0)
		return;
	all = tree_alloc(tree, (memory->hugepages_count + (size_t)count) * sizeof(*all));
	if (memory->hugepages_count)
		memcpy(all, memory->hugepages, memory->hugepages_count * sizeof(*all));
	memory->hugepages = all;
	for (ssize_t i = 0; i < count; i++)
		add_pool(tree, memory, node, pools, names[i]);
}

static void read_hugepages(struct tree *tree, struct host_memory *memory)
{
	const struct cpu_list nodes = cpu_list_parse(tree, tree_line(tree, "/sys/devices/system/node/online"));

	for (unsigned i = 0; i < nodes.count; i++)
		add_pools(tree, memory, nodes.cpu[i],
			  tree_format(tree, "/sys/devices/system/node/node%u/hugepages", nodes.cpu[i]));
	if (!memory->hugepages_count) /* a kernel without NUMA */
		add_pools(tree, memory, 0, "/sys/kernel/mm/hugepages");
}

void host_memory_read(struct tree *tree, struct host_memory *memory)
{
	const char *text;

	if (tree_read(tree, "/proc/meminfo", &text) < 0)
		text = NULL;
	memory->total = host_meminfo(text, "MemTotal");
	memory->available = host_meminfo(text, "MemAvailable");
	memory->swap_total = host_meminfo(text, "SwapTotal");
	memory->swap_free = host_meminfo(text, "SwapFree");
	memory->dirty = host_meminfo(text, "Dirty");
	memory->writeback = host_meminfo(text, "Writeback");
	memory->thp = chosen(tree, "/sys/kernel/mm/transparent_hugepage/enabled");
	memory->thp_defrag = chosen(tree, "/sys/kernel/mm/transparent_hugepage/defrag");
	memory->ksm_run = tree_number(tree, HOST_UNKNOWN, "/sys/kernel/mm/ksm/run");
	memory->ksm_merge_across_nodes = tree_number(tree, HOST_UNKNOWN, "/sys/kernel/mm/ksm/merge_across_nodes");
	memory->numa_balancing = tree_number(tree, HOST_UNKNOWN, "/proc/sys/kernel/numa_balancing");
	memory->swappiness = tree_number(tree, HOST_UNKNOWN, "/proc/sys/vm/swappiness");
	read_hugepages(tree, memory);
}
