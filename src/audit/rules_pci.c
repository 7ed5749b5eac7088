/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* Links, errors, groups and virtual functions of PCI devices. */

#define CLASS_STORAGE 0x01
#define CLASS_NETWORK 0x02

typedef void pci_check(struct audit *audit, const struct rule *rule, const struct host_pci_device *device);

static bool carries_io(const struct host_pci_device *device)
{
	return device->class >> 16 == CLASS_STORAGE || device->class >> 16 == CLASS_NETWORK;
}

/* Storage and network controllers. Virtual functions have no link of their own. */
static void each_controller(struct audit *audit, const struct rule *rule, pci_check *check)
{
	const struct host_pci *pci = &audit->host->pci;

	for (unsigned i = 0; i < pci->count; i++) {
		if (carries_io(&pci->device[i]) && !pci->device[i].physical)
			check(audit, rule, &pci->device[i]);
	}
}

/* Of "8.0 GT/s PCIe" ten times the number; 0: "Unknown". */
static unsigned long speed_of(const char *text)
{
	char *end;
	unsigned long whole = text ? strtoul(text, &end, 10) : 0;

	if (!whole || whole > 10000)
		return 0;
	return whole * 10 + (*end == '.' && end[1] >= '0' && end[1] <= '9' ? (unsigned long)(end[1] - '0') : 0);
}

struct link {
	unsigned long speed;
	int64_t width;
};

static bool is_less(struct link link, struct link than)
{
	return link.speed < than.speed || link.width < than.width;
}

/* What the port above can do: a slot of fewer lanes is a fact, a link below what both can do is a fault. */
static struct link most_of_both(const struct host *host, const struct host_pci_device *device)
{
	struct link most = {speed_of(device->link_speed_max), device->link_width_max};
	struct tree *tree = host->tree;
	const char *path = tree_resolve(tree, "/sys/bus/pci/devices/%s", device->address);
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *above = slash ? host_pci_of_path(tree, tree_format(tree, "%.*s", (int)(slash - path), path)) : NULL;
	const struct host_pci_device *port = above ? host_pci_find(&host->pci, above) : NULL;

	if (port && speed_of(port->link_speed_max) && speed_of(port->link_speed_max) < most.speed)
		most.speed = speed_of(port->link_speed_max);
	if (port && port->link_width_max > 0 && port->link_width_max < most.width)
		most.width = port->link_width_max;
	return most;
}

bool rule_link_is_low(const struct host *host, const struct host_pci_device *device)
{
	const struct link link = {speed_of(device->link_speed), device->link_width};

	return link.speed && speed_of(device->link_speed_max) && link.width > 0 && device->link_width_max > 0 &&
	       is_less(link, most_of_both(host, device));
}

static void check_link_of(struct audit *audit, const struct rule *rule, const struct host_pci_device *device)
{
	const struct link link = {speed_of(device->link_speed), device->link_width};
	const struct link full = {speed_of(device->link_speed_max), device->link_width_max};
	const struct link most = most_of_both(audit->host, device);
	struct tree *tree = audit->host->tree;
	const char *value;

	/* Emulated and built-in devices have no link, or one without a width. */
	if (!link.speed || !full.speed || link.width <= 0 || full.width <= 0)
		return;
	value = tree_format(tree, "%s x%lld", device->link_speed, (long long)device->link_width);
	if (!is_less(link, full))
		audit_pass(audit, rule, device->address, value);
	else if (!is_less(link, most))
		audit_found(audit, rule, FINDING_NOTE, device->address, value,
			    tree_format(tree, "%s x%lld", device->link_speed_max, (long long)full.width),
			    "the slot can do no more");
	else
		audit_found(audit, rule, FINDING_WARN, device->address, value,
			    tree_format(tree, "%lu.%lu GT/s x%lld", most.speed / 10, most.speed % 10,
					(long long)most.width),
			    "both ends can do more");
}

static void check_link(struct audit *audit, const struct rule *rule)
{
	each_controller(audit, rule, check_link_of);
}

