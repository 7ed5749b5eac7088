/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* The guest's CPUs as they are made: model, features, clocks, and how many. */

static bool is_x86(const struct guest *guest)
{
	return (guest->binary && strstr(guest->binary, "x86_64")) ||
	       (guest->machine && (strstr(guest->machine, "q35") || strstr(guest->machine, "pc") == guest->machine));
}

static void check_accelerator(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;

	if (!guest->accelerator)
		audit_unknown(audit, rule, NULL, 0, "it is not said which accelerator it uses");
	else
		rule_verdict(audit, rule, !strcmp(guest->accelerator, "kvm"), NULL, guest->accelerator, NULL);
}

static host_answer feature(const struct guest *guest, const char *name);

/* Proxmox makes its models of qemu64 and kvm64: x86-64-v2-AES, and with AVX2 x86-64-v3. */
static void judge_basic_model(struct audit *audit, const struct rule *rule, const char *model)
{
	const struct guest *guest = audit->guest;
	struct tree *tree = audit->host->tree;

	if (feature(guest, "avx2") == 1)
		audit_pass(audit, rule, NULL, tree_format(tree, "%s with AVX2", model));
	else if (feature(guest, "aes") == 1 && (feature(guest, "sse4.2") == 1 || feature(guest, "sse4_2") == 1))
		audit_found(audit, rule, FINDING_NOTE, NULL, tree_format(tree, "%s with AES and SSE 4.2", model),
			    "a model with AVX2 where all hosts have it", NULL);
	else
		rule_verdict(audit, rule, false, NULL, model, NULL);
}

static void check_model(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	const char *model = guest->cpu_model;

	/* What QEMU gives a PC that was not told a model. */
	if (!model && guest->hypervisor == GUEST_QEMU && is_x86(guest))
		model = "qemu64";
	if (!model)
		audit_unknown(audit, rule, NULL, 0, "its CPU model is not known");
	else if (rule_word_is(model, "qemu64|kvm64"))
		judge_basic_model(audit, rule, model);
	else
		rule_verdict(audit, rule, !rule_word_is(model, "qemu32|kvm32|486|pentium|pentium2|pentium3"), NULL,
			     model, NULL);
}

/* "+invtsc", "invtsc=on", "invtsc": 1; "-invtsc", "invtsc=off": 0; not named: HOST_UNKNOWN. The last one counts. */
static host_answer feature(const struct guest *guest, const char *name)
{
	const size_t length = strlen(name);
	host_answer answer = HOST_UNKNOWN;

	for (unsigned i = 0; i < guest->cpu_feature_count; i++) {
		const char *given = guest->cpu_features[i];
		const char sign = *given == '+' || *given == '-' ? *given++ : 0;
		size_t at = 0;

		/* QEMU takes "hv-time" and "hv_time". */
		while (at < length && (given[at] == name[at] || (given[at] == '-' && name[at] == '_')))
			at++;
		if (at < length)
			continue;
		if (!given[at])
			answer = sign != '-';
		else if (given[at] == '=')
			answer = strcmp(given + at + 1, "off") && strcmp(given + at + 1, "false");
	}
	return answer;
}

static void check_tsc(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	const bool without = feature(guest, "kvmclock") == 0 || feature(guest, "kvm_clock") == 0;
	const bool steady = feature(guest, "invtsc") == 1;

	if (!is_x86(guest) || guest->windows == 1)
		return;
	if (!guest->accelerator || strcmp(guest->accelerator, "kvm"))
		return;
	rule_verdict(audit, rule, !without || steady, NULL,
		     without  ? steady ? "invariant TSC" : "neither kvm-clock nor invariant TSC"
		     : steady ? "kvm-clock and invariant TSC"
			      : "kvm-clock",
		     "the guest is left with timers that exit each time they are read");
}

static void check_hpet(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;

	if (!is_x86(guest))
		return;
	if (guest->hpet == HOST_UNKNOWN)
		audit_unknown(audit, rule, NULL, 0, "it is not said whether the machine has an HPET");
	else
		rule_verdict(audit, rule, !guest->hpet, NULL, guest->hpet ? "present" : "absent", NULL);
}

static void check_enlightenments(struct audit *audit, const struct rule *rule)
{
	static const char *const wanted[] = {"hv_relaxed", "hv_vapic", "hv_spinlocks", "hv_time"};
	const struct guest *guest = audit->guest;
	const char *missing = "";

	if (guest->windows != 1)
		return;
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		if (feature(guest, "hv_passthrough") != 1 && feature(guest, wanted[i]) != 1)
			missing = tree_format(audit->host->tree, "%s%s%s", missing, *missing ? ", " : "", wanted[i]);
	}
	rule_verdict(audit, rule, !*missing, NULL,
		     *missing ? tree_format(audit->host->tree, "without %s", missing) : "all four", NULL);
}

static void check_count(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	const unsigned cpus = audit->host->cpus.count;

	if (!guest->vcpu_count || !cpus) {
		audit_unknown(audit, rule, NULL, 0, "%s",
			      cpus ? "its vCPUs are not known" : "the host's CPUs are not known");
		return;
	}
	rule_verdict(audit, rule, guest->vcpu_count <= cpus, NULL,
		     tree_format(audit->host->tree, "%u vCPUs on %u CPUs", guest->vcpu_count, cpus), NULL);
}

