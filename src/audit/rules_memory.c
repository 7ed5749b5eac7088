/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* Less was swapped out once and is not missed. */
#define SWAP_NOTED (64ll << 20)

static void check_nodes_merged(struct audit *audit, const struct rule *rule)
{
	const struct host_memory *memory = &audit->host->memory;
	const int64_t across = memory->ksm_merge_across_nodes;

	if (memory->ksm_run == HOST_UNKNOWN)
		audit_unknown(audit, rule, NULL, 0, "/sys/kernel/mm/ksm/run cannot be read");
	else if (memory->ksm_run != 1)
		audit_pass(audit, rule, NULL, "KSM does not run");
	else if (audit->host->cpus.node_count == 1)
		audit_pass(audit, rule, NULL, "one node");
	else if (across == HOST_UNKNOWN)
		audit_unknown(audit, rule, NULL, 0, "/sys/kernel/mm/ksm/merge_across_nodes cannot be read");
	else
		rule_verdict(audit, rule, !across, NULL, tree_format(audit->host->tree, "%" PRId64, across), NULL);
}

static void check_swap(struct audit *audit, const struct rule *rule)
{
	const struct host_memory *memory = &audit->host->memory;
	const int64_t used = memory->swap_total - memory->swap_free;
	const char *value;

	if (memory->swap_total == HOST_UNKNOWN || memory->swap_free == HOST_UNKNOWN) {
		audit_unknown(audit, rule, NULL, 0, "SwapTotal and SwapFree in /proc/meminfo cannot be read");
		return;
	}
	if (used <= 0) {
		audit_pass(audit, rule, NULL, memory->swap_total ? "none of it" : "there is none");
		return;
	}
	value = tree_format(audit->host->tree, "%s of %s", rule_size(audit, (uint64_t)used),
			    rule_size(audit, (uint64_t)memory->swap_total));
	if (used < SWAP_NOTED)
		audit_found(audit, rule, FINDING_NOTE, NULL, value, NULL, NULL);
	else
		rule_verdict(audit, rule, false, NULL, value, NULL);
}

static void check_swappiness(struct audit *audit, const struct rule *rule)
{
	/* A kernel without swap reads it and has nothing to choose from. */
	if (audit->host->memory.swap_total == 0)
		audit_pass(audit, rule, NULL, "there is no swap");
	else
		audit_compare(audit, rule);
}

/* Who sets bytes (vm.dirty_bytes) has 0 for the ratio, which means nothing then. */
static void check_dirty_limit(struct audit *audit, const struct rule *rule)
{
	struct tree *tree = audit->host->tree;
	const char *path = tree_format(tree, "%.*sbytes", (int)(strlen(rule->path) - strlen("ratio")), rule->path);
	const int64_t bytes = tree_number(tree, 0, "%s", path), available = audit->host->memory.available;

	if (bytes > 0 && available > 0)
		audit_judge(audit, rule, NULL, path,
			    tree_format(tree, "%.0f", 100 * ((double)bytes / (double)available)));
	else
		audit_compare(audit, rule);
}

static void check_dirty(struct audit *audit, const struct rule *rule)
{
	const struct host_memory *memory = &audit->host->memory;
	const struct rule_case *wanted = audit_case(audit, rule);
	struct tree *tree = audit->host->tree;
	const char *percent;
	int64_t unwritten;

	if (memory->dirty == HOST_UNKNOWN || memory->writeback == HOST_UNKNOWN || memory->available <= 0) {
		audit_unknown(audit, rule, NULL, 0,
			      "Dirty, Writeback and MemAvailable in /proc/meminfo cannot be read");
		return;
	}
	/* Rounded up: little is not nothing. Each of them is below 2^63 / 100 or not believed. */
	unwritten = (memory->dirty > INT64_MAX / 400 ? INT64_MAX / 400 : memory->dirty) +
		    (memory->writeback > INT64_MAX / 400 ? INT64_MAX / 400 : memory->writeback);
	percent = tree_format(tree, "%" PRId64, (unwritten * 100 + memory->available - 1) / memory->available);
	rule_verdict(
		audit, rule, !wanted || rule_compare(wanted, percent) == 1, NULL,
		tree_format(tree, "%s %% of what is available: %s", percent, rule_size(audit, (uint64_t)unwritten)),
		NULL);
}

