/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* "some avg10=0.00 avg60=1.25 ...": what is behind avg60 in a line; false where there is none. */
static bool read_average(const char *text, const char *kind, double *percent)
{
	const char *line = strstr(text, kind), *average = line ? strstr(line, "avg60=") : NULL;

	return average && average < line + strcspn(line, "\n") && sscanf(average, "avg60=%lf", percent) == 1 &&
	       *percent >= 0;
}

static void check_pressure(struct audit *audit, const struct rule *rule)
{
	/* Percent of a minute in which some task waited. Waiting for a CPU is judged by the threads of each guest. */
	static const struct {
		const char *name;
		double limit;
		enum finding_status otherwise;
	} kinds[] = {{"cpu", 10, FINDING_NOTE}, {"io", 10, FINDING_WARN}, {"memory", 1, FINDING_WARN}};
	struct tree *tree = audit->host->tree;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *text, *value;
		const ssize_t length = tree_readf(tree, &text, "/proc/pressure/%s", kinds[i].name);
		double some;

		if (length < 0 || !read_average(text, "some ", &some)) {
			audit_unknown(audit, rule, kinds[i].name, length < 0 ? (int)length : 0, "/proc/pressure/%s",
				      kinds[i].name);
			continue;
		}
		value = tree_format(tree, "%.2f %% of the last minute", some);
		if (some <= kinds[i].limit)
			audit_pass(audit, rule, kinds[i].name, value);
		else
			audit_found(audit, rule, kinds[i].otherwise, kinds[i].name, value,
				    tree_format(tree, "at most %.0f %%", kinds[i].limit), NULL);
	}
}

/* The share of its time that a hypervisor kept from this machine since boot, in percent; false: unknown. */
static bool read_steal(struct tree *tree, double *percent)
{
	unsigned long long ticks[8], sum = 0;
	const char *text;

	if (tree_read(tree, "/proc/stat", &text) < 0 ||
	    sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2], &ticks[3],
		   &ticks[4], &ticks[5], &ticks[6], &ticks[7]) != 8)
		return false;
	for (unsigned i = 0; i < 8; i++)
		sum += ticks[i];
	*percent = sum ? 100.0 * (double)ticks[7] / (double)sum : 0;
	return true;
}

static void check_role(struct audit *audit, const struct rule *rule)
{
	const struct host_cpus *cpus = &audit->host->cpus;
	struct tree *tree = audit->host->tree;
	const char *governor = tree_line(tree, "/sys/devices/system/cpu/cpuidle/current_governor");
	const char *value = "a guest";
	double steal;

	if (cpus->hypervisor == HOST_UNKNOWN) {
		audit_unknown(audit, rule, NULL, 0, "/proc/cpuinfo says nothing of the processor's abilities");
		return;
	}
	if (!cpus->hypervisor) {
		audit_pass(audit, rule, NULL, "no guest");
		return;
	}
	if (read_steal(tree, &steal))
		value = tree_format(tree, "%s, %.2f %% of its time stolen since boot", value, steal);
	if (governor)
		value = tree_format(tree, "%s, idles by %s", value, governor);
	if (cpus->virtualization == 1)
		value = tree_format(tree, "%s, may have guests with KVM", value);
	audit_found(audit, rule, FINDING_NOTE, NULL, value, NULL, NULL);
}

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
	{
		.id = "host.pressure",
		.title = "waiting of tasks (PSI)",
		.contexts = CONTEXT_ALL,
		.check = check_pressure,
		.reads = "avg60 of some in /proc/pressure/{cpu,io,memory}",
		.wants = "at most 10 % of the last minute for io, 1 % for memory; cpu above 10 % is a NOTE",
		.why = "The share of the last minute in which at least one task waited for it. Waiting for memory is "
		       "time in "
		       "which pages were given up or read back.",
		.costs = "Does not apply.",
		.cure = "strait diagnose VM, while it lasts",
		.lasting = "Less overcommit; limits (io.max, memory.high) for what is not a guest.",
		.source = "Linux, Documentation/accounting/psi.rst; the limits are Strait's own",
	},
	{
		.id = "host.role",
		.title = "this machine's own role",
		.contexts = CONTEXT_ALL,
		.check = check_role,
		.reads = "hypervisor in /proc/cpuinfo, steal in /proc/stat, cpuidle/current_governor",
		.wants = "Nothing: it is reported.",
		.why = "A machine that is a guest has no more time than its own host gives it, and what is measured "
		       "here depends on that.",
		.costs = "Does not apply.",
		.cure = "Look at the host below with the same tools.",
		.lasting = "The same.",
		.source = "Linux, Documentation/virt/guest-halt-polling.rst and Documentation/filesystems/proc.rst",
	},
};

const struct rule_table rules_kernel = RULE_TABLE(rules);
