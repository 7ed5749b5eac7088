/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* The guest's NICs, and PCI devices that were passed to it. */

static const char *name_of(const struct guest_nic *nic)
{
	return nic->id ? nic->id : nic->mac ? nic->mac : nic->interface ? nic->interface : "nic";
}

static bool is_virtio(const struct guest_nic *nic)
{
	return nic->model && (!strncmp(nic->model, "virtio", 6) || !strncmp(nic->model, "vhost", 5));
}

static void check_model(struct audit *audit, const struct rule *rule)
{
	for (unsigned i = 0; i < audit->guest->nic_count; i++) {
		const struct guest_nic *nic = &audit->guest->nic[i];

		if (nic->model)
			rule_verdict(audit, rule, is_virtio(nic), name_of(nic), nic->model, NULL);
		else
			audit_unknown(audit, rule, name_of(nic), 0, "its model is not known");
	}
}

static void check_backend(struct audit *audit, const struct rule *rule)
{
	for (unsigned i = 0; i < audit->guest->nic_count; i++) {
		const struct guest_nic *nic = &audit->guest->nic[i];

		if (nic->backend)
			rule_verdict(
				audit, rule,
				!rule_word_is(nic->backend, "user|slirp|passt|socket|stream|dgram|l2tpv3|vde|hubport"),
				name_of(nic), nic->backend, NULL);
		else
			audit_unknown(audit, rule, name_of(nic), 0, "what is behind it is not known");
	}
}

static void check_vhost(struct audit *audit, const struct rule *rule)
{
	for (unsigned i = 0; i < audit->guest->nic_count; i++) {
		const struct guest_nic *nic = &audit->guest->nic[i];

		if (!is_virtio(nic) || !rule_word_is(nic->backend, "tap|bridge|network|direct|ethernet"))
			continue;
		if (nic->vhost == HOST_UNKNOWN)
			audit_unknown(audit, rule, name_of(nic), 0, "it is not said whether vhost-net serves it");
		else
			rule_verdict(audit, rule, nic->vhost, name_of(nic), nic->vhost ? "vhost-net" : "QEMU", NULL);
	}
}

static void check_queues(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;

	for (unsigned i = 0; i < guest->nic_count; i++) {
		const struct guest_nic *nic = &guest->nic[i];
		const int64_t queues = nic->queues;

		if (!is_virtio(nic) || rule_word_is(nic->backend, "user|socket|stream|dgram"))
			continue;
		if (queues == HOST_UNKNOWN || !guest->vcpu_count) {
			audit_unknown(audit, rule, name_of(nic), 0, "%s",
				      guest->vcpu_count ? "how many queues it has is not known"
							: "its vCPUs are not known");
			continue;
		}
		rule_verdict(
			audit, rule, guest->vcpu_count == 1 ? queues <= 1 : queues >= 2 && queues <= guest->vcpu_count,
			name_of(nic),
			tree_format(audit->host->tree, "%lld for %u vCPUs", (long long)queues, guest->vcpu_count), "%s",
			queues > guest->vcpu_count ? "no vCPU uses the rest"
						   : "one vCPU takes all interrupts of received packets");
	}
}

static void check_driver(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;

	for (unsigned i = 0; i < guest->hostdev_count; i++) {
		const char *address = guest->hostdev[i].address;
		const struct host_pci_device *device = address ? host_pci_find(&audit->host->pci, address) : NULL;

		if (!device)
			audit_unknown(audit, rule, address, 0, "the host has no such device to be read");
		else if (guest->pid != HOST_UNKNOWN)
			rule_verdict(audit, rule,
				     /* Variants have names of their own: mlx5_vfio_pci, qat_vfio_pci, xe-vfio-pci. */
				     device->driver && strstr(device->driver, "vfio"), address,
				     device->driver ? device->driver : "none", NULL);
	}
}

static const struct host_iommu_group *group_of(const struct host_pci *pci, int number)
{
	for (unsigned i = 0; number >= 0 && i < pci->group_count; i++) {
		if (pci->group[i].number == number)
			return &pci->group[i];
	}
	return NULL;
}

/* Others in a device's group that are neither bridges nor passed to the same guest. */
static const char *strangers(const struct audit *audit, const struct host_iommu_group *group)
{
	const struct guest *guest = audit->guest;
	const char *text = "";

	for (unsigned i = 0; i < group->count; i++) {
		const struct host_pci_device *other = host_pci_find(&audit->host->pci, group->address[i]);
		bool own = other && host_pci_is_bridge(other);

		for (unsigned k = 0; k < guest->hostdev_count; k++)
			own |= guest->hostdev[k].address && !strcmp(guest->hostdev[k].address, group->address[i]);
		if (!own)
			text = tree_format(audit->host->tree, "%s%s%s%s%s%s", text, *text ? ", " : "",
					   group->address[i], other && other->driver ? " (" : "",
					   other && other->driver ? other->driver : "",
					   other && other->driver ? ")" : "");
	}
	return text;
}

