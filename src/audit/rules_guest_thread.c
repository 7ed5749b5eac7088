/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* Where the guest's threads run, and whether they are let. */

static void check_pinned(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	unsigned loose = 0;

	if (!rule_knows_vcpus(audit, rule))
		return;
	for (unsigned i = 0; i < guest->vcpu_count; i++)
		loose += guest->vcpu[i].allowed.count != 1;
	rule_verdict(audit, rule, !loose, NULL,
		     tree_format(audit->host->tree, "%u of %u on a CPU of their own choice", loose, guest->vcpu_count),
		     NULL);
}

/* Whether a is one CPU, that b is kept to as well. */
static bool same_cpu(const struct guest_thread *a, const struct guest_thread *b)
{
	return a != b && a->allowed.count == 1 && b->allowed.count == 1 && a->allowed.cpu[0] == b->allowed.cpu[0];
}

/* A vCPU of any guest kept to the same CPU; NULL: none. */
static const struct guest *rival(const struct host_guests *guests, const struct guest_thread *vcpu, unsigned *index)
{
	for (unsigned i = 0; i < guests->count; i++) {
		const struct guest *other = &guests->guest[i];

		for (unsigned k = 0; k < other->vcpu_count; k++) {
			if (other->pid != HOST_UNKNOWN && same_cpu(vcpu, &other->vcpu[k])) {
				*index = other->vcpu[k].index;
				return other;
			}
		}
	}
	return NULL;
}

static void check_shared(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	bool found = false;

	if (!rule_knows_vcpus(audit, rule))
		return;
	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		unsigned index;
		const struct guest *other = rival(&audit->host->guests, &guest->vcpu[i], &index);

		if (!other)
			continue;
		found = true;
		rule_verdict(audit, rule, false, rule_vcpu(audit, &guest->vcpu[i]),
			     tree_format(audit->host->tree, "on CPU %u with vCPU %u of %s",
					 guest->vcpu[i].allowed.cpu[0], index,
					 other == guest ? "the same guest"
					 : other->name  ? other->name
							: "another"),
			     NULL);
	}
	if (!found)
		audit_pass(audit, rule, NULL, "none shares a CPU it is kept to");
}

/* Whether the guest was told of nodes of its own. */
static bool has_nodes(const struct guest *guest)
{
	for (unsigned i = 0; i < guest->memory.backend_count; i++) {
		if (guest->memory.backend[i].guest_cpus.count)
			return true;
	}
	return false;
}

static void check_node(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	const struct cpu_list all = rule_vcpu_cpus(audit), none = {0};
	const char *value = tree_format(audit->host->tree, "CPUs %s", cpu_list_format(audit->host->tree, &all));
	bool good = true;

	if (!rule_knows_vcpus(audit, rule))
		return;
	if (audit->host->cpus.node_count < 2) {
		audit_pass(audit, rule, NULL, "the host has one node");
		return;
	}
	if (!has_nodes(guest))
		good = rule_vcpu_node(audit, &none) != HOST_UNKNOWN;
	for (unsigned i = 0; i < guest->memory.backend_count; i++) {
		const struct cpu_list *vcpus = &guest->memory.backend[i].guest_cpus;

		if (vcpus->count && rule_vcpu_node(audit, vcpus) == HOST_UNKNOWN)
			good = false;
	}
	if (good || !rule_vcpus_are_pinned(audit))
		rule_verdict(audit, rule, good, NULL, value, "nothing keeps its vCPUs on one node");
	else
		audit_found(audit, rule, FINDING_WARN, NULL, value, rule->cases[0].expected,
			    "its vCPUs are kept to CPUs of several nodes");
}

/* Whether a thread may run on a vCPU's CPU, or on the sibling of one where that counts. */
static bool is_in_the_way(const struct audit *audit, const struct guest_thread *thread, const struct cpu_list *vcpus)
{
	const struct host_cpus *cpus = &audit->host->cpus;

	if (cpu_list_overlap(&thread->allowed, vcpus))
		return true;
	if (!audit_is_for(audit, CONTEXT_LATENCY | CONTEXT_REALTIME))
		return false;
	for (unsigned i = 0; i < vcpus->count; i++) {
		const struct host_cpu *cpu = host_cpu_find(cpus, vcpus->cpu[i]);

		if (cpu && cpu_list_overlap(&thread->allowed, &cpu->siblings))
			return true;
	}
	return false;
}

