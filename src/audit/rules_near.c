/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* Whether what serves a guest is at the node where it runs. */

#define DISKS 16

/* Only where all vCPUs are on one node can anything be near to them. */
static int node_of_guest(struct audit *audit, const struct rule *rule)
{
	const struct cpu_list all = {0};

	if (audit->host->cpus.node_count < 2 || !rule_knows_vcpus(audit, rule))
		return HOST_UNKNOWN;
	return rule_vcpu_node(audit, &all);
}

static void check_disk(struct audit *audit, const struct rule *rule, const struct guest_disk *disk, int node)
{
	const struct host *host = audit->host;
	const struct host_block *disks[DISKS];
	const struct host_block *block =
		disk->image_count ? host_block_of_path(host->tree, &host->blocks, disk->image[0].file) : NULL;
	const unsigned count = block ? host_block_disks(&host->blocks, block, disks, DISKS) : 0;
	const char *away = NULL, *here = NULL;

	for (unsigned i = 0; i < count; i++) {
		const char *text = tree_format(host->tree, "%s at node %d", disks[i]->name, disks[i]->node);

		if (disks[i]->node == node)
			here = text;
		else if (disks[i]->node >= 0)
			away = text;
	}
	/* Neither: files of the network, or devices of which the firmware tells nothing. */
	if (away || here)
		rule_verdict(audit, rule, !away, rule_disk_name(disk), away ? away : here,
			     "the guest's vCPUs are on node %d", node);
}

static void check_disks(struct audit *audit, const struct rule *rule)
{
	const int node = audit->guest->disk_count ? node_of_guest(audit, rule) : HOST_UNKNOWN;

	for (unsigned i = 0; node >= 0 && i < audit->guest->disk_count; i++) {
		if (rule_is_disk(&audit->guest->disk[i]))
			check_disk(audit, rule, &audit->guest->disk[i], node);
	}
}

#define DEEPEST 8

static const struct host_net *port_of(const struct host_nets *nets, const struct host_net *master)
{
	for (unsigned i = 0; i < nets->count; i++) {
		const struct host_net *port = &nets->net[i];

		if (port->kind != HOST_NET_TAP && port->master && strcmp(port->master, master->name) == 0)
			return port;
	}
	return NULL;
}

const struct host_net *rule_uplink_of(const struct host_nets *nets, const struct host_net *net)
{
	for (unsigned depth = 0; net && depth < DEEPEST; depth++) {
		if (net->kind == HOST_NET_PHYSICAL || net->kind == HOST_NET_VIRTUAL_FUNCTION)
			return net;
		if (net->lower)
			net = host_net_find(nets, net->lower);
		else if (net->kind == HOST_NET_BRIDGE || net->kind == HOST_NET_BOND)
			net = port_of(nets, net);
		else
			net = host_net_find(nets, net->master);
	}
	return NULL;
}

static void check_nics(struct audit *audit, const struct rule *rule)
{
	const struct host_nets *nets = &audit->host->nets;
	const int node = audit->guest->nic_count ? node_of_guest(audit, rule) : HOST_UNKNOWN;

	for (unsigned i = 0; node >= 0 && i < audit->guest->nic_count; i++) {
		const struct guest_nic *nic = &audit->guest->nic[i];
		const struct host_net *device = rule_uplink_of(nets, host_net_find(nets, nic->interface));

		if (device && device->node >= 0)
			rule_verdict(audit, rule, device->node == node, nic->id ? nic->id : nic->interface,
				     tree_format(audit->host->tree, "%s at node %d", device->name, device->node),
				     "the guest's vCPUs are on node %d", node);
	}
}

#define TUNED (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

static const struct rule rules[] = {
	{
		.id = "guest.disk.near",
		.title = "node of the device below a disk",
		.contexts = CONTEXT_GENERAL | TUNED,
		.cases = {{TUNED, COMPARE_EQUAL, "the node of the guest's vCPUs", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "the node of the guest's vCPUs", FINDING_NOTE}},
		.check = check_disks,
		.of_guest = true,
		.reads = "/sys/bus/pci/devices/*/numa_node of what the image is on; Cpus_allowed_list of vCPUs",
		.why = "Data and completions cross the link between the nodes, 50 ns at a time, and share it with all "
		       "else.",
		.costs = "Guests have to be placed by their disks.",
		.cure = "Pin vCPUs, I/O threads and memory to the device's node, or put the disk elsewhere",
		.lasting = "libvirt: <vcpupin>, <iothreadpin>, <numatune> for the node.",
		.source = "Intel, Ethernet 800 Series Linux Performance Tuning Guide (NUMA); the same holds for disks",
	},
	{
		.id = "guest.nic.near",
		.title = "node of the device below a NIC",
		.contexts = CONTEXT_GENERAL | TUNED,
		.cases = {{TUNED, COMPARE_EQUAL, "the node of the guest's vCPUs", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "the node of the guest's vCPUs", FINDING_NOTE}},
		.check = check_nics,
		.of_guest = true,
		.reads = "/sys/class/net: master, lower_*, device/numa_node; Cpus_allowed_list of vCPUs",
		.why = "Each packet crosses the link between the nodes before the guest or its vhost thread sees it.",
		.costs = "Guests have to be placed by their NICs.",
		.cure = "Pin vCPUs, vhost threads and memory to the device's node, or use a port there",
		.lasting = "libvirt: <vcpupin>, <emulatorpin>, <numatune> for the node.",
		.source = "Intel, Ethernet 800 Series Linux Performance Tuning Guide (NUMA)",
	},
};

const struct rule_table rules_near = RULE_TABLE(rules);