static const struct rule rules[] = {
	{
		.id = "host.ksm.run",
		.title = "merging of equal pages (KSM)",
		.contexts = CONTEXT_ALL,
		.path = "/sys/kernel/mm/ksm/run",
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "1", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "0|2", FINDING_WARN}},
		.why = "Writing to a merged page is a fault and a copy, the scanner takes CPU time, merged pages are "
		       "small ones and may "
		       "lie on another node. It pays where guests are many and alike.",
		.costs =
			"Merged memory is needed again at once when pages are taken apart: look at MemAvailable first.",
		.cure = "echo 2 >/sys/kernel/mm/ksm/run (density: 1)",
		.lasting = "systemctl mask --now ksm ksmtuned; echo 'w /sys/kernel/mm/ksm/run - - - - 2' "
			   ">/etc/tmpfiles.d/ksm.conf, which booting applies (density: 1, without the mask)",
		.source = "tuned, profiles realtime-virtual-host and cpu-partitioning; oVirt, high performance virtual "
			  "machines",
	},
	{
		.id = "host.ksm.nodes",
		.title = "merging of pages of different nodes (KSM)",
		.contexts = CONTEXT_ALL,
		.check = check_nodes_merged,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "0 where KSM runs", FINDING_WARN}},
		.reads = "/sys/kernel/mm/ksm/{run,merge_across_nodes}",
		.why = "A page that two nodes share is far away from one of them, at each access.",
		.costs = "Pages are shared within a node only. All have to be taken apart to change it.",
		.cure = "echo 2 >/sys/kernel/mm/ksm/run; echo 0 >/sys/kernel/mm/ksm/merge_across_nodes; echo 1 "
			">/sys/kernel/mm/ksm/run",
		.lasting = "echo 'w /sys/kernel/mm/ksm/merge_across_nodes - - - - 0' >/etc/tmpfiles.d/ksm.conf",
		.source = "Linux, Documentation/admin-guide/mm/ksm.rst; oVirt, high performance virtual machines",
	},
	{
		.id = "host.thp.enabled",
		.title = "transparent huge pages",
		.contexts = CONTEXT_ALL,
		.path = "/sys/kernel/mm/transparent_hugepage/enabled",
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_CHOSEN, "never", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_CHOSEN, "madvise|never", FINDING_WARN}},
		.why = "Making huge pages of small ones stalls whoever faults and moves pages under running guests. "
		       "QEMU asks for them "
		       "by madvise() where they pay.",
		.costs = "Programs other than QEMU that profit from huge pages without asking lose them.",
		.cure = "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled",
		.lasting = "Boot with transparent_hugepage=madvise.",
		.source = "tuned, profiles latency-performance and virtual-host; Linux, "
			  "Documentation/admin-guide/mm/transhuge.rst",
	},
	{
		.id = "host.thp.defrag",
		.title = "effort to make transparent huge pages",
		.contexts = CONTEXT_ALL,
		.path = "/sys/kernel/mm/transparent_hugepage/defrag",
		.cases = {{CONTEXT_ALL, COMPARE_CHOSEN, "madvise|defer|defer+madvise|never", FINDING_WARN}},
		.why = "With \"always\" each page fault may wait until memory is compacted.",
		.costs = "Fewer huge pages for programs that do not ask for them.",
		.cure = "echo madvise >/sys/kernel/mm/transparent_hugepage/defrag",
		.lasting =
			"echo 'w /sys/kernel/mm/transparent_hugepage/defrag - - - - madvise' >/etc/tmpfiles.d/thp.conf",
		.source = "Linux, Documentation/admin-guide/mm/transhuge.rst",
	},
	{
		.id = "host.memory.swappiness",
		.title = "readiness to swap",
		.contexts = CONTEXT_ALL,
		.check = check_swappiness,
		.path = "/proc/sys/vm/swappiness",
		.cases = {{CONTEXT_DENSITY, COMPARE_AT_MOST, "60", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_AT_MOST, "10", FINDING_WARN}},
		.why = "A guest whose memory is swapped out waits for a disk at an ordinary access; the page cache is "
		       "the better "
		       "thing to give up.",
		.costs = "Less page cache when memory is short.",
		.cure = "sysctl vm.swappiness=10",
		.lasting = "echo vm.swappiness=10 >/etc/sysctl.d/60-strait.conf",
		.source = "tuned, profile throughput-performance, which virtual-host includes",
	},
	{
		.id = "host.memory.swap",
		.title = "swap in use",
		.contexts = CONTEXT_ALL,
		.check = check_swap,
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "none", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "none", FINDING_WARN}},
		.reads = "SwapTotal and SwapFree in /proc/meminfo",
		.wants = "none; less than 64 MiB is a NOTE",
		.why = "What is swapped out was too much for this machine. A guest that touches it waits for a disk in "
		       "the middle of an "
		       "instruction.",
		.costs = "Guests have to be moved or shrunk.",
		.cure = "Find whose it is: grep VmSwap /proc/*/status. Give guests less memory or move one; then "
			"swapoff -a && swapon "
			"-a brings all of it back",
		.lasting = "Less overcommit; memory of guests on huge pages or locked is never swapped.",
		.source = "Red Hat, Virtualization Tuning and Optimization Guide, memory",
	},
	{
		.id = "host.writeback.dirty",
		.title = "memory that waits to be written back",
		.contexts = CONTEXT_ALL,
		.check = check_dirty,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_AT_MOST, "5", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_AT_MOST, "10", FINDING_WARN}},
		.reads = "Dirty, Writeback and MemAvailable in /proc/meminfo",
		.wants = "at most 10 percent of MemAvailable, 5 for latency: where writing back begins",
		.why = "A storm of writes is under way or about to come: requests of guests wait behind it.",
		.costs = "Does not apply.",
		.cure = "Find who writes through the page cache: disks with cache=writeback, backups, logs. sync "
			"starts it now.",
		.lasting = "cache=none for guests' disks; vm.dirty_background_bytes in /etc/sysctl.d",
		.source = "Linux, Documentation/admin-guide/sysctl/vm.rst: dirty_background_ratio; tuned, profile "
			  "virtual-host",
	},
	{
		.id = "host.writeback.background",
		.title = "dirty memory at which writing back begins",
		.contexts = CONTEXT_ALL,
		.path = "/proc/sys/vm/dirty_background_ratio",
		.check = check_dirty_limit,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_AT_MOST, "5", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_AT_MOST, "10", FINDING_WARN}},
		.why = "In percent of available memory. What may lie there unwritten comes to the disks in one storm, "
		       "and everybody's "
		       "requests wait behind it.",
		.costs = "Data that would have been overwritten in memory is written more than once.",
		.cure = "sysctl vm.dirty_background_ratio=5",
		.lasting = "echo vm.dirty_background_ratio=5 >/etc/sysctl.d/60-strait.conf",
		.source = "tuned, profile virtual-host (5), throughput-performance (10)",
	},
	{
		.id = "host.writeback.limit",
		.title = "dirty memory at which writers have to wait",
		.contexts = CONTEXT_ALL,
		.path = "/proc/sys/vm/dirty_ratio",
		.check = check_dirty_limit,
		.cases = {{CONTEXT_ALL, COMPARE_AT_MOST, "40", FINDING_WARN}},
		.why = "In percent of available memory: from there on, who writes through the page cache is held up "
		       "until enough has been "
		       "written back.",
		.costs = "Writers through the page cache are slowed down earlier.",
		.cure = "sysctl vm.dirty_ratio=20",
		.lasting = "echo vm.dirty_ratio=20 >/etc/sysctl.d/60-strait.conf",
		.source = "tuned, profile throughput-performance, which virtual-host includes; Linux's default is 20",
	},
};

const struct rule_table rules_memory = RULE_TABLE(rules);