static void check_errors_of(struct audit *audit, const struct rule *rule, const struct host_pci_device *device)
{
	const int64_t worse =
		(device->aer_nonfatal > 0 ? device->aer_nonfatal : 0) + (device->aer_fatal > 0 ? device->aer_fatal : 0);

	if (device->aer_correctable == HOST_UNKNOWN && device->aer_nonfatal == HOST_UNKNOWN)
		return;
	if (!worse && device->aer_correctable <= 0)
		audit_pass(audit, rule, device->address, "none");
	else
		audit_found(audit, rule, worse ? FINDING_WARN : FINDING_NOTE, device->address,
			    tree_format(audit->host->tree, "%lld corrected, %lld not, %lld fatal",
					(long long)device->aer_correctable, (long long)device->aer_nonfatal,
					(long long)device->aer_fatal),
			    "none", "%s",
			    worse ? "packets were lost for good"
				  : "packets were sent again; that the number grows would be a reason to look");
}

static void check_errors(struct audit *audit, const struct rule *rule)
{
	each_controller(audit, rule, check_errors_of);
}

static bool has_passthrough(const struct host *host)
{
	for (unsigned i = 0; i < host->guests.count; i++) {
		if (host->guests.guest[i].hostdev_count)
			return true;
	}
	return false;
}

static void check_iommu(struct audit *audit, const struct rule *rule)
{
	struct tree *tree = audit->host->tree;
	const bool is_told = tree_exists(tree, "/sys/firmware/acpi/tables/DMAR") ||
			     tree_exists(tree, "/sys/firmware/acpi/tables/IVRS");

	if (!tree_exists(tree, "/sys/kernel"))
		audit_unknown(audit, rule, NULL, 0, "there is no /sys/kernel");
	else if (audit->host->pci.group_count)
		audit_pass(audit, rule, NULL, tree_format(tree, "%u groups", audit->host->pci.group_count));
	else if (is_told)
		audit_found(audit, rule, has_passthrough(audit->host) ? FINDING_FAIL : FINDING_WARN, NULL, "off", "on",
			    "the firmware has one; the kernel does not use it");
	else
		audit_found(audit, rule, has_passthrough(audit->host) ? FINDING_FAIL : FINDING_NOTE, NULL, "none",
			    "there, for passthrough", "the firmware tells of none");
}

static bool is_vfio(const struct host_pci_device *device)
{
	return device->driver && strstr(device->driver, "vfio");
}

/* Whether a guest has it, whose own rule looks at its group. */
static bool is_passed(const struct host *host, const char *address)
{
	for (unsigned i = 0; i < host->guests.count; i++) {
		const struct guest *guest = &host->guests.guest[i];

		for (unsigned k = 0; k < guest->hostdev_count; k++) {
			if (guest->hostdev[k].address && strcmp(guest->hostdev[k].address, address) == 0)
				return true;
		}
	}
	return false;
}

/* Devices of the group that a driver of the host has. */
static const char *used_by_host(const struct audit *audit, const struct host_iommu_group *group)
{
	const char *text = "";

	for (unsigned i = 0; i < group->count; i++) {
		const struct host_pci_device *other = host_pci_find(&audit->host->pci, group->address[i]);

		if (other && other->driver && !is_vfio(other) && !host_pci_is_bridge(other))
			text = tree_format(audit->host->tree, "%s%s%s (%s)", text, *text ? ", " : "", other->address,
					   other->driver);
	}
	return text;
}

static const struct host_iommu_group *group_of(const struct host_pci *pci, int number)
{
	for (unsigned i = 0; number >= 0 && i < pci->group_count; i++) {
		if (pci->group[i].number == number)
			return &pci->group[i];
	}
	return NULL;
}

static void check_group(struct audit *audit, const struct rule *rule)
{
	const struct host_pci *pci = &audit->host->pci;

	for (unsigned i = 0; i < pci->count; i++) {
		const struct host_pci_device *device = &pci->device[i];
		const struct host_iommu_group *group = group_of(pci, device->iommu_group);
		const char *others;

		if (!is_vfio(device) || is_passed(audit->host, device->address))
			continue;
		if (!group) {
			audit_unknown(audit, rule, device->address, 0, "it is in no IOMMU group that can be read");
			continue;
		}
		others = used_by_host(audit, group);
		rule_verdict(
			audit, rule, !*others, device->address,
			tree_format(audit->host->tree, "group %d%s%s", group->number, *others ? " with " : "", others),
			NULL);
	}
}

/* Whether a virtual function does something: a guest has it, or an interface of it is up. */
static bool is_used(const struct host *host, const struct host_pci_device *function)
{
	if (is_passed(host, function->address))
		return true;
	for (unsigned i = 0; i < host->nets.count; i++) {
		const struct host_net *net = &host->nets.net[i];

		if (net->pci && net->state && strcmp(net->pci, function->address) == 0 &&
		    strcmp(net->state, "down") != 0)
			return true;
	}
	return false;
}

