/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/rules.h"

static const struct rule rules[] = {
	{
		.id = "host.cpu.governor",
		.title = "frequency of CPUs",
		.contexts = CONTEXT_ALL,
		.path = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "performance", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "performance", FINDING_WARN}},
		.why = "A core that has to speed up first is slow just when a request arrives after a pause.",
		.costs = "Power and heat; where these are short, less turbo for busy cores.",
		.cure = "echo performance >/sys/devices/system/cpu/%s/cpufreq/scaling_governor",
		.lasting = "tuned-adm profile virtual-host",
		.source = "tuned, profile throughput-performance, which virtual-host includes",
	},
};

const struct rule_table rules_cpu = RULE_TABLE(rules);
