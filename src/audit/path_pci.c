/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/path_build.h"

/* "0000:00:04.0" or "nvme0": raised by the device, or named after it ("nvme0q1", "eth0-TxRx-3"). */
static bool is_of(const struct host_irq *irq, const char *pci, const char *name)
{
	const size_t length = name ? strlen(name) : 0;

	if (pci && irq->pci)
		return strcmp(irq->pci, pci) == 0;
	/* "vfio-msix[0](0000:03:00.1)" */
	if (pci && irq->action && strstr(irq->action, pci))
		return true;
	if (!length)
		return false;
	if (irq->device && strcmp(irq->device, name) == 0)
		return true;
	return irq->action && strncmp(irq->action, name, length) == 0 &&
	       (irq->action[length] == '\0' || strchr("q-:@", irq->action[length]));
}

/* Not one that tells of changes, or of administration; the two directions of a NIC's queue are one. */
static bool is_of_queue(const struct host_irq *irq)
{
	const char *action = irq->action ? irq->action : "", *end = action + strlen(action);

	return !strstr(action, "-config") && !strstr(action, "-control") && !strstr(action, "-output.") &&
	       !(end - action > 2 && strcmp(end - 2, "q0") == 0);
}

struct vectors {
	unsigned count;
	const char *cpus; /* all that one of them may go to, as a list with repetitions */
	/* of queues */
	unsigned queues;
	bool share_one;      /* all of several go to the same single CPU */
	unsigned one;        /* which */
	unsigned with_vcpus; /* go to a CPU that a vCPU is pinned to */
};

static void take_vector(struct path_build *build, struct vectors *vectors, const struct host_irq *irq)
{
	const struct cpu_list *cpus = irq->effective.count ? &irq->effective : &irq->allowed;

	if (!cpus->count)
		return;
	if (is_of_queue(irq)) {
		if (!vectors->queues)
			vectors->one = cpus->cpu[0];
		vectors->share_one =
			(!vectors->queues || vectors->share_one) && cpus->count == 1 && cpus->cpu[0] == vectors->one;
		vectors->queues++;
	}
	vectors->with_vcpus += cpu_list_overlap(cpus, &build->guest_cpus);
	vectors->cpus = tree_format(build->tree, "%s%s%s", vectors->count ? vectors->cpus : "",
				    vectors->count ? "," : "", cpu_list_format(build->tree, cpus));
	vectors->count++;
}

static struct path_layer *add_interrupts(struct path_build *build, struct path_layer *above, const char *pci,
					 const char *name)
{
	const char *key = name ? name : pci;
	struct vectors vectors = {0};
	struct path_layer *layer;
	struct cpu_list cpus;
	bool known;

	for (unsigned i = 0; i < build->host->irqs.count; i++) {
		if (is_of(&build->host->irqs.irq[i], pci, name))
			take_vector(build, &vectors, &build->host->irqs.irq[i]);
	}
	if (!vectors.count)
		return above;
	layer = path_layer(build, "interrupts", key, &known);
	path_put_below(build, above, layer);
	if (known)
		return layer;
	cpus = cpu_list_parse(build->tree, vectors.cpus);
	path_number(build, layer, "vectors", vectors.count);
	path_cpus(build, layer, "cpus", &cpus);
	if (vectors.queues > 1 && vectors.share_one && build->host->cpus.count > 1)
		path_note(build, layer, PATH_RISK, "all %u queues' on CPU %u", vectors.queues, vectors.one);
	if (vectors.with_vcpus)
		path_note(build, layer, PATH_COST, "%u on CPUs of the guest's vCPUs: these are interrupted",
			  vectors.with_vcpus);
	return layer;
}

static void add_node(struct path_build *build, struct path_layer *above, int node)
{
	const int own = build->guest_cpus.count ? host_node_of(&build->host->cpus, &build->guest_cpus) : HOST_UNKNOWN;
	struct path_layer *layer;
	bool known;

	if (node < 0)
		return;
	layer = path_layer(build, "NUMA node", tree_format(build->tree, "%d", node), &known);
	path_put_below(build, above, layer);
	if (known)
		return;
	for (unsigned i = 0; i < build->host->cpus.node_count; i++) {
		if (build->host->cpus.node[i].number == (unsigned)node)
			path_cpus(build, layer, "cpus", &build->host->cpus.node[i].cpus);
	}
	if (own >= 0 && own != node)
		path_note(build, layer, PATH_RISK, "the guest runs on node %d: each I/O crosses between them", own);
}