static const struct rule rules[] = {
	{
		.id = "guest.accelerator",
		.title = "hardware virtualization of the guest",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "kvm", FINDING_FAIL}},
		.check = check_accelerator,
		.of_guest = true,
		.reads = "the guest's definition: -accel, -enable-kvm, <domain type=>",
		.why = "Without KVM each instruction of the guest is translated by software: ten to a hundred times "
		       "slower, "
		       "and every latency is the translator's.",
		.costs = "The host has to have VMX or SVM and /dev/kvm.",
		.cure = "Start the guest with -accel kvm.",
		.lasting = "libvirt: <domain type='kvm'>.",
		.source = "virt-host-validate; QEMU, Introduction: Accelerators",
	},
	{
		.id = "guest.cpu.model",
		.title = "CPU model the guest sees",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_DIFFERS, "qemu64|qemu32|kvm64|kvm32|486|pentium|pentium2|pentium3",
			   FINDING_WARN}},
		.check = check_model,
		.of_guest = true,
		.reads = "the guest's definition: -cpu and its features, <cpu mode=>",
		.why = "qemu64 and kvm64 hide AVX, AES, PCID and most of what came after 2006: checksums, encryption "
		       "and every "
		       "system call of the guest are slower than they have to be.",
		.costs = "host (host-passthrough) migrates only between equal CPUs; host-model and named models "
			 "migrate.",
		.cure = "The model is chosen at start: -cpu host, or a named model that all hosts of the cluster have.",
		.lasting = "libvirt: <cpu mode='host-passthrough'/> or <cpu mode='host-model'/>.",
		.source = "QEMU, Recommendations for KVM CPU model configuration on x86 hosts",
	},
	{
		.id = "guest.cpu.count",
		.title = "vCPUs of one guest against CPUs of the host",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "no more vCPUs than the host has CPUs", FINDING_WARN}},
		.check = check_count,
		.of_guest = true,
		.reads = "the guest's definition; /sys/devices/system/cpu/online",
		.why = "Two vCPUs of one guest then share a CPU, so that one holds a lock while it does not run and "
		       "the other "
		       "waits for it: more vCPUs make such a guest slower.",
		.costs = "Fewer vCPUs than the guest has threads that could run.",
		.cure = "Take vCPUs away: virsh setvcpus, or device_del in QMP.",
		.lasting = "Start it with fewer: -smp, <vcpu>.",
		.source = "libvirt, Domain XML: CPU Allocation",
	},
	{
		.id = "guest.clock.source",
		.title = "clocks the guest can read without an exit",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "kvm-clock, or invariant TSC", FINDING_WARN}},
		.check = check_tsc,
		.of_guest = true,
		.reads = "the guest's definition: features of -cpu, <timer name='kvmclock'>, <timer name='tsc'>",
		.why = "A Linux guest reads kvm-clock and an invariant TSC with one instruction; what is left without "
		       "them (HPET, "
		       "ACPI PM timer) is an exit each time, thousands a second where timestamps are taken.",
		.costs = "invtsc forbids migration to a host whose TSC has another frequency.",
		.cure = "Chosen at start: leave out -kvmclock, or add +invtsc.",
		.lasting =
			"libvirt: <timer name='kvmclock' present='yes'/>, <feature policy='require' name='invtsc'/>.",
		.source = "kernel, Documentation/virt/kvm/x86/timekeeping",
	},
	{
		.id = "guest.clock.hpet",
		.title = "emulated HPET",
		.contexts = CONTEXT_GENERAL | CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "absent", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "absent", FINDING_NOTE}},
		.check = check_hpet,
		.of_guest = true,
		.reads = "the guest's definition: -machine hpet=, -no-hpet, <timer name='hpet'>",
		.why = "A guest that picks the emulated HPET exits to QEMU's main loop at each reading and each tick, "
		       "and holds "
		       "its lock meanwhile.",
		.costs = "Nothing where the guest has a TSC, kvm-clock or the Hyper-V reference time.",
		.cure = "Chosen at start: -machine hpet=off.",
		.lasting = "libvirt: <timer name='hpet' present='no'/>.",
		.source = "libvirt, Domain XML: Time keeping; Red Hat, KVM performance",
	},
	{
		.id = "guest.windows.enlightenments",
		.title = "Hyper-V enlightenments of a Windows guest",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "hv_relaxed, hv_vapic, hv_spinlocks, hv_time", FINDING_WARN}},
		.check = check_enlightenments,
		.of_guest = true,
		.reads = "the guest's definition: features of -cpu, <hyperv>",
		.why = "With them Windows reads time without exits, does not spin for CPUs that do not run, and does "
		       "not take a "
		       "late tick for a broken machine.",
		.costs = "Some forbid nested Hyper-V unless hv-evmcs is there too.",
		.cure = "Chosen at start: -cpu host,hv_relaxed,hv_vapic,hv_spinlocks=0x1fff,hv_time.",
		.lasting =
			"libvirt: <hyperv mode='custom'><relaxed state='on'/><vapic state='on'/>"
			"<spinlocks state='on' retries='8191'/></hyperv>, <timer name='hypervclock' present='yes'/>.",
		.source = "QEMU, Hyper-V Enlightenments",
	},
};

const struct rule_table rules_guest_cpu = RULE_TABLE(rules);
