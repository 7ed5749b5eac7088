/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"
#include "host/kernel_log.h"

/* What a CPU may sleep in is judged one by one: isolated ones often differ. */
static void check_idle(struct audit *audit, const struct rule *rule)
{
	const struct host_cpus *cpus = &audit->host->cpus;
	const struct rule_case *wanted = audit_case(audit, rule);
	struct tree *tree = audit->host->tree;
	bool is_known = false;

	for (unsigned i = 0; i < cpus->count; i++) {
		const struct host_cpu *cpu = &cpus->cpu[i];
		const char *name = tree_format(tree, "cpu%u", cpu->number), *value;
		int fits;

		if (cpu->idle_latency_us == HOST_UNKNOWN)
			continue;
		is_known = true;
		value = tree_format(tree, "%" PRId64, cpu->idle_latency_us);
		fits = wanted ? rule_compare(wanted, value) : 0;
		value = tree_format(tree, "%s us (%s)", value, cpu->idle_state ? cpu->idle_state : "no name");
		if (fits > 0)
			audit_pass(audit, rule, name, value);
		else if (cpus->latency_error)
			audit_unknown(audit, rule, name, cpus->latency_error,
				      "%s, unless a process keeps it from that; /dev/cpu_dma_latency", value);
		else
			audit_found(audit, rule, wanted ? wanted->otherwise : FINDING_NOTE, name, value,
				    wanted ? tree_format(tree, "%s us", rule_expectation(tree, wanted)) : NULL, NULL);
	}
	if (!is_known)
		audit_unknown(audit, rule, NULL, 0, "the kernel has no idle states here: cpuidle is missing");
}

/* The last line of the kernel's log that speaks of a clock nobody can trust; NULL: none. */
static const char *unstable_clock(struct tree *tree)
{
	const struct kernel_log_line *lines;
	const ssize_t count = host_kernel_log(tree, &lines);
	const char *found = NULL;

	for (ssize_t i = 0; i < count; i++) {
		if (strcasestr(lines[i].text, "tsc") && strcasestr(lines[i].text, "unstable"))
			found = lines[i].text;
	}
	return found;
}

static void check_clocksource(struct audit *audit, const struct rule *rule)
{
	const struct host_cpus *cpus = &audit->host->cpus;
	const char *log;
	bool good;

	if (!cpus->clocksource) {
		audit_unknown(audit, rule, NULL, 0, "current_clocksource cannot be read");
		return;
	}
	good = rule_word_is(cpus->clocksource,
			    cpus->hypervisor == 1 ? "tsc|kvm-clock|hyperv_clocksource_tsc_page" : "tsc");
	log = good ? NULL : unstable_clock(audit->host->tree);
	rule_verdict(audit, rule, good, NULL, cpus->clocksource, log ? "The kernel's log: %s" : NULL, log);
}

static void check_vulnerabilities(struct audit *audit, const struct rule *rule)
{
	static const char directory[] = "/sys/devices/system/cpu/vulnerabilities";
	struct tree *tree = audit->host->tree;
	const char *const *names;
	const ssize_t count = tree_list(tree, directory, &names);

	if (count <= 0)
		audit_unknown(audit, rule, NULL, count < 0 ? (int)count : -ENOENT, "%s", directory);
	for (ssize_t i = 0; i < count; i++) {
		const char *value = tree_line(tree, "%s/%s", directory, names[i]);

		if (!value)
			audit_unknown(audit, rule, names[i], 0, "%s/%s cannot be read", directory, names[i]);
		else if (strcmp(value, "Not affected") == 0)
			audit_pass(audit, rule, names[i], value);
		else
			audit_found(audit, rule, FINDING_NOTE, names[i], value, NULL, NULL);
	}
}

/* Whether all that a vCPU may run on is threads of one core, which is this one. */
static bool is_on_core(const struct guest_thread *vcpu, const struct host_cpu *core)
{
	return vcpu->allowed.count && cpu_list_within(&vcpu->allowed, &core->siblings);
}

/* The guests that have a vCPU pinned to a core: how many, and their names. */
static unsigned guests_on_core(struct audit *audit, const struct host_cpu *core, const char **names)
{
	const struct host_guests *guests = &audit->host->guests;
	unsigned count = 0;

	*names = "";
	for (unsigned i = 0; i < guests->count; i++) {
		const struct guest *guest = &guests->guest[i];
		bool has_vcpu = false;

		for (unsigned vcpu = 0; vcpu < guest->vcpu_count; vcpu++)
			has_vcpu |= is_on_core(&guest->vcpu[vcpu], core);
		if (!has_vcpu)
			continue;
		*names = tree_format(audit->host->tree, "%s%s%s", *names, count++ ? ", " : "",
				     guest->name ? guest->name : "a guest without a name");
	}
	return count;
}