static void check_functions(struct audit *audit, const struct rule *rule)
{
	const struct host_pci *pci = &audit->host->pci;

	for (unsigned i = 0; i < pci->count; i++) {
		const struct host_pci_device *device = &pci->device[i];
		unsigned used = 0;

		if (device->vfs <= 0)
			continue;
		for (unsigned k = 0; k < pci->count; k++)
			used += pci->device[k].physical && strcmp(pci->device[k].physical, device->address) == 0 &&
				is_used(audit->host, &pci->device[k]);
		rule_verdict(audit, rule, used >= device->vfs, device->address,
			     tree_format(audit->host->tree, "%u of %lld in use", used, (long long)device->vfs), NULL);
	}
}

#define TUNED (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

static const struct rule rules[] = {
	{
		.id = "host.pci.link",
		.title = "speed and width of PCIe links",
		.contexts = CONTEXT_ALL,
		.check = check_link,
		.reads = "/sys/bus/pci/devices/*/{current,max}_link_{speed,width}, of the port above, too",
		.wants = "what both ends can; less is a WARN, and where the slot can do no more a NOTE",
		.why = "A link that came up with fewer lanes or slower than both ends can has a bad contact, and does "
		       "a part of what it should.",
		.costs = "Reseating a card needs a maintenance window.",
		.cure = "lspci -vv -s %s (LnkCap, LnkSta); reseat it, another slot",
		.lasting = "Keep the link with the host's baseline.",
		.source = "Linux, Documentation/ABI/testing/sysfs-bus-pci",
	},
	{
		.id = "host.pci.errors",
		.title = "errors counted by PCIe devices (AER)",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_AT_MOST, "0", FINDING_WARN}},
		.check = check_errors,
		.reads = "/sys/bus/pci/devices/*/aer_dev_{correctable,nonfatal,fatal}",
		.why = "Each corrected error is a packet sent again; those that are not corrected end in timeouts and "
		       "resets of the device.",
		.costs = "Reseating a card needs a maintenance window.",
		.cure = "lspci -vv -s %s; reseat it, another slot, new firmware",
		.lasting = "An alert on the counters.",
		.source = "Linux, Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats",
	},
	{
		.id = "host.iommu.present",
		.title = "IOMMU",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "on", FINDING_WARN}},
		.check = check_iommu,
		.reads = "/sys/kernel/iommu_groups; /sys/firmware/acpi/tables/{DMAR,IVRS}",
		.why = "Without it no device can be passed to a guest, and each device can write to all memory.",
		.costs = "Mapping takes CPU time a request; iommu=pt avoids it for the host's own devices.",
		.cure = "Boot with intel_iommu=on (AMD: it is on by default); switch on VT-d or AMD-Vi in the "
			"firmware.",
		.lasting = "The same.",
		.source = "virt-host-validate",
	},
	{
		.id = "host.iommu.group",
		.title = "groups of devices kept for guests",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "no device of the host in its group", FINDING_FAIL}},
		.check = check_group,
		.reads = "/sys/kernel/iommu_groups/*/devices; drivers of them",
		.why = "VFIO gives out a group only if no driver of the host has a device of it: a guest with it will "
		       "not start.",
		.costs = "The host can no longer use the others.",
		.cure = "Unbind the others, or bind them to vfio-pci, too.",
		.lasting = "Another slot; the firmware's ACS setting.",
		.source = "Linux, Documentation/driver-api/vfio.rst",
	},
	{
		.id = "host.sriov.functions",
		.title = "virtual functions in use",
		.contexts = CONTEXT_ALL,
		.cases = {{TUNED, COMPARE_EQUAL, "no more of them than guests use", FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "no more of them than guests use", FINDING_NOTE}},
		.check = check_functions,
		.reads = "/sys/bus/pci/devices/*/{sriov_numvfs,physfn}; interfaces and guests that have them",
		.why = "The device divides queues, vectors and memory for filters among its functions, used or not.",
		.costs = "The number can be changed only while none is in use.",
		.cure = "echo NUMBER >/sys/bus/pci/devices/%s/sriov_numvfs, after 0",
		.lasting = "A udev rule that sets ATTR{device/sriov_numvfs}.",
		.source = "Intel, Ethernet 800 Series Linux Performance Tuning Guide",
	},
};

const struct rule_table rules_pci = RULE_TABLE(rules);
