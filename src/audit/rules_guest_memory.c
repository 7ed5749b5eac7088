/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* What the guest's memory is made of, and where it is. */

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* The smallest page of its backends; 0: ordinary ones somewhere, or no backend at all. */
static uint64_t page_of(const struct guest_memory *memory)
{
	uint64_t page = memory->backend_count ? memory->backend[0].page : 0;

	for (unsigned i = 1; i < memory->backend_count; i++) {
		if (memory->backend[i].page < page)
			page = memory->backend[i].page;
	}
	return page;
}

static bool knows_memory(struct audit *audit, const struct rule *rule)
{
	if (audit->guest->memory.size)
		return true;
	audit_unknown(audit, rule, NULL, 0, "its memory is not known%s%s", audit->guest->unreadable ? ": " : "",
		      audit->guest->unreadable ? audit->guest->unreadable : "");
	return false;
}

static void check_hugepages(struct audit *audit, const struct rule *rule)
{
	const struct guest_memory *memory = &audit->guest->memory;
	const bool matters = audit_is_for(audit, CONTEXT_LATENCY | CONTEXT_REALTIME) || memory->size >= GIB;
	const uint64_t page = page_of(memory);
	struct tree *tree = audit->host->tree;

	if (!knows_memory(audit, rule))
		return;
	rule_verdict(audit, rule, page || !matters, NULL,
		     page ? tree_format(tree, "%s pages", rule_size(audit, page))
			  : tree_format(tree, "ordinary pages for %s", rule_size(audit, memory->size)),
		     NULL);
}

static void check_huge_size(struct audit *audit, const struct rule *rule)
{
	const struct guest_memory *memory = &audit->guest->memory;
	const uint64_t page = page_of(memory);

	if (memory->size < 64 * GIB || !page)
		return;
	rule_verdict(audit, rule, page >= GIB, NULL,
		     tree_format(audit->host->tree, "%s pages for %s", rule_size(audit, page),
				 rule_size(audit, memory->size)),
		     NULL);
}

/* Each huge-page backend is to be preallocated: a page that lacks later is a SIGBUS. */
static void check_prealloc(struct audit *audit, const struct rule *rule)
{
	const struct guest_memory *memory = &audit->guest->memory;

	for (unsigned i = 0; i < memory->backend_count; i++) {
		const struct guest_memory_backend *backend = &memory->backend[i];

		if (!backend->page)
			continue;
		if (backend->prealloc == HOST_UNKNOWN)
			audit_unknown(audit, rule, backend->id, 0, "it is not said whether it is preallocated");
		else
			rule_verdict(audit, rule, backend->prealloc, backend->id, backend->prealloc ? "on" : "off",
				     NULL);
	}
}

static bool has_vhost_user(const struct guest *guest)
{
	for (unsigned i = 0; i < guest->disk_count; i++) {
		if (guest->disk[i].vhost_socket)
			return true;
	}
	for (unsigned i = 0; i < guest->nic_count; i++) {
		if (guest->nic[i].vhost_socket)
			return true;
	}
	return false;
}

static void check_share(struct audit *audit, const struct rule *rule)
{
	const struct guest_memory *memory = &audit->guest->memory;

	if (!has_vhost_user(audit->guest))
		return;
	if (!memory->backend_count)
		rule_verdict(audit, rule, false, NULL, "private memory (-m alone)", NULL);
	for (unsigned i = 0; i < memory->backend_count; i++) {
		const host_answer share = memory->backend[i].share;

		if (share == HOST_UNKNOWN)
			audit_unknown(audit, rule, memory->backend[i].id, 0, "it is not said whether it is shared");
		else
			rule_verdict(audit, rule, share, memory->backend[i].id, share ? "on" : "off", NULL);
	}
}

/* Without swap memory can be reclaimed only where a file is behind it. */
static bool has_no_way_out(const struct audit *audit)
{
	const struct guest_memory *memory = &audit->guest->memory;

	for (unsigned i = 0; i < memory->backend_count; i++) {
		if (memory->backend[i].path && !memory->backend[i].page)
			return false;
	}
	return audit->host->memory.swap_total == 0;
}

static void check_locked(struct audit *audit, const struct rule *rule)
{
	const struct guest_memory *memory = &audit->guest->memory;
	const bool huge = page_of(memory) > 0;

	if (memory->locked != 1 && !huge && has_no_way_out(audit))
		audit_pass(audit, rule, NULL, "the host has no swap");
	else if (memory->locked == HOST_UNKNOWN && !huge)
		audit_unknown(audit, rule, NULL, 0, "it is not said whether its memory is locked");
	else
		rule_verdict(audit, rule, memory->locked == 1 || huge, NULL,
			     memory->locked == 1 ? "locked"
			     : huge              ? "huge pages, which are never swapped"
						 : "may be swapped",
			     NULL);
}

