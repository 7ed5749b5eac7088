/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "audit/rules.h"
#include "host/kvm.h"

#define INTEL "/sys/module/kvm_intel/parameters/"
#define AMD   "/sys/module/kvm_amd/parameters/"
#define KVM   "/sys/module/kvm/parameters/"
#define YES   "Y|1"
#define NO    "N|0"

static void check_cpu(struct audit *audit, const struct rule *rule)
{
	const struct host_cpus *cpus = &audit->host->cpus;

	if (cpus->virtualization == HOST_UNKNOWN)
		audit_unknown(audit, rule, NULL, 0, "/proc/cpuinfo says nothing of the processor's abilities");
	else if (cpus->virtualization)
		audit_pass(audit, rule, NULL, cpus->amd == 1 ? "svm" : "vmx");
	else
		audit_found(audit, rule, FINDING_FAIL, NULL, "neither", "vmx or svm", "%s",
			    cpus->hypervisor == 1 ? "This machine is a guest itself: its hypervisor has to let it nest."
						  : "The firmware may have it switched off.");
}

static void check_device(struct audit *audit, const struct rule *rule)
{
	struct host_kvm kvm;

	host_kvm_read(audit->host->tree, &kvm);
	if (kvm.usable == 1)
		audit_pass(audit, rule, NULL, kvm.module ? kvm.module : "there");
	else if (kvm.usable == HOST_UNKNOWN)
		audit_unknown(audit, rule, NULL, kvm.error, "/dev/kvm");
	else
		audit_found(audit, rule, FINDING_FAIL, NULL, strerror(-kvm.error), "a device that answers", "%s",
			    kvm.module ? "Another hypervisor, or the firmware, may keep the processor from it."
				       : "No module of KVM is loaded: every guest is emulated.");
}

static void check_posted(struct audit *audit, const struct rule *rule)
{
	static const char *const names[] = {"PIN", "NPI", "PIW"};
	const char *value = "";
	unsigned seen = 0;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct host_vector *vector = host_vector_find(&audit->host->irqs, names[i]);

		if (vector)
			value = tree_format(audit->host->tree, "%s%s%s %" PRIu64, value, seen++ ? ", " : "", names[i],
					    vector->total);
	}
	if (seen)
		audit_found(audit, rule, FINDING_NOTE, NULL, value, NULL, NULL);
	else
		audit_unknown(audit, rule, NULL, 0, "/proc/interrupts has no rows PIN, NPI and PIW");
}

static void check_nested(struct audit *audit, const struct rule *rule)
{
	static const char *const modules[] = {"kvm_intel", "kvm_amd"};

	for (unsigned i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		const char *value = tree_line(audit->host->tree, "/sys/module/%s/parameters/nested", modules[i]);

		if (value)
			audit_judge(audit, rule, modules[i],
				    tree_format(audit->host->tree, "/sys/module/%s/parameters/nested", modules[i]),
				    value);
		else if (tree_exists(audit->host->tree, "/sys/module/%s", modules[i]))
			audit_unknown(audit, rule, modules[i], 0, "/sys/module/%s/parameters/nested cannot be read",
				      modules[i]);
	}
}