/* Threads that may run where a vCPU has been put; nothing to say of vCPUs that may run anywhere themselves. */
static void check_apart(struct audit *audit, const struct rule *rule, const struct guest_thread *thread, unsigned count)
{
	const struct cpu_list vcpus = rule_vcpu_cpus(audit);

	if (!count || !rule_knows_vcpus(audit, rule) || !rule_vcpus_are_pinned(audit))
		return;
	for (unsigned i = 0; i < count; i++) {
		const char *name = thread[i].name;
		const char *cpus = tree_format(audit->host->tree, "CPUs %s",
					       cpu_list_format(audit->host->tree, &thread[i].allowed));

		if (!thread[i].allowed.count)
			audit_unknown(audit, rule, name, 0, "where it may run cannot be read");
		else
			rule_verdict(audit, rule, !is_in_the_way(audit, &thread[i], &vcpus), name, cpus,
				     "its vCPUs are on %s", cpu_list_format(audit->host->tree, &vcpus));
	}
}

static void check_emulator(struct audit *audit, const struct rule *rule)
{
	check_apart(audit, rule, audit->guest->other, audit->guest->other_count);
}

static void check_iothread(struct audit *audit, const struct rule *rule)
{
	check_apart(audit, rule, audit->guest->iothread, audit->guest->iothread_count);
}

/*
 * The share of time that a thread was runnable and did not run, of that in which it wanted to: measured, or since it
 * began; *measured says which. NAN: unknown.
 */
static double delay_of(const struct audit *audit, const struct guest_thread *thread, bool *measured)
{
	const struct rate_thread *rate = host_rate_of_thread(&audit->host->rates, thread->tid);
	unsigned long long run, delay;
	const char *line;

	*measured = rate && !isnan(rate->run) && !isnan(rate->delay);
	if (*measured)
		return rate->run + rate->delay > 0 ? rate->delay / (rate->run + rate->delay) : 0;
	line = thread->tid == HOST_UNKNOWN
		       ? NULL
		       : tree_line(audit->host->tree, "/proc/%d/task/%d/schedstat", audit->guest->pid, thread->tid);
	if (!line || sscanf(line, "%llu %llu", &run, &delay) != 2)
		return NAN;
	return run + delay ? (double)delay / ((double)run + (double)delay) : 0;
}

/* Since a thread started there was booting, and whatever was wrong and is no more. */
#define MUCH_DELAY         0.01
#define MUCH_DELAY_OVERALL 0.05

static void check_delay_of(struct audit *audit, const struct rule *rule, const struct guest_thread *thread,
			   const char *name)
{
	bool measured;
	const double delay = delay_of(audit, thread, &measured);

	if (isnan(delay))
		audit_unknown(audit, rule, name, 0, "its schedstat cannot be read");
	else
		rule_verdict(audit, rule, delay < (measured ? MUCH_DELAY : MUCH_DELAY_OVERALL), name,
			     tree_format(audit->host->tree, delay < 0.1 ? "%.1f %% %s" : "%.0f %% %s", delay * 100,
					 measured ? "now" : "since it started"),
			     NULL);
}

static void check_delay(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;

	if (guest->pid == HOST_UNKNOWN)
		return;
	if (!guest->vcpu_count && !guest->iothread_count)
		audit_unknown(audit, rule, NULL, 0, "its threads are not known");
	for (unsigned i = 0; i < guest->vcpu_count; i++)
		check_delay_of(audit, rule, &guest->vcpu[i], rule_vcpu(audit, &guest->vcpu[i]));
	for (unsigned i = 0; i < guest->iothread_count; i++)
		check_delay_of(audit, rule, &guest->iothread[i], guest->iothread[i].name);
}

/* Exits a second from which on each reason is worth a look, by the words of KVM's statistics. */
static const struct {
	const char *reason;
	double worrying;
	const char *advice;
} exit_limits[] = {
	{"io_exits", 10000, "an emulated device is busy: virtio or passthrough"},
	{"mmio_exits", 10000, "an emulated device or doorbell is busy: virtio with ioeventfd, or passthrough"},
	{"pf_taken", 1000, "EPT or NPT faults: look at the memory's backing"},
	{"request_irq_exits", 10000, "interrupt windows: posted interrupts (APICv, AVIC)"},
	{"signal_exits", 1000, "its threads are signalled all the time"},
};