static void check_balloon(struct audit *audit, const struct rule *rule)
{
	const host_answer balloon = audit->guest->memory.balloon;
	const bool wanted = audit_is_for(audit, CONTEXT_DENSITY);

	if (balloon == HOST_UNKNOWN)
		audit_unknown(audit, rule, NULL, 0, "it is not said whether it has a balloon");
	else
		rule_verdict(audit, rule, balloon == wanted, NULL, balloon ? "present" : "absent", NULL);
}

static void check_merge(struct audit *audit, const struct rule *rule)
{
	const struct guest_memory *memory = &audit->guest->memory;
	const int64_t run = audit->host->memory.ksm_run;
	bool merges = memory->merge == 1;

	/* Backends of their own may differ from the machine's default; huge pages are never merged. */
	for (unsigned i = 0; i < memory->backend_count; i++) {
		if (memory->backend[i].merge != HOST_UNKNOWN)
			merges = memory->backend[i].merge == 1 && !memory->backend[i].page;
		else if (memory->backend[i].page)
			merges = false;
		if (merges)
			break;
	}
	if (memory->merge == HOST_UNKNOWN || run == HOST_UNKNOWN)
		audit_unknown(audit, rule, NULL, 0,
			      run == HOST_UNKNOWN ? "the host's KSM cannot be read" : "mem-merge is not known");
	else
		rule_verdict(audit, rule, !merges || run != 1, NULL,
			     !merges    ? "off"
			     : run == 1 ? "on, and KSM runs"
					: "on, but KSM does not run",
			     NULL);
}

/*
 * The one node that their cpuset leaves to those who touch the memory first, which are vCPUs and QEMU's main thread;
 * HOST_UNKNOWN: there is none.
 */
static int cpuset_node(const struct guest *guest)
{
	const struct cpu_list *first = guest->vcpu_count ? &guest->vcpu[0].nodes : NULL;

	if (!first || first->count != 1)
		return HOST_UNKNOWN;
	for (unsigned i = 1; i < guest->vcpu_count; i++) {
		if (!cpu_list_equal(&guest->vcpu[i].nodes, first))
			return HOST_UNKNOWN;
	}
	for (unsigned i = 0; i < guest->other_count; i++) {
		if (guest->other[i].tid == guest->pid && !cpu_list_equal(&guest->other[i].nodes, first))
			return HOST_UNKNOWN;
	}
	return (int)first->cpu[0];
}

/* Whether a backend is kept to the node that its vCPUs are on. */
static void check_bound_of(struct audit *audit, const struct rule *rule, const struct guest_memory_backend *backend)
{
	const int node = rule_vcpu_node(audit, &backend->guest_cpus);
	struct tree *tree = audit->host->tree;
	const char *nodes = cpu_list_format(tree, &backend->host_nodes);
	const bool by_policy = backend->policy && strcmp(backend->policy, "default") && backend->host_nodes.count == 1;
	const int bound = by_policy ? (int)backend->host_nodes.cpu[0] : cpuset_node(audit->guest);
	const bool near = node == HOST_UNKNOWN || bound == node;

	rule_verdict(audit, rule, bound != HOST_UNKNOWN && near, backend->id,
		     !by_policy && bound != HOST_UNKNOWN ? tree_format(tree, "cpuset %d", bound)
		     : backend->policy                   ? tree_format(tree, "%s %s", backend->policy, nodes)
							 : "any node",
		     "%s",
		     bound == HOST_UNKNOWN ? "nothing keeps it on one node"
		     : !near               ? tree_format(tree, "its vCPUs are on node %d", node)
					   : "");
}

static void check_bound(struct audit *audit, const struct rule *rule)
{
	const struct guest_memory *memory = &audit->guest->memory;
	const struct guest_memory_backend plain = {.id = NULL};

	if (audit->host->cpus.node_count < 2) {
		if (audit->host->cpus.node_count)
			audit_pass(audit, rule, NULL, "the host has one node");
		else
			audit_unknown(audit, rule, NULL, 0, "the host's nodes are not known");
		return;
	}
	if (!knows_memory(audit, rule))
		return;
	if (!memory->backend_count)
		check_bound_of(audit, rule, &plain);
	for (unsigned i = 0; i < memory->backend_count; i++)
		check_bound_of(audit, rule, &memory->backend[i]);
}

#define MOSTLY 0.9

/* Whether a backend's vCPUs are on this node. */
static bool serves_node(struct audit *audit, unsigned node)
{
	const struct guest_memory *memory = &audit->guest->memory;
	const struct cpu_list all = {0};

	if (rule_vcpu_node(audit, &all) == (int)node)
		return true;
	for (unsigned i = 0; i < memory->backend_count; i++) {
		const struct cpu_list *vcpus = &memory->backend[i].guest_cpus;

		if (vcpus->count && rule_vcpu_node(audit, vcpus) == (int)node)
			return true;
	}
	return false;
}