static const struct rule rules[] = {
	{
		.id = "host.kvm.cpu",
		.title = "virtualization by the processor",
		.contexts = CONTEXT_ALL,
		.check = check_cpu,
		.reads = "flags in /proc/cpuinfo",
		.wants = "vmx or svm",
		.why = "Without it guests are emulated, many times slower.",
		.costs = "Nothing.",
		.cure = "Switch on VT-x or SVM in the firmware; of a guest, give it a CPU model with vmx or svm.",
		.lasting = "The same.",
		.source = "virt-host-validate",
	},
	{
		.id = "host.kvm.device",
		.title = "KVM",
		.contexts = CONTEXT_ALL,
		.check = check_device,
		.reads = "/dev/kvm, whether it answers; /sys/module",
		.wants = "a device that answers",
		.why = "Hypervisors reach the processor's virtualization through /dev/kvm alone.",
		.costs = "Nothing.",
		.cure = "modprobe kvm_intel, or modprobe kvm_amd",
		.lasting = "Put the module into /etc/modules-load.d/kvm.conf.",
		.source = "virt-host-validate",
	},
	{
		.id = "host.kvm.ept",
		.title = "second page tables by the processor (Intel EPT)",
		.contexts = CONTEXT_ALL,
		.path = INTEL "ept",
		.only_if = "/sys/module/kvm_intel",
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, YES, FINDING_FAIL}},
		.why = "Without EPT every change of a guest's page tables is an exit.",
		.costs = "Nothing; guests have to be stopped while the module is loaded anew.",
		.cure = "modprobe -r kvm_intel && modprobe kvm_intel ept=1",
		.lasting = "Remove ept=0 from /etc/modprobe.d and the kernel's command line (kvm-intel.ept).",
		.source = "Linux, Documentation/admin-guide/kernel-parameters.txt: kvm-intel.ept",
	},
	{
		.id = "host.kvm.npt",
		.title = "second page tables by the processor (AMD NPT)",
		.contexts = CONTEXT_ALL,
		.path = AMD "npt",
		.only_if = "/sys/module/kvm_amd",
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, YES, FINDING_FAIL}},
		.why = "Without NPT every change of a guest's page tables is an exit.",
		.costs = "Nothing; guests have to be stopped while the module is loaded anew.",
		.cure = "modprobe -r kvm_amd && modprobe kvm_amd npt=1",
		.lasting = "Remove npt=0 from /etc/modprobe.d and the kernel's command line (kvm-amd.npt).",
		.source = "Linux, Documentation/admin-guide/kernel-parameters.txt: kvm-amd.npt",
	},
	{
		.id = "host.kvm.vpid",
		.title = "TLB entries tagged by guest (Intel VPID)",
		.contexts = CONTEXT_ALL,
		.path = INTEL "vpid",
		.only_if = "/sys/module/kvm_intel",
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, YES, FINDING_FAIL}},
		.why = "Without VPID each exit and entry empties the TLB.",
		.costs = "Nothing; guests have to be stopped while the module is loaded anew.",
		.cure = "modprobe -r kvm_intel && modprobe kvm_intel vpid=1",
		.lasting = "Remove vpid=0 from /etc/modprobe.d and the kernel's command line (kvm-intel.vpid).",
		.source = "Linux, Documentation/admin-guide/kernel-parameters.txt: kvm-intel.vpid",
	},
	{
		.id = "host.kvm.apicv",
		.title = "interrupts delivered by the processor (Intel APICv)",
		.contexts = CONTEXT_ALL,
		.path = INTEL "enable_apicv",
		.only_if = "/sys/module/kvm_intel",
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, YES, FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, YES, FINDING_NOTE}},
		.why = "With APICv a guest takes interrupts and writes its APIC without an exit.",
		.costs = "Nothing where the processor has it; some do not.",
		.cure = "modprobe -r kvm_intel && modprobe kvm_intel enable_apicv=1",
		.lasting = "echo 'options kvm_intel enable_apicv=1' >/etc/modprobe.d/kvm-apicv.conf",
		.source = "Linux, arch/x86/kvm/vmx/vmx.c: enable_apicv",
	},
	{
		.id = "host.kvm.avic",
		.title = "interrupts delivered by the processor (AMD AVIC)",
		.contexts = CONTEXT_ALL,
		.path = AMD "avic",
		.only_if = "/sys/module/kvm_amd",
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, YES, FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, YES, FINDING_NOTE}},
		.why = "With AVIC a guest takes interrupts and writes its APIC without an exit.",
		.costs = "Nothing where the processor has it; many kernels leave it off for the errata of some "
			 "processors.",
		.cure = "modprobe -r kvm_amd && modprobe kvm_amd avic=1",
		.lasting = "echo 'options kvm_amd avic=1' >/etc/modprobe.d/kvm-avic.conf",
		.source = "Linux, arch/x86/kvm/svm/avic.c: avic",
	},
	{
		.id = "host.kvm.posted-interrupts",
		.title = "interrupts that reached guests without an exit",
		.contexts = CONTEXT_ALL,
		.check = check_posted,
		.reads = "rows PIN, NPI and PIW of /proc/interrupts",
		.wants = "Nothing: they are reported.",
		.why = "Where devices are passed through or vCPUs are woken by the processor itself, these count up. "
		       "Only zeroes on a "
		       "machine with busy guests mean that interrupts cost exits: see host.kvm.apicv and "
		       "host.kvm.avic.",
		.costs = "Does not apply.",
		.cure = "See host.kvm.apicv and host.kvm.avic.",
		.lasting = "The same.",
		.source = "Linux, arch/x86/kernel/irq.c: arch_show_interrupts()",
	},
	{
		.id = "host.kvm.nested",
		.title = "guests that are hosts themselves",
		.contexts = CONTEXT_ALL,
		.check = check_nested,
		.reads = "/sys/module/kvm_*/parameters/nested",
		.wants = "Nothing: it is reported.",
		.why = "An exit of a guest's guest becomes several exits here.",
		.costs = "Does not apply.",
		.cure = "Where no guest needs it: load %s anew with nested=0",
		.lasting = "echo 'options %s nested=0' >/etc/modprobe.d/kvm-nested.conf",
		.source = "Linux, Documentation/virt/kvm/x86/nested-vmx.rst",
	},
	{
		.id = "host.kvm.halt-poll",
		.title = "polling of a vCPU that halts",
		.contexts = CONTEXT_ALL,
		.path = KVM "halt_poll_ns",
		.only_if = "/sys/module/kvm",
		.cases = {{CONTEXT_DENSITY, COMPARE_AT_MOST, "0", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_AT_MOST, "200000", FINDING_WARN}},
		.why = "KVM looks for work this long, in nanoseconds, before it lets a halted vCPU sleep. Long polling "
		       "takes CPU time "
		       "from other guests and keeps the core's other thread from its turbo.",
		.costs = "Less polling makes a wake-up some microseconds slower.",
		.cure = "echo 200000 >/sys/module/kvm/parameters/halt_poll_ns",
		.lasting = "echo 'options kvm halt_poll_ns=200000' >/etc/modprobe.d/kvm-halt-poll.conf",
		.source = "Linux, Documentation/virt/kvm/halt-polling.rst; its default on x86 is 200000",
	},
	{
		.id = "host.kvm.ple-gap",
		.title = "exits at spinning (Intel PLE)",
		.contexts = CONTEXT_REALTIME,
		.path = INTEL "ple_gap",
		.only_if = "/sys/module/kvm_intel",
		.cases = {{CONTEXT_REALTIME, COMPARE_EQUAL, "0", FINDING_WARN}},
		.why = "A vCPU with a core to itself loses time by exits at its spin loops: nobody could run in its "
		       "place.",
		.costs = "Where vCPUs share cores, a spinning one burns its whole time slice.",
		.cure = "modprobe -r kvm_intel && modprobe kvm_intel ple_gap=0",
		.lasting = "echo 'options kvm_intel ple_gap=0' >/etc/modprobe.d/kvm-realtime.conf",
		.source = "tuned, profile realtime-virtual-host",
	},
	{
		.id = "host.kvm.kvmclock-sync",
		.title = "synchronization of guests' clocks each 5 minutes",
		.contexts = CONTEXT_REALTIME,
		.path = KVM "kvmclock_periodic_sync",
		.only_if = "/sys/module/kvm",
		.cases = {{CONTEXT_REALTIME, COMPARE_EQUAL, NO, FINDING_WARN}},
		.why = "Each one interrupts all vCPUs of a guest.",
		.costs = "kvm-clock may drift from the host's clock; guests with TSC do not mind.",
		.cure = "modprobe -r kvm_intel kvm && modprobe kvm kvmclock_periodic_sync=0 && modprobe kvm_intel (on "
			"AMD: "
			"kvm_amd in both places)",
		.lasting = "echo 'options kvm kvmclock_periodic_sync=0' >/etc/modprobe.d/kvm-realtime.conf",
		.source = "tuned, profile realtime-virtual-host",
	},
	{
		.id = "host.kvm.nx-huge-pages",
		.title = "huge pages of guests that are not executable",
		.contexts = CONTEXT_ALL,
		.path = KVM "nx_huge_pages",
		.only_if = "/sys/module/kvm",
		.cases = {{CONTEXT_REALTIME, COMPARE_EQUAL, "N|0|never", FINDING_NOTE}},
		.why = "The mitigation of iTLB multihit breaks huge pages of a guest up where it executes, and a "
		       "thread puts them "
		       "together again. tuned switches it off for realtime guests.",
		.costs = "Without it, a guest can stop the machine on processors with iTLB multihit: see "
			 "host.cpu.vulnerabilities.",
		.cure = "Only where all guests are trusted: echo off >/sys/module/kvm/parameters/nx_huge_pages",
		.lasting = "echo 'options kvm nx_huge_pages=off' >/etc/modprobe.d/kvm-realtime.conf",
		.source = "tuned, profile realtime-virtual-host; Linux, Documentation/admin-guide/hw-vuln/multihit.rst",
	},
};

const struct rule_table rules_kvm = RULE_TABLE(rules);