static void check_exits(struct audit *audit, const struct rule *rule)
{
	const struct host_rates *rates = &audit->host->rates;
	const struct guest *guest = audit->guest;
	unsigned seen = 0;

	if (guest->pid == HOST_UNKNOWN || (guest->accelerator && strcmp(guest->accelerator, "kvm")))
		return;
	for (unsigned i = 0; i < rates->exit_count; i++) {
		for (unsigned k = 0; k < sizeof(exit_limits) / sizeof(*exit_limits); k++) {
			/* No number where the counter began anew in between. */
			if (rates->exit[i].pid != guest->pid || isnan(rates->exit[i].rate) ||
			    strcmp(rates->exit[i].reason, exit_limits[k].reason))
				continue;
			seen++;
			rule_verdict(audit, rule, rates->exit[i].rate <= exit_limits[k].worrying, exit_limits[k].reason,
				     tree_format(audit->host->tree, "%.0f a second", rates->exit[i].rate), "%s",
				     exit_limits[k].advice);
		}
	}
	if (!seen)
		audit_unknown(audit, rule, NULL, 0,
			      rates->seconds > 0 ? "neither QMP nor debugfs has KVM's statistics of it"
						 : "nothing was measured: strait exits counts them");
}

/* Whether an earlier one is the same, in another group. */
static bool is_told(const struct guest *guest, unsigned which)
{
	for (unsigned i = 0; i < which; i++) {
		if (!strcmp(guest->quota[i].max, guest->quota[which].max))
			return true;
	}
	return false;
}

#define QUOTAS_TOLD 8 /* libvirt has four kinds of them */

static void check_quotas(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	unsigned told = 0;

	for (unsigned i = 0; i < guest->quota_count && told < QUOTAS_TOLD; i++) {
		if (!is_told(guest, i) && ++told)
			rule_verdict(
				audit, rule, false, "cpu.max", guest->quota[i].max, "%s: %s", guest->quota[i].cgroup,
				rule_quota_threads(audit->host->tree, guest, &guest->quota[i], guest->quota_count - i));
	}
	if (guest->quotas_known != 1)
		audit_unknown(audit, rule, "cpu.max", 0, "not all control groups of its threads could be read");
}

static void check_limits(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;

	if (guest->pid == HOST_UNKNOWN)
		return;
	check_quotas(audit, rule);
	if (!guest->io_max)
		audit_unknown(audit, rule, "io.max", 0, "its control group could not be read");
	else if (*guest->io_max)
		rule_verdict(audit, rule, false, "io.max", guest->io_max, NULL);
	else if (guest->quotas_known == 1 && !guest->quota_count)
		audit_pass(audit, rule, NULL, tree_format(audit->host->tree, "%s: none", guest->cgroup));
}

#define PINNING (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