/* Nothing is said of vCPUs on several nodes: no place is near all of them (guest.cpu.node). */
static void check_place(struct audit *audit, const struct rule *rule)
{
	const struct guest_memory *memory = &audit->guest->memory;
	uint64_t near = 0, all = 0;
	bool has_node = false;
	const char *value = "";

	if (audit->guest->pid == HOST_UNKNOWN || audit->host->cpus.node_count == 1 || !rule_knows_vcpus(audit, rule))
		return;
	for (unsigned i = 0; i < memory->place_count; i++) {
		const struct guest_memory_place *place = &memory->place[i];

		all += place->bytes;
		near += serves_node(audit, place->node) ? place->bytes : 0;
		value = tree_format(audit->host->tree, "%s%s%s on node %u", value, i ? ", " : "",
				    rule_size(audit, place->bytes), place->node);
	}
	for (unsigned i = 0; i < audit->host->cpus.node_count; i++)
		has_node |= serves_node(audit, audit->host->cpus.node[i].number);
	if (!all)
		audit_unknown(audit, rule, NULL, 0, "numa_maps of its process cannot be read");
	else if (has_node)
		rule_verdict(audit, rule, (double)near >= MOSTLY * (double)all, NULL, value, "%s",
			     near ? "the rest is remote to its vCPUs" : "its vCPUs are on another node");
}

#define TUNED (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