static void add_link(struct path_build *build, struct path_layer *layer, const struct host_pci_device *device)
{
	if (device->link_speed && device->link_width > 0)
		path_fact(build, layer, "link",
			  tree_format(build->tree, "%s x%lld", device->link_speed, (long long)device->link_width));
	if (device->link_width > 0 && device->link_width < device->link_width_max)
		path_note(build, layer, PATH_RISK, "link x%lld of x%lld", (long long)device->link_width,
			  (long long)device->link_width_max);
	if (device->link_speed && device->link_speed_max && strcmp(device->link_speed, device->link_speed_max) != 0)
		path_note(build, layer, PATH_RISK, "link at %s of %s", device->link_speed, device->link_speed_max);
	if (device->aer_fatal > 0 || device->aer_nonfatal > 0)
		path_note(build, layer, PATH_RISK, "PCIe errors: %lld fatal, %lld not",
			  device->aer_fatal > 0 ? (long long)device->aer_fatal : 0,
			  device->aer_nonfatal > 0 ? (long long)device->aer_nonfatal : 0);
	else if (device->aer_correctable > 0)
		path_note(build, layer, PATH_COST, "%lld corrected PCIe errors", (long long)device->aer_correctable);
}

void path_pci(struct path_build *build, struct path_layer *above, const char *pci, const char *name, int node)
{
	const struct host_pci_device *device = pci ? host_pci_find(&build->host->pci, pci) : NULL;
	struct path_layer *layer = above;
	bool known;

	if (pci) {
		layer = path_layer(build, "controller", pci, &known);
		path_put_below(build, above, layer);
		if (known)
			return;
		path_word(build, layer, "name", name);
	}
	if (device) {
		path_fact(build, layer, "driver", device->driver);
		path_number(build, layer, "iommu-group", device->iommu_group);
		add_link(build, layer, device);
		node = device->node >= 0 ? device->node : node;
	}
	layer = add_interrupts(build, layer, pci, name);
	add_node(build, layer, node);
}

/* Who else is in its group, but for bridges, which have to be. */
static void note_group(struct path_build *build, struct path_layer *layer, const struct host_pci_device *device)
{
	const struct host_pci *pci = &build->host->pci;
	const struct host_iommu_group *group = NULL;

	for (unsigned i = 0; i < pci->group_count; i++) {
		if (pci->group[i].number == device->iommu_group)
			group = &pci->group[i];
	}
	if (!group || device->iommu_group < 0) {
		path_note(build, layer, PATH_RISK, "no IOMMU group: nothing keeps its DMA to the guest's memory");
		return;
	}
	path_fact(build, layer, "domain", group->type);
	for (unsigned i = 0; i < group->count; i++) {
		const struct host_pci_device *other = host_pci_find(pci, group->address[i]);

		if (strcmp(group->address[i], device->address) == 0 || (other && host_pci_is_bridge(other)))
			continue;
		path_note(build, layer, PATH_RISK, "shares IOMMU group %d with %s", group->number, group->address[i]);
	}
}

/* The interface of a virtual function's physical one. */
static const char *physical_interface(const struct path_build *build, const struct host_pci_device *device)
{
	const struct host_nets *nets = &build->host->nets;

	for (unsigned i = 0; i < nets->count; i++) {
		if (device->physical && nets->net[i].pci && strcmp(nets->net[i].pci, device->physical) == 0)
			return nets->net[i].name;
	}
	return NULL;
}

static const char *class_name(uint32_t class)
{
	switch (class >> 8) {
	case 0x0108:
		return "NVMe";
	case 0x0200:
		return "network";
	default:
		return class >> 16 == 1   ? "storage"
		       : class >> 16 == 2 ? "network"
		       : class >> 16 == 3 ? "display"
					  : NULL;
	}
}

struct path_layer *path_hostdev(struct path_build *build, const struct guest_hostdev *hostdev)
{
	const struct host_pci_device *device =
		hostdev->address ? host_pci_find(&build->host->pci, hostdev->address) : NULL;
	struct path_layer *top = path_own(build, NULL, "device", hostdev->id ? hostdev->id : hostdev->address), *layer;

	path_word(build, top, "model", "passthrough");
	path_note(build, top, PATH_COST, "no live migration, and nothing between the guest and a reset of the device");
	layer = path_own(build, top, "VFIO", hostdev->address);
	if (!device) {
		path_note(build, layer, PATH_RISK, "this machine has no such device");
		return top;
	}
	path_word(build, layer, "class", class_name(device->class));
	path_fact(build, layer, "driver", device->driver ? device->driver : "none");
	if (!device->driver || strcmp(device->driver, "vfio-pci") != 0)
		path_note(build, layer, PATH_RISK, "not bound to vfio-pci");
	note_group(build, layer, device);
	if (device->physical) {
		layer = path_own(build, layer, "virtual function of", device->physical);
		path_word(build, layer, "interface", physical_interface(build, device));
	}
	path_pci(build, layer, hostdev->address, NULL, device->node);
	return top;
}