static const struct rule rules[] = {
	{
		.id = "guest.cpu.pinned",
		.title = "vCPUs on CPUs of their own",
		.contexts = PINNING,
		.cases = {{PINNING, COMPARE_EQUAL, "each vCPU on one CPU", FINDING_WARN}},
		.check = check_pinned,
		.of_guest = true,
		.reads = "Cpus_allowed_list of the vCPU threads",
		.why = "A vCPU that wanders loses its caches and, with another node, the memory beside it; two of them "
		       "can "
		       "meet on one CPU while others are idle. Both show as a good mean and a bad p99.9.",
		.costs = "The CPUs are no longer there for others; the pins have to be planned for each host.",
		.cure = "virsh vcpupin GUEST VCPU CPU, or taskset -p for each thread that query-cpus-fast names.",
		.lasting = "libvirt: <cputune><vcpupin vcpu='0' cpuset='2'/>...</cputune>.",
		.source = "libvirt, Domain XML: CPU Tuning",
	},
	{
		.id = "guest.cpu.shared",
		.title = "vCPUs kept to the same CPU",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "one vCPU a CPU", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "one vCPU a CPU", FINDING_WARN}},
		.check = check_shared,
		.of_guest = true,
		.reads = "Cpus_allowed_list of the vCPU threads of all guests",
		.why = "Two vCPUs that may only run on one CPU take turns there whatever else is idle: each waits for "
		       "the "
		       "other's time slice.",
		.costs = "Another CPU.",
		.cure = "virsh vcpupin, or taskset -p, to CPUs that no other guest is kept to.",
		.lasting = "libvirt: <cputune> of both guests.",
		.source = "libvirt, Domain XML: CPU Tuning",
	},
	{
		.id = "guest.cpu.node",
		.title = "vCPUs on one node",
		.contexts = CONTEXT_ALL & ~CONTEXT_DENSITY,
		.cases = {{PINNING, COMPARE_EQUAL, "all on one node, or each of the guest's nodes on one",
			   FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "all on one node, or each of the guest's nodes on one",
			   FINDING_NOTE}},
		.check = check_node,
		.of_guest = true,
		.reads = "Cpus_allowed_list of the vCPU threads, the host's nodes, the guest's nodes",
		.why = "Memory of the other node takes half as long again (80 against 130 ns), and the guest cannot "
		       "know of "
		       "it.",
		.costs = "The guest has to fit a node, or be given nodes of its own.",
		.cure = "Pin its vCPUs to one node: virsh vcpupin, taskset -p.",
		.lasting =
			"libvirt: <vcpu cpuset=...> of one node with <numatune>; for larger guests <cpu><numa><cell>.",
		.source = "libvirt, Domain XML: NUMA Node Tuning; Red Hat, Optimizing virtual machine performance",
	},
	{
		.id = "guest.thread.emulator",
		.title = "QEMU's other threads apart from vCPUs",
		.contexts = PINNING,
		.cases = {{PINNING, COMPARE_EQUAL, "CPUs without vCPUs", FINDING_WARN}},
		.check = check_emulator,
		.of_guest = true,
		.reads = "Cpus_allowed_list of the main loop, workers and vhost threads, where vCPUs are pinned",
		.why = "The main loop, its workers and vhost run when a vCPU has asked for something, and take its CPU "
		       "just then.",
		.costs = "A CPU for the emulator, which may be shared by guests.",
		.cure = "virsh emulatorpin GUEST CPUS, or taskset -p.",
		.lasting = "libvirt: <cputune><emulatorpin cpuset=.../></cputune>.",
		.source = "oVirt, High performance virtual machines; libvirt, CPU Tuning",
	},
	{
		.id = "guest.thread.iothread",
		.title = "I/O threads apart from vCPUs",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "CPUs without vCPUs", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "CPUs without vCPUs", FINDING_WARN}},
		.check = check_iothread,
		.of_guest = true,
		.reads = "Cpus_allowed_list of the I/O threads, where vCPUs are pinned",
		.why = "An I/O thread on a vCPU's CPU takes it away with each completion, and waits for it with each "
		       "request.",
		.costs = "A CPU for I/O threads.",
		.cure = "virsh iothreadpin GUEST IOTHREAD CPUS, or taskset -p of the thread that query-iothreads "
			"names.",
		.lasting = "libvirt: <cputune><iothreadpin iothread='1' cpuset=.../></cputune>.",
		.source = "oVirt, High performance virtual machines; libvirt, CPU Tuning",
	},
	{
		.id = "guest.thread.delay",
		.title = "time that threads wait for a CPU",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "below 1 %, since the start below 5 %",
			   FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "below 1 %, since the start below 5 %", FINDING_NOTE}},
		.check = check_delay,
		.of_guest = true,
		.reads = "run delay in /proc/PID/task/TID/schedstat of vCPU and I/O threads, as a share of the time "
			 "they "
			 "wanted to run",
		.why = "What the host calls run delay the guest sees as steal: it stands still and does not know why. "
		       "Under an "
		       "I/O thread all of its disks wait.",
		.costs = "Less overcommit: fewer guests, or CPUs set apart.",
		.cure = "Pin, or move what runs beside it; strait diagnose shows who that is.",
		.lasting = "CPUs of their own (isolcpus or cpusets) for guests to which latency matters.",
		.source = "kernel, Documentation/scheduler/sched-stats",
	},
	{
		.id = "guest.exits",
		.title = "exits a second by reason",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL,
			   "up to 10000 a second for I/O, memory-mapped I/O and interrupt windows, 1000 for faults and "
			   "signals",
			   FINDING_WARN}},
		.check = check_exits,
		.of_guest = true,
		.reads = "KVM's statistics by QMP (query-stats) or debugfs, between two samples",
		.why = "An exit takes 1,000 to 10,000 cycles from the guest, and the reason says which layer asks for "
		       "it.",
		.costs = "Depends on the reason.",
		.cure = "strait exits GUEST shows which reason takes the time.",
		.lasting = "virtio instead of emulated devices, huge pages, posted interrupts.",
		.source = "kernel, Documentation/virt/kvm/api (statistics)",
	},
	{
		.id = "guest.limits",
		.title = "limits of its control group",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "none that is not known of", FINDING_NOTE}},
		.check = check_limits,
		.of_guest = true,
		.reads = "cpu.max of the control groups of its threads and of all above, io.max of its own or one "
			 "above; of version 1 cpu.cfs_quota_us, and blkio.throttle.* of its own",
		.why = "A guest at its limit is slow in steps of the limit's period, and nothing else shows it.",
		.costs = "Without limits one guest can take all.",
		.cure = "virsh schedinfo, virsh blkiotune, or the files of its control group.",
		.lasting = "libvirt: <cputune><quota>, <blkiotune>.",
		.source = "kernel, Documentation/admin-guide/cgroup-v2 and cgroup-v1",
	},
};

const struct rule_table rules_guest_thread = RULE_TABLE(rules);
