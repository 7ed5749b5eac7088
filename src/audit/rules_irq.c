/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* Where devices' interrupts arrive. */

/* No machine has more; a hostile capture may, and would take minutes. */
#define IRQS_MAX 8192

/* All of a device's vectors together. */
struct vectors {
	const char *device;
	const struct host_pci_device *pci;
	unsigned count;        /* vectors that did something or may do so */
	unsigned cpus;         /* CPUs among which they are divided */
	unsigned near;         /* vectors at a CPU that is local to the device */
	unsigned isolated;     /* vectors at an isolated CPU */
	unsigned with_vcpus;   /* vectors at a CPU that is some vCPU's */
	const char *first_bad; /* the CPU of one of those, as text */
	bool managed;          /* the kernel spreads them itself, and nobody can change that */
};

typedef void vectors_check(struct audit *audit, const struct rule *rule, const struct vectors *vectors);

/* Queues of these belong to CPUs: the kernel keeps each one's vector there. Others can be moved. */
static bool is_managed(const struct host_pci_device *pci, const struct host_irq *irq)
{
	return (pci && rule_word_is(pci->driver, "nvme|megaraid_sas|mpt3sas|mpi3mr|smartpqi|hpsa|lpfc|qla2xxx")) ||
	       (irq->action && strstr(irq->action, "-req."));
}

/* Configuration changes, link changes and errors: one vector of most devices is for these. */
static bool is_for_data(const struct host_irq *irq)
{
	const char *action = irq->action;

	if (strncmp(action, "nvme", 4) == 0 && strlen(action) > 2 && strcmp(action + strlen(action) - 2, "q0") == 0)
		return false;
	return !strstr(action, "-config") && !strstr(action, "-control") && !strstr(action, "-event") &&
	       !strstr(action, "-misc") && !strstr(action, "-mbx") && !strstr(action, "async");
}

/* Where it arrives: one CPU on x86. Without an effective one, nothing has asked for it. */
static int cpu_of(const struct host_irq *irq)
{
	if (irq->effective.count)
		return (int)irq->effective.cpu[0];
	return irq->allowed.count == 1 ? (int)irq->allowed.cpu[0] : HOST_UNKNOWN;
}

static bool is_first_of(const struct host_irqs *irqs, unsigned index)
{
	for (unsigned i = 0; i < index; i++) {
		if (irqs->irq[i].device && strcmp(irqs->irq[i].device, irqs->irq[index].device) == 0)
			return false;
	}
	return true;
}

/* CPUs that pinned vCPUs may use: those of guests that may run everywhere are no reason to keep interrupts away. */
static bool is_for_vcpus(const struct host *host, unsigned cpu)
{
	for (unsigned i = 0; i < host->guests.count; i++) {
		const struct guest *guest = &host->guests.guest[i];

		for (unsigned k = 0; k < guest->vcpu_count; k++) {
			if (guest_thread_is_pinned(&guest->vcpu[k], &host->cpus) &&
			    cpu_list_has(&guest->vcpu[k].allowed, cpu))
				return true;
		}
	}
	return false;
}

static void add_vector(const struct audit *audit, struct vectors *vectors, unsigned cpu, const bool *seen)
{
	const struct host *host = audit->host;
	const bool isolated = cpu_list_has(&host->cpus.isolated, cpu);
	const bool with_vcpus = is_for_vcpus(host, cpu);

	vectors->count++;
	vectors->cpus += !seen[cpu];
	vectors->near += !vectors->pci || cpu_list_has(&vectors->pci->local_cpus, cpu);
	vectors->isolated += isolated;
	vectors->with_vcpus += with_vcpus;
	if (!vectors->first_bad && (isolated || with_vcpus))
		vectors->first_bad = tree_format(host->tree, "CPU %u", cpu);
}

