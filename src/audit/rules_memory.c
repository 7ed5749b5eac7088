/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/rules.h"

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
		.cure = "echo 2 >/sys/kernel/mm/ksm/run",
		.lasting = "systemctl disable --now ksm ksmtuned; echo 'w /sys/kernel/mm/ksm/run - - - - 2' "
			   ">/etc/tmpfiles.d/ksm.conf",
		.source = "tuned, profiles realtime-virtual-host and cpu-partitioning; oVirt, high performance virtual "
			  "machines",
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
		.id = "host.writeback.background",
		.title = "dirty memory at which writing back begins",
		.contexts = CONTEXT_ALL,
		.path = "/proc/sys/vm/dirty_background_ratio",
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