static const struct rule rules[] = {
	{
		.id = "guest.memory.hugepages",
		.title = "huge pages behind the guest's memory",
		.contexts = TUNED,
		.cases = {{TUNED, COMPARE_EQUAL, "2 MiB or 1 GiB pages", FINDING_WARN}},
		.check = check_hugepages,
		.of_guest = true,
		.reads = "the guest's definition: hugetlb=, hugetlbsize=, mem-path=, <hugepages>; throughput: from 1 "
			 "GiB on",
		.why = "A TLB miss of a guest walks two page tables, up to 24 steps; huge pages halve the steps and "
		       "make the "
		       "misses rare.",
		.costs = "The pages are set aside for guests, whole, at best at boot.",
		.cure = "Reserve them on the guest's node (nodeN/hugepages/hugepages-2048kB/nr_hugepages) and start it "
			"with "
			"-object memory-backend-memfd,hugetlb=on.",
		.lasting = "libvirt: <memoryBacking><hugepages/></memoryBacking>; kernel command line hugepages=.",
		.source = "oVirt, High performance virtual machines; kernel, Documentation/admin-guide/mm/hugetlbpage",
	},
	{
		.id = "guest.memory.huge-size",
		.title = "size of huge pages of a large guest",
		.contexts = TUNED,
		.cases = {{TUNED, COMPARE_EQUAL, "1 GiB pages from 64 GiB on", FINDING_NOTE}},
		.check = check_huge_size,
		.of_guest = true,
		.reads = "the guest's definition: hugetlbsize=, <page size=>",
		.why = "A TLB has some 1,500 entries for 2 MiB pages: 3 GiB. Guests of 64 GiB and more still miss.",
		.costs = "1 GiB pages have to be reserved at boot, mostly.",
		.cure = "Chosen at start: hugetlbsize=1G.",
		.lasting = "Kernel command line: default_hugepagesz=1G hugepagesz=1G hugepages=N.",
		.source = "oVirt, High performance virtual machines",
	},
	{
		.id = "guest.memory.prealloc",
		.title = "huge pages taken at start",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "on", FINDING_WARN}},
		.check = check_prealloc,
		.of_guest = true,
		.reads = "the guest's definition: prealloc=, <allocation mode='immediate'/>",
		.why = "A huge page that is not there when the guest first touches it kills it (SIGBUS); preallocated, "
		       "it does not "
		       "start instead.",
		.costs = "Starting takes as long as clearing its memory.",
		.cure = "Chosen at start: prealloc=on.",
		.lasting = "libvirt: <memoryBacking><allocation mode='immediate'/></memoryBacking>.",
		.source = "QEMU, -object memory-backend-file",
	},
	{
		.id = "guest.memory.share",
		.title = "memory that vhost-user can reach",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "on", FINDING_FAIL}},
		.check = check_share,
		.of_guest = true,
		.reads = "the guest's definition: share=, <access mode='shared'/>, where it has a vhost-user device",
		.why = "A vhost-user back end works on the guest's memory itself; private memory it sees without what "
		       "the guest "
		       "wrote: the device does not work, or works on old data.",
		.costs = "Shared memory takes no part in KSM.",
		.cure = "Chosen at start: -object memory-backend-memfd,share=on and -machine memory-backend=.",
		.lasting = "libvirt: <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>.",
		.source = "QEMU, vhost-user back ends",
	},
	{
		.id = "guest.memory.locked",
		.title = "memory that cannot be swapped out",
		.contexts = CONTEXT_LATENCY | CONTEXT_REALTIME,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL,
			   "locked, huge pages, or no swap on the host", FINDING_WARN}},
		.check = check_locked,
		.of_guest = true,
		.reads = "the guest's definition: -overcommit mem-lock=, <locked/>, pages; SwapTotal in /proc/meminfo",
		.why = "A page of the guest's that was swapped out or reclaimed costs milliseconds at its next touch, "
		       "and the guest "
		       "stands still meanwhile.",
		.costs = "The memory is no longer there for anything else, and overcommit is not possible.",
		.cure = "Chosen at start: -overcommit mem-lock=on.",
		.lasting = "libvirt: <memoryBacking><locked/></memoryBacking> with <memtune><hard_limit>.",
		.source = "libvirt, Domain XML: Memory Backing",
	},
	{
		.id = "guest.memory.balloon",
		.title = "memory balloon",
		.contexts = CONTEXT_LATENCY | CONTEXT_REALTIME | CONTEXT_DENSITY,
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "present", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "absent", FINDING_WARN}},
		.check = check_balloon,
		.of_guest = true,
		.reads = "the guest's definition: virtio-balloon, <memballoon model=>",
		.why = "An inflating balloon takes memory from the guest page by page, with an exit for many of them, "
		       "and what it "
		       "gives back comes back in small pages. For density it is what lets guests share.",
		.costs = "Without it memory can be taken from a running guest only by swapping.",
		.cure = "Chosen at start: no virtio-balloon device.",
		.lasting = "libvirt: <memballoon model='none'/>.",
		.source = "oVirt, High performance virtual machines",
	},
	{
		.id = "guest.memory.merge",
		.title = "guest's pages merged by KSM",
		.contexts = CONTEXT_ALL & ~CONTEXT_DENSITY,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "off", FINDING_WARN},
			  {CONTEXT_DENSITY, COMPARE_REPORT, NULL, FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "off", FINDING_NOTE}},
		.check = check_merge,
		.of_guest = true,
		.reads = "the guest's definition: mem-merge=, merge=, <nosharepages/>; /sys/kernel/mm/ksm/run",
		.why = "The next write to a merged page copies it, at a moment that nobody chose; and ksmd reads all "
		       "of the memory "
		       "again and again.",
		.costs = "Equal pages of guests take their room each.",
		.cure = "Chosen at start: -machine mem-merge=off.",
		.lasting = "libvirt: <memoryBacking><nosharepages/></memoryBacking>.",
		.source = "oVirt, High performance virtual machines; kernel, Documentation/admin-guide/mm/ksm",
	},
	{
		.id = "guest.memory.bound",
		.title = "memory kept on the vCPUs' node",
		.contexts = TUNED,
		.cases = {{TUNED, COMPARE_EQUAL, "bind to the node of its vCPUs, or a cpuset of it", FINDING_WARN}},
		.check = check_bound,
		.of_guest = true,
		.reads = "the guest's definition: policy=, host-nodes=, <numatune>; Cpus_allowed_list and "
			 "Mems_allowed_list (of the cpuset) of the vCPU threads",
		.why = "Without a policy memory comes from where the thread that first touched it happened to run, and "
		       "from "
		       "elsewhere as soon as that node is full.",
		.costs = "The guest does not start where the node has not enough.",
		.cure = "Chosen at start: -object memory-backend-memfd,policy=bind,host-nodes=N. Of a running guest: "
			"migratepages "
			"PID FROM TO.",
		.lasting = "libvirt: <numatune><memory mode='strict' nodeset='N'/></numatune>.",
		.source = "libvirt, Domain XML: NUMA Node Tuning; oVirt",
	},
	{
		.id = "guest.memory.place",
		.title = "where the memory really is",
		.contexts = CONTEXT_ALL & ~CONTEXT_DENSITY,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "nine tenths or more on the node of its vCPUs", FINDING_WARN}},
		.check = check_place,
		.of_guest = true,
		.reads = "/proc/PID/numa_maps; Cpus_allowed_list of the vCPU threads",
		.why = "Remote memory answers in 130 ns instead of 80, for each miss of the cache, and through a link "
		       "that all "
		       "share. What the policy says now does not move what was placed before.",
		.costs = "Moving it takes the guest's memory bandwidth for seconds.",
		.cure = "migratepages PID FROM TO, or virsh numatune GUEST --nodeset N (strict moves it).",
		.lasting = "A strict policy before it starts: see guest.memory.bound.",
		.source = "kernel, numa_maps in Documentation/filesystems/proc",
	},
};

const struct rule_table rules_guest_memory = RULE_TABLE(rules);
