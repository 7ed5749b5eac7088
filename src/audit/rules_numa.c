/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* Whether it is known of each vCPU of a guest that it is kept to fewer CPUs than there are. */
static bool is_pinned(const struct audit *audit, const struct guest *guest)
{
	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		if (!guest_thread_is_pinned(&guest->vcpu[i], &audit->host->cpus))
			return false;
	}
	return guest->vcpu_count > 0;
}

static const struct guest *pinned_guest(const struct audit *audit)
{
	const struct host_guests *guests = &audit->host->guests;

	for (unsigned i = 0; i < guests->count; i++) {
		if (is_pinned(audit, &guests->guest[i]))
			return &guests->guest[i];
	}
	return NULL;
}

static void check_balancing(struct audit *audit, const struct rule *rule)
{
	const int64_t balancing = audit->host->memory.numa_balancing;
	const struct guest *pinned = pinned_guest(audit);

	if (audit->host->cpus.node_count == 1)
		audit_pass(audit, rule, NULL, "one node");
	else if (balancing == HOST_UNKNOWN)
		audit_unknown(audit, rule, NULL, 0, "/proc/sys/kernel/numa_balancing cannot be read");
	else if (!pinned && !audit_is_for(audit, CONTEXT_LATENCY | CONTEXT_REALTIME))
		audit_pass(audit, rule, NULL,
			   tree_format(audit->host->tree, "%" PRId64 ", and no guest is pinned", balancing));
	else
		rule_verdict(audit, rule, balancing == 0, NULL, tree_format(audit->host->tree, "%" PRId64, balancing),
			     pinned ? "Guest %s is pinned." : NULL, pinned ? pinned->name : NULL);
}

/* Bytes of huge pages that running guests were promised: on one node, or (HOST_UNKNOWN) anywhere. */
static uint64_t promised(const struct audit *audit, uint64_t page, int node)
{
	const struct host_guests *guests = &audit->host->guests;
	uint64_t sum = 0;

	for (unsigned i = 0; i < guests->count; i++) {
		const struct guest_memory *memory = &guests->guest[i].memory;

		for (unsigned j = 0; j < memory->backend_count && guests->guest[i].pid != HOST_UNKNOWN; j++) {
			const struct guest_memory_backend *backend = &memory->backend[j];
			const bool is_here = node == HOST_UNKNOWN || (backend->host_nodes.count == 1 &&
								      (int)backend->host_nodes.cpu[0] == node);

			if (backend->page == page && is_here && sum + backend->size > sum)
				sum += backend->size;
		}
	}
	return sum;
}

static void judge_pages(struct audit *audit, const struct rule *rule, const char *where, uint64_t page, uint64_t pages,
			uint64_t wanted)
{
	const uint64_t needed = wanted / page + (wanted % page > 0);

	rule_verdict(audit, rule, pages >= needed,
		     tree_format(audit->host->tree, "%s, %s", where, rule_size(audit, page)),
		     tree_format(audit->host->tree, "%" PRIu64 " pages, %" PRIu64 " of them promised to guests", pages,
				 needed),
		     NULL);
}

/* The pages of a size on all nodes. */
static uint64_t pages_of(const struct host_memory *memory, uint64_t page)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < memory->hugepages_count; i++) {
		if (memory->hugepages[i].page == page && memory->hugepages[i].total > 0)
			sum += (uint64_t)memory->hugepages[i].total;
	}
	return sum;
}

static bool is_first_of_size(const struct host_memory *memory, unsigned index)
{
	for (unsigned i = 0; i < index; i++) {
		if (memory->hugepages[i].page == memory->hugepages[index].page)
			return false;
	}
	return true;
}

static void check_hugepages(struct audit *audit, const struct rule *rule)
{
	const struct host_memory *memory = &audit->host->memory;
	bool is_used = false;

	for (unsigned i = 0; i < memory->hugepages_count; i++) {
		const struct host_hugepages *pool = &memory->hugepages[i];
		const uint64_t here = promised(audit, pool->page, (int)pool->node);
		const uint64_t anywhere = promised(audit, pool->page, HOST_UNKNOWN);

		if (!anywhere)
			continue;
		is_used = true;
		if (here && pool->total == HOST_UNKNOWN)
			audit_unknown(audit, rule, tree_format(audit->host->tree, "node%u", pool->node), 0,
				      "nr_hugepages cannot be read");
		else if (here)
			judge_pages(audit, rule, tree_format(audit->host->tree, "node%u", pool->node), pool->page,
				    (uint64_t)pool->total, here);
		if (is_first_of_size(memory, i))
			judge_pages(audit, rule, "all nodes", pool->page, pages_of(memory, pool->page), anywhere);
	}
	if (!memory->hugepages_count)
		audit_unknown(audit, rule, NULL, 0, "nodeN/hugepages cannot be read: the kernel has no huge pages");
	else if (!is_used)
		audit_pass(audit, rule, NULL, "no guest was promised huge pages");
}

static const struct rule rules[] = {
	{
		.id = "host.numa.balancing",
		.title = "moving of memory after its tasks",
		.contexts = CONTEXT_ALL,
		.check = check_balancing,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "0", FINDING_WARN}},
		.reads = "/proc/sys/kernel/numa_balancing",
		.wants = "0 where a guest is pinned, and for latency",
		.why = "It takes pages away from guests for a moment, all the time, to see who touches them. Where "
		       "vCPUs and memory are "
		       "bound there is nothing to find out.",
		.costs = "Guests that are not bound stay where their memory once was taken.",
		.cure = "sysctl kernel.numa_balancing=0",
		.lasting = "echo kernel.numa_balancing=0 >/etc/sysctl.d/60-strait.conf",
		.source = "tuned, profiles cpu-partitioning and realtime; Linux, "
			  "Documentation/admin-guide/sysctl/kernel.rst",
	},
	{
		.id = "host.hugepages.enough",
		.title = "huge pages for guests",
		.contexts = CONTEXT_ALL,
		.check = check_hugepages,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "at least as many as were promised", FINDING_WARN}},
		.reads = "nodeN/hugepages/*/nr_hugepages; memory of the guests that run",
		.why = "A guest that was promised huge pages that are not there, on its node, dies of SIGBUS when it "
		       "touches them, or lies on "
		       "a node far away.",
		.costs = "Memory set aside for huge pages is lost to everything else.",
		.cure = "echo PAGES >/sys/devices/system/node/nodeN/hugepages/hugepages-SIZEkB/nr_hugepages: soon "
			"after boot, before "
			"memory is in pieces",
		.lasting = "Boot with hugepagesz=1G hugepages=0:PAGES,1:PAGES (for each node).",
		.source =
			"Linux, Documentation/admin-guide/mm/hugetlbpage.rst; oVirt, high performance virtual machines",
	},
};

const struct rule_table rules_numa = RULE_TABLE(rules);