static void check_threads_of_cores(struct audit *audit, const struct rule *rule)
{
	const struct host_cpus *cpus = &audit->host->cpus;
	bool has_threads = false, is_known = false, is_split = false;

	for (unsigned i = 0; i < cpus->count; i++) {
		const struct host_cpu *cpu = &cpus->cpu[i];
		const char *names;

		is_known |= cpu->siblings.count > 0;
		if (cpu->siblings.count < 2 || cpu->siblings.cpu[0] != cpu->number)
			continue;
		has_threads = true;
		if (guests_on_core(audit, cpu, &names) < 2)
			continue;
		is_split = true;
		rule_verdict(
			audit, rule, false,
			tree_format(audit->host->tree, "CPUs %s", cpu_list_format(audit->host->tree, &cpu->siblings)),
			names, NULL);
	}
	if (!is_known)
		audit_unknown(audit, rule, NULL, 0, "which CPUs are threads of one core cannot be read");
	else if (!is_split)
		audit_pass(audit, rule, NULL, has_threads ? "no core is shared" : "one thread a core");
}

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
	{
		.id = "host.cpu.idle",
		.title = "time to wake from the deepest idle state",
		.contexts = CONTEXT_ALL,
		.check = check_idle,
		.cases = {{CONTEXT_DENSITY, COMPARE_AT_MOST, "70", FINDING_NOTE},
			  {CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_AT_MOST, "3", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_AT_MOST, "70", FINDING_WARN}},
		.reads = "cpuN/cpuidle/stateN/{latency,disable}, cpuN/power/pm_qos_resume_latency_us, "
			 "/dev/cpu_dma_latency",
		.why = "An interrupt for a sleeping core waits until it is awake: from a deep state longer than an "
		       "NVMe disk takes "
		       "for a read.",
		.costs = "Power and heat; idle cores that do not sleep leave less turbo to busy ones.",
		.cure = "For each deep state: echo 1 >/sys/devices/system/cpu/%s/cpuidle/stateN/disable",
		.lasting = "tuned-adm profile virtual-host (70 us), or latency-performance (C1)",
		.source = "tuned, force_latency of the profiles virtual-host and latency-performance",
	},
	{
		.id = "host.cpu.clocksource",
		.title = "clock",
		.contexts = CONTEXT_ALL,
		.check = check_clocksource,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "tsc", FINDING_WARN}},
		.reads = "/sys/devices/system/clocksource/clocksource0/current_clocksource",
		.wants = "tsc; in a guest kvm-clock or hyperv_clocksource_tsc_page, too",
		.why = "With HPET or the ACPI timer each look at the clock is an access to a slow device, and guests "
		       "get no TSC clock "
		       "either.",
		.costs = "A TSC that the kernel does not trust may run apart between sockets: look for the reason in "
			 "the kernel's log.",
		.cure = "echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource",
		.lasting = "Remove clocksource= from the kernel's command line; update the firmware where the log says "
			   "the TSC is "
			   "unstable.",
		.source = "Linux, Documentation/virt/kvm/x86/timekeeping.rst",
	},
	{
		.id = "host.cpu.vulnerabilities",
		.title = "what mitigations are in use",
		.contexts = CONTEXT_ALL,
		.check = check_vulnerabilities,
		.reads = "/sys/devices/system/cpu/vulnerabilities",
		.wants = "Nothing: they are reported.",
		.why = "Mitigations make exits and system calls dearer, each by its own measure, and explain why "
		       "machines of the same "
		       "clock differ. They protect guests from each other: this is no advice to switch any off.",
		.costs = "Does not apply.",
		.cure = "Newer processors and microcode need fewer.",
		.lasting = "The same.",
		.source = "Linux, Documentation/admin-guide/hw-vuln",
	},
	{
		.id = "host.cpu.threads",
		.title = "cores whose threads belong to different guests",
		.contexts = CONTEXT_ALL,
		.check = check_threads_of_cores,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "one guest a core", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "one guest a core", FINDING_NOTE}},
		.reads = "thread_siblings_list of each CPU; Cpus_allowed_list of pinned vCPUs",
		.why = "Two threads of a core share its units and its first caches: a neighbour's load halves the "
		       "speed now and then, "
		       "and some side channels work between them alone.",
		.costs = "Whole cores for each guest: one with an odd number of vCPUs leaves a thread idle.",
		.cure = "virsh vcpupin VM VCPU CPUS, so that both threads of a core belong to the same guest",
		.lasting = "<vcpupin> in the domain's <cputune>",
		.source = "Linux, Documentation/admin-guide/hw-vuln/core-scheduling.rst",
	},
};

const struct rule_table rules_cpu = RULE_TABLE(rules);