static void collect(const struct audit *audit, unsigned first, struct vectors *vectors)
{
	const struct host_irqs *irqs = &audit->host->irqs;
	bool seen[CPU_LIST_END] = {false};

	vectors->device = irqs->irq[first].device;
	vectors->pci = host_pci_find(&audit->host->pci, irqs->irq[first].pci);
	for (unsigned i = first; i < irqs->count && i < IRQS_MAX; i++) {
		const struct host_irq *irq = &irqs->irq[i];
		const int cpu = cpu_of(irq);

		/* Without a handler it stays listed where it was: of an interface that is down, say. */
		if (!irq->action || cpu < 0)
			continue;
		if (!irq->device || strcmp(irq->device, vectors->device) != 0 || !is_for_data(irq))
			continue;
		vectors->managed = vectors->managed || is_managed(vectors->pci, irq);
		add_vector(audit, vectors, (unsigned)cpu, seen);
		seen[cpu] = true;
	}
}

/* Each device that carries I/O and has a vector; those of VFIO are a guest's, and go where that wants them. */
static void each_device(struct audit *audit, const struct rule *rule, vectors_check *check)
{
	const struct host_irqs *irqs = &audit->host->irqs;

	for (unsigned i = 0; i < irqs->count && i < IRQS_MAX; i++) {
		const struct host_pci_device *pci = host_pci_find(&audit->host->pci, irqs->irq[i].pci);
		const unsigned kind = pci ? pci->class >> 16 : 0;
		struct vectors vectors = {0};

		if (!irqs->irq[i].device || (kind != 0x01 && kind != 0x02) ||
		    (pci->driver && strstr(pci->driver, "vfio")) || !is_first_of(irqs, i))
			continue;
		collect(audit, i, &vectors);
		if (vectors.count)
			check(audit, rule, &vectors);
	}
}

static const char *plural(struct tree *tree, unsigned count, const char *what)
{
	return tree_format(tree, "%u %s%s", count, what, count == 1 ? "" : "s");
}

/* CPUs that vectors can be at without disturbing a vCPU: if all are near the device, only those there count. */
static unsigned room_of(const struct audit *audit, const struct vectors *vectors)
{
	const struct host_cpus *cpus = &audit->host->cpus;
	unsigned room = 0;

	for (unsigned i = 0; i < cpus->count; i++) {
		const unsigned cpu = cpus->cpu[i].number;

		room += !cpu_list_has(&cpus->isolated, cpu) && !is_for_vcpus(audit->host, cpu) &&
			(vectors->near < vectors->count || !vectors->pci ||
			 cpu_list_has(&vectors->pci->local_cpus, cpu));
	}
	return room;
}

/* Half as many CPUs as it could use are enough: some share a CPU by chance. */
static void check_spread_of(struct audit *audit, const struct rule *rule, const struct vectors *vectors)
{
	const unsigned room = room_of(audit, vectors), possible = vectors->count < room ? vectors->count : room;
	struct tree *tree = audit->host->tree;

	if (vectors->count < 2 || audit->host->cpus.count < 2)
		return;
	rule_verdict(audit, rule, 2 * vectors->cpus >= possible, vectors->device,
		     tree_format(tree, "%s on %s", plural(tree, vectors->count, "vector"),
				 plural(tree, vectors->cpus, "CPU")),
		     NULL);
}

static void check_spread(struct audit *audit, const struct rule *rule)
{
	each_device(audit, rule, check_spread_of);
}

static void check_near_of(struct audit *audit, const struct rule *rule, const struct vectors *vectors)
{
	struct tree *tree = audit->host->tree;

	if (vectors->managed || !vectors->pci || vectors->pci->node < 0 || audit->host->cpus.node_count < 2)
		return;
	rule_verdict(audit, rule, 2 * vectors->near >= vectors->count, vectors->device,
		     tree_format(tree, "%u of %s", vectors->near, plural(tree, vectors->count, "vector")),
		     "it is at node %d, CPUs %s", vectors->pci->node, cpu_list_format(tree, &vectors->pci->local_cpus));
}

static void check_near(struct audit *audit, const struct rule *rule)
{
	each_device(audit, rule, check_near_of);
}

static void check_isolated_of(struct audit *audit, const struct rule *rule, const struct vectors *vectors)
{
	struct tree *tree = audit->host->tree;
	const char *value = vectors->isolated ? plural(tree, vectors->isolated, "vector") : "none";

	if (!vectors->isolated)
		audit_pass(audit, rule, vectors->device, value);
	else if (vectors->managed)
		audit_found(audit, rule, FINDING_NOTE, vectors->device, value, "none",
			    "the kernel manages them: they fire only for what an isolated CPU submits itself");
	else
		rule_verdict(audit, rule, false, vectors->device, value, "%s is one of them", vectors->first_bad);
}

