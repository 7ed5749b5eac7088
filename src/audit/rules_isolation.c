/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

static const char *list_or_none(struct tree *tree, const struct cpu_list *list)
{
	return list->count ? cpu_list_format(tree, list) : "none";
}

static void check_lists(struct audit *audit, const struct rule *rule)
{
	const struct host_cpus *cpus = &audit->host->cpus;
	struct tree *tree = audit->host->tree;
	const char *value;

	if (!cpus->count) {
		audit_unknown(audit, rule, NULL, 0, "the CPUs of this machine cannot be read");
		return;
	}
	if (!cpus->isolated.count && !cpus->nohz_full.count && !cpus->rcu_nocbs.count) {
		audit_pass(audit, rule, NULL, "no CPU is isolated");
		return;
	}
	value = tree_format(tree, "isolated %s, nohz_full %s, rcu_nocbs %s", list_or_none(tree, &cpus->isolated),
			    list_or_none(tree, &cpus->nohz_full), list_or_none(tree, &cpus->rcu_nocbs));
	rule_verdict(audit, rule,
		     cpu_list_equal(&cpus->isolated, &cpus->nohz_full) &&
			     cpu_list_equal(&cpus->isolated, &cpus->rcu_nocbs),
		     NULL, value, NULL);
}

static void check_guest(struct audit *audit, const struct rule *rule)
{
	const struct host_cpus *cpus = &audit->host->cpus;
	struct tree *tree = audit->host->tree;
	struct cpu_list used;

	/* vCPUs that may run anywhere are the matter of guest.cpu.pinned. */
	if (!rule_knows_vcpus(audit, rule) || !rule_vcpus_are_pinned(audit))
		return;
	used = rule_vcpu_cpus(audit);
	rule_verdict(audit, rule, cpu_list_within(&used, &cpus->isolated), NULL,
		     tree_format(tree, "vCPUs on %s, isolated %s", cpu_list_format(tree, &used),
				 list_or_none(tree, &cpus->isolated)),
		     NULL);
}

/* Whether a CPU is in "00ff,ffffffff", the kernel's way to write a mask. -EINVAL: text is none. */
static int mask_has(const char *text, unsigned cpu)
{
	unsigned bit = 0;
	bool has = false;

	for (size_t at = strlen(text); at-- > 0;) {
		const char digit[] = {text[at], '\0'};

		if (text[at] == ',')
			continue;
		if (!isxdigit((unsigned char)text[at]))
			return -EINVAL;
		if (cpu >= bit && cpu < bit + 4)
			has = strtoul(digit, NULL, 16) & 1u << (cpu - bit);
		bit += 4;
	}
	return bit ? has : -EINVAL;
}

static void check_workqueue(struct audit *audit, const struct rule *rule)
{
	static const char path[] = "/sys/devices/virtual/workqueue/cpumask";
	const struct cpu_list *isolated = &audit->host->cpus.isolated;
	const char *mask = tree_line(audit->host->tree, path);
	bool good = true;

	if (!mask) {
		audit_unknown(audit, rule, NULL, 0, "%s cannot be read", path);
		return;
	}
	if (mask_has(mask, 0) < 0) {
		audit_unknown(audit, rule, NULL, 0, "\"%s\" in %s is no mask", mask, path);
		return;
	}
	for (unsigned i = 0; i < isolated->count; i++)
		good &= mask_has(mask, isolated->cpu[i]) == 0;
	if (isolated->count)
		rule_verdict(audit, rule, good, NULL,
			     tree_format(audit->host->tree, "work on CPUs of the mask %s, isolated %s", mask,
					 cpu_list_format(audit->host->tree, isolated)),
			     NULL);
	else
		audit_pass(audit, rule, NULL, "no CPU is isolated");
}

static void check_irqbalance(struct audit *audit, const struct rule *rule)
{
	const struct host_irqs *irqs = &audit->host->irqs;
	const struct host_cpus *cpus = &audit->host->cpus;
	struct tree *tree = audit->host->tree;
	struct cpu_list banned;

	if (irqs->irqbalance == HOST_UNKNOWN) {
		audit_unknown(audit, rule, NULL, 0, "whether irqbalance runs cannot be told: it left no trace in /run");
	} else if (!irqs->irqbalance) {
		audit_pass(audit, rule, NULL, "irqbalance does not run");
	} else if (!cpus->isolated.count) {
		audit_pass(audit, rule, NULL, "no CPU is isolated");
	} else {
		banned = cpu_list_parse(tree, irqs->banned);
		rule_verdict(audit, rule, cpu_list_within(&cpus->isolated, &banned), NULL,
			     tree_format(tree, "leaves alone %s, isolated %s", list_or_none(tree, &banned),
					 cpu_list_format(tree, &cpus->isolated)),
			     NULL);
	}
}