static void check_group(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;

	for (unsigned i = 0; i < guest->hostdev_count; i++) {
		const char *address = guest->hostdev[i].address, *others;
		const struct host_pci_device *device = address ? host_pci_find(&audit->host->pci, address) : NULL;
		const struct host_iommu_group *group = device ? group_of(&audit->host->pci, device->iommu_group) : NULL;

		if (!group) {
			audit_unknown(audit, rule, address, 0, "its IOMMU group cannot be read");
			continue;
		}
		others = strangers(audit, group);
		rule_verdict(
			audit, rule, !*others, address,
			tree_format(audit->host->tree, "group %d%s%s", group->number, *others ? " with " : "", others),
			NULL);
	}
}

/* VFIO names its vectors in /proc/interrupts: "vfio-msix[0](0000:01:00.0)", "vfio-intx(...)". */
static void check_interrupts(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	const struct host_irqs *irqs = &audit->host->irqs;

	for (unsigned i = 0; guest->pid != HOST_UNKNOWN && i < guest->hostdev_count; i++) {
		const char *address = guest->hostdev[i].address, *how = NULL;
		unsigned vectors = 0;

		for (unsigned k = 0; address && k < irqs->count; k++) {
			const char *action = irqs->irq[k].action;

			if (!action || strncmp(action, "vfio-", 5) || !strstr(action, address))
				continue;
			vectors++;
			how = !strncmp(action + 5, "msix", 4)  ? "MSI-X"
			      : !strncmp(action + 5, "msi", 3) ? "MSI"
							       : "INTx";
		}
		if (!how)
			audit_unknown(audit, rule, address, 0,
				      "it has no interrupt: the guest has not started it, or /proc/interrupts cannot "
				      "be read");
		else
			rule_verdict(audit, rule, strcmp(how, "INTx"), address,
				     tree_format(audit->host->tree, "%s, %u vectors", how, vectors), NULL);
	}
}

/*
 * A guest that is laid over several nodes on purpose, each vCPU kept to one of them, has the device near where it has
 * vCPUs at the device's; one whose vCPUs wander has nothing near.
 */
static bool is_near(const struct audit *audit, int node)
{
	bool near = false;

	for (unsigned i = 0; i < audit->guest->vcpu_count; i++) {
		const int own = host_node_of(&audit->host->cpus, &audit->guest->vcpu[i].allowed);

		if (own == HOST_UNKNOWN)
			return false;
		near |= own == node;
	}
	return near;
}

static void check_near(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;
	const struct cpu_list all = {0};

	if (!guest->hostdev_count || audit->host->cpus.node_count < 2 || !rule_knows_vcpus(audit, rule))
		return;
	for (unsigned i = 0; i < guest->hostdev_count; i++) {
		const char *address = guest->hostdev[i].address;
		const struct host_pci_device *device = address ? host_pci_find(&audit->host->pci, address) : NULL;
		const int node = rule_vcpu_node(audit, &all);

		if (!device || device->node < 0)
			audit_unknown(audit, rule, address, 0, "the firmware does not say which node it is at");
		else
			rule_verdict(audit, rule, is_near(audit, device->node), address,
				     tree_format(audit->host->tree, "node %d", device->node), "%s",
				     node == HOST_UNKNOWN ? "its guest's vCPUs are on several nodes"
							  : tree_format(audit->host->tree,
									"its guest's vCPUs are on node %d", node));
	}
}

#define TUNED (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

