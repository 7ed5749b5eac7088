/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/rules.h"

static const struct rule rules[] = {
	{
		.id = "host.iommu.domain",
		.title = "protection by the IOMMU",
		.contexts = CONTEXT_ALL,
		.path = "/sys/kernel/iommu_groups/*/type",
		.cases = {{CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME, COMPARE_EQUAL, "DMA|DMA-FQ",
			   FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "DMA|DMA-FQ", FINDING_WARN}},
		.why = "\"identity\" lets a device of the host write to all of its memory; it saves the mapping of "
		       "each of its "
		       "requests. Devices passed through are protected either way.",
		.costs = "Mapping costs CPU time a request; DMA-FQ the least.",
		.cure = "Boot without iommu=pt: the type of a group whose device is in use cannot be changed.",
		.lasting = "Remove iommu=pt and iommu.passthrough=1 from the kernel's command line.",
		.source = "Linux, Documentation/ABI/testing/sysfs-kernel-iommu_groups",
	},
};

const struct rule_table rules_kernel = RULE_TABLE(rules);