static void check_isolated(struct audit *audit, const struct rule *rule)
{
	if (audit->host->cpus.isolated.count)
		each_device(audit, rule, check_isolated_of);
}

static void check_vcpus_of(struct audit *audit, const struct rule *rule, const struct vectors *vectors)
{
	struct tree *tree = audit->host->tree;

	if (!vectors->managed)
		rule_verdict(audit, rule, !vectors->with_vcpus, vectors->device,
			     vectors->with_vcpus ? plural(tree, vectors->with_vcpus, "vector") : "none",
			     "%s is one of them", vectors->first_bad ? vectors->first_bad : "none");
}

static void check_vcpus(struct audit *audit, const struct rule *rule)
{
	each_device(audit, rule, check_vcpus_of);
}

#define TUNED (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

static const struct rule rules[] = {
	{
		.id = "host.irq.spread",
		.title = "interrupts of a device with several queues",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "on as many CPUs as it has vectors", FINDING_WARN}},
		.check = check_spread,
		.reads = "/proc/interrupts; /proc/irq/*/effective_affinity_list",
		.why = "One CPU takes the interrupts of all queues and runs the network stack for them: it is full "
		       "while the others wait, and guests see a tail of latencies.",
		.costs = "More CPUs are interrupted.",
		.cure = "Spread /proc/irq/NUMBER/smp_affinity_list, or run irqbalance (irqbalance --oneshot)",
		.lasting = "irqbalance, with the CPUs of latency guests banned.",
		.source = "Linux, Documentation/core-api/irq/irq-affinity.rst; irqbalance issues 30 and 349",
	},
	{
		.id = "host.irq.near",
		.title = "interrupts at the device's node",
		.contexts = CONTEXT_ALL,
		.cases = {{TUNED, COMPARE_EQUAL, "most vectors at the device's node", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "most vectors at the device's node", FINDING_NOTE}},
		.check = check_near,
		.reads = "/proc/irq/*/effective_affinity_list; local_cpulist of the device",
		.why = "The data a device has written is in the cache of its own node; handled elsewhere each packet "
		       "crosses the link between the nodes.",
		.costs = "The CPUs of one node are interrupted more.",
		.cure = "echo CPUS >/proc/irq/NUMBER/smp_affinity_list for each vector of %s",
		.lasting = "irqbalance; set_irq_affinity of the driver's vendor.",
		.source = "Intel, Ethernet 800 Series Linux Performance Tuning Guide",
	},
	{
		.id = "host.irq.isolated",
		.title = "interrupts at isolated CPUs",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "none", FINDING_WARN}},
		.check = check_isolated,
		.reads = "/proc/irq/*/effective_affinity_list; /sys/devices/system/cpu/isolated",
		.why = "Isolated CPUs are kept free for vCPUs; an interrupt and the work behind it stop one for "
		       "microseconds to milliseconds.",
		.costs = "The other CPUs take more interrupts.",
		.cure = "echo CPUS >/proc/irq/NUMBER/smp_affinity_list for each such vector of %s",
		.lasting = "Boot with isolcpus=managed_irq,domain,CPUS and irqaffinity=OTHERS; ban them in irqbalance.",
		.source = "tuned, profile realtime-virtual-host; Linux, kernel-parameters.txt (isolcpus)",
	},
	{
		.id = "host.irq.vcpus",
		.title = "interrupts at the CPUs of pinned vCPUs",
		.contexts = TUNED,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "none", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "none", FINDING_NOTE}},
		.check = check_vcpus,
		.reads = "/proc/irq/*/effective_affinity_list; Cpus_allowed_list of vCPU threads",
		.why = "Each interrupt there is an exit of the guest, and its softirq runs in the guest's time.",
		.costs = "CPUs that are left for the host.",
		.cure = "echo CPUS >/proc/irq/NUMBER/smp_affinity_list for each such vector of %s",
		.lasting = "Ban the guests' CPUs in irqbalance (IRQBALANCE_BANNED_CPULIST).",
		.source = "irqbalance(1); Red Hat, Virtualization Tuning and Optimization: NUMA",
	},
};

const struct rule_table rules_irq = RULE_TABLE(rules);