static const struct rule rules[] = {
	{
		.id = "guest.nic.model",
		.title = "model of a NIC",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "virtio-net", FINDING_WARN}},
		.check = check_model,
		.of_guest = true,
		.reads = "the guest's definition: -device, -nic model=, <model type=>",
		.why = "e1000 and rtl8139 take several exits a packet in QEMU's main loop: 1 Gb/s and 500 us, where "
		       "virtio with "
		       "vhost has 8.5 Gb/s and 45 us.",
		.costs = "The guest needs a virtio driver, Windows an additional one.",
		.cure = "Chosen at start: -device virtio-net-pci.",
		.lasting = "libvirt: <model type='virtio'/>.",
		.source = "Red Hat, Virtualization Tuning and Optimization: Networking",
	},
	{
		.id = "guest.nic.backend",
		.title = "what is behind a NIC",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "tap, vhost-user, vhost-vdpa, or a passed-through function",
			   FINDING_WARN}},
		.check = check_backend,
		.of_guest = true,
		.reads = "the guest's definition: -netdev, <interface type=>",
		.why = "User networking is a TCP/IP stack inside QEMU: each packet is taken apart and sent by system "
		       "calls of the "
		       "main loop.",
		.costs = "A tap device has to be made by root, or by a helper.",
		.cure = "Chosen at start: -netdev tap,vhost=on.",
		.lasting = "libvirt: <interface type='bridge'> or type='network'.",
		.source = "QEMU, Network emulation",
	},
	{
		.id = "guest.nic.vhost",
		.title = "vhost-net of a virtio NIC",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "vhost-net", FINDING_WARN}},
		.check = check_vhost,
		.of_guest = true,
		.reads = "the guest's definition: vhost=, <driver name=>",
		.why = "Without vhost every packet goes through QEMU's main loop: 6 Gb/s and 80 us instead of 8.5 Gb/s "
		       "and 45 us.",
		.costs = "A kernel thread for each queue, which counts to the guest's control group.",
		.cure = "modprobe vhost_net before it starts; -netdev tap,vhost=on.",
		.lasting = "libvirt: <driver name='vhost'/>, the default where /dev/vhost-net is.",
		.source = "Red Hat, Virtualization Tuning and Optimization: Networking",
	},
	{
		.id = "guest.nic.queues",
		.title = "queues of a NIC",
		.contexts = CONTEXT_GENERAL | TUNED,
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "2 to the number of vCPUs where it is busy", FINDING_NOTE},
			  {TUNED, COMPARE_EQUAL, "2 to the number of vCPUs", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "2 to the number of vCPUs where it is busy", FINDING_NOTE}},
		.check = check_queues,
		.of_guest = true,
		.reads = "the guest's definition: queues=, <driver queues=>",
		.why = "With one queue one vCPU takes the interrupts and one vhost thread all packets.",
		.costs = "A vhost thread and four vectors for each two queues; with many idle queues small packets "
			 "cost more.",
		.cure = "Chosen at start: queues=N,mq=on; then ethtool -L combined N in the guest.",
		.lasting = "libvirt: <driver name='vhost' queues='N'/>.",
		.source = "Red Hat, Multi-queue virtio-net",
	},
	{
		.id = "guest.hostdev.driver",
		.title = "driver of a passed-through device",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "vfio-pci, or a variant of it", FINDING_FAIL}},
		.check = check_driver,
		.of_guest = true,
		.reads = "the guest's definition: vfio-pci,host=, <hostdev>; /sys/bus/pci/devices/ADDRESS/driver",
		.why = "A device that a driver of the host still has is not the guest's.",
		.costs = "The host can no longer use it.",
		.cure = "virsh nodedev-detach, or driver_override with drivers_probe in /sys/bus/pci.",
		.lasting = "libvirt: <hostdev managed='yes'>; driverctl set-override ADDRESS vfio-pci.",
		.source = "kernel, Documentation/driver-api/vfio",
	},
	{
		.id = "guest.hostdev.group",
		.title = "IOMMU group of a passed-through device",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "alone in its group, but for bridges and the guest's own",
			   FINDING_WARN}},
		.check = check_group,
		.of_guest = true,
		.reads = "/sys/kernel/iommu_groups",
		.why = "Devices of a group can reach each other past the IOMMU, and none may be used by the host while "
		       "another is "
		       "the guest's.",
		.costs = "A slot with ACS, or a device with SR-IOV.",
		.cure = "Unbind the others from drivers of the host, or pass them to the same guest.",
		.lasting = "Another slot; the firmware's ACS setting.",
		.source = "kernel, Documentation/driver-api/vfio; virt-host-validate",
	},
	{
		.id = "guest.hostdev.interrupts",
		.title = "interrupts of a passed-through device",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "MSI-X or MSI", FINDING_WARN}},
		.check = check_interrupts,
		.of_guest = true,
		.reads = "vfio vectors in /proc/interrupts",
		.why = "INTx is masked by the host, delivered by QEMU and unmasked by an exit, each time, and there is "
		       "one for all "
		       "queues.",
		.costs = "Nothing.",
		.cure = "Let the guest's driver use MSI-X (no pci=nomsi).",
		.lasting = "The same, in the guest's kernel command line.",
		.source = "kernel, Documentation/PCI/msi-howto",
	},
	{
		.id = "guest.hostdev.near",
		.title = "node of a passed-through device",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "the node of the guest's vCPUs, or one that some are pinned to",
			   FINDING_WARN}},
		.check = check_near,
		.of_guest = true,
		.reads = "/sys/bus/pci/devices/ADDRESS/numa_node; Cpus_allowed_list of the vCPU threads",
		.why = "All its transfers and interrupts cross the link between the nodes, and share it with "
		       "everything else.",
		.costs = "A guest is bound to the node of its device.",
		.cure = "virsh vcpupin to CPUs of the device's node, or another virtual function.",
		.lasting = "libvirt: <vcpu cpuset=> and <numatune> of the device's node.",
		.source = "Intel, Ethernet 800 Series Linux Performance Tuning Guide",
	},
};

const struct rule_table rules_guest_nic = RULE_TABLE(rules);