static const struct rule rules[] = {
	{
		.id = "host.isolation.lists",
		.title = "agreement of the lists of isolated CPUs",
		.contexts = CONTEXT_ALL,
		.check = check_lists,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "the same CPUs in all three",
			   FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "the same CPUs in all three", FINDING_NOTE}},
		.reads = "/sys/devices/system/cpu/{isolated,nohz_full}, /sys/fs/cgroup/cpuset.cpus.isolated, "
			 "rcu_nocbs= in "
			 "/proc/cmdline",
		.why = "A CPU that the scheduler leaves alone is still interrupted by its tick and by RCU callbacks "
		       "unless it is in the "
		       "other two lists; a tickless one that is not isolated gets other tasks and its tick back.",
		.costs = "Without a tick, entering and leaving the kernel costs more.",
		.cure = "None while the machine runs: these lists are read at boot.",
		.lasting =
			"Boot with isolcpus=LIST nohz_full=LIST rcu_nocbs=LIST, or tuned-adm profile cpu-partitioning.",
		.source = "tuned, profile cpu-partitioning; Linux, Documentation/timers/no_hz.rst",
	},
	{
		.id = "host.isolation.guests",
		.title = "isolation of the CPUs of pinned vCPUs",
		.contexts = CONTEXT_LATENCY | CONTEXT_REALTIME,
		.check = check_guest,
		.of_guest = true,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "vCPUs on isolated CPUs alone",
			   FINDING_WARN}},
		.reads = "Cpus_allowed_list of the vCPU threads; /sys/devices/system/cpu/isolated",
		.why = "Pinning keeps a vCPU on its CPU, but keeps nobody else away from there: each task that the "
		       "scheduler puts beside it "
		       "takes whole time slices.",
		.costs = "Isolated CPUs are of no use to anything that is not pinned to them.",
		.cure = "A cpuset partition for the guests: echo isolated >/sys/fs/cgroup/GUESTS/cpuset.cpus.partition",
		.lasting =
			"Boot with isolcpus=LIST nohz_full=LIST rcu_nocbs=LIST, or tuned-adm profile cpu-partitioning.",
		.source = "tuned, profile realtime-virtual-host; Linux, Documentation/admin-guide/cgroup-v2.rst",
	},
	{
		.id = "host.isolation.workqueue",
		.title = "CPUs of the kernel's own work",
		.contexts = CONTEXT_ALL,
		.check = check_workqueue,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "no isolated CPU among them",
			   FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "no isolated CPU among them", FINDING_NOTE}},
		.reads = "/sys/devices/virtual/workqueue/cpumask",
		.why = "Work that is bound to no CPU, such as writing back, runs wherever this mask lets it.",
		.costs = "The remaining CPUs do all of it.",
		.cure = "echo MASK >/sys/devices/virtual/workqueue/cpumask, with the CPUs that are not isolated",
		.lasting = "tuned-adm profile cpu-partitioning",
		.source = "tuned, profile realtime; Linux, Documentation/core-api/workqueue.rst",
	},
	{
		.id = "host.isolation.irqbalance",
		.title = "CPUs that irqbalance leaves alone",
		.contexts = CONTEXT_ALL,
		.check = check_irqbalance,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "all isolated CPUs among them",
			   FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "all isolated CPUs among them", FINDING_NOTE}},
		.reads = "/run/irqbalance, IRQBALANCE_BANNED_CPULIST in /etc/default/irqbalance or "
			 "/etc/sysconfig/irqbalance",
		.why = "Told of other CPUs, irqbalance puts interrupts of devices onto isolated ones again, whatever "
		       "was set by hand.",
		.costs = "Nothing.",
		.cure = "Put the isolated CPUs into IRQBALANCE_BANNED_CPULIST, or nothing at all: then it takes them "
			"by itself. "
			"systemctl restart irqbalance",
		.lasting = "The same.",
		.source = "irqbalance(1)",
	},
};

const struct rule_table rules_isolation = RULE_TABLE(rules);
