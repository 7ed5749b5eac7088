/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_PCI_H
#define STRAIT_HOST_PCI_H

#include "host/value.h"

struct host_pci_device {
	const char *address; /* 0000:01:00.0 */
	uint32_t vendor, device, class;
	const char *driver; /* NULL: none bound */
	int node, iommu_group;
	struct cpu_list local_cpus;
	int64_t vfs, vfs_max; /* sriov_numvfs, sriov_totalvfs; HOST_UNKNOWN: no SR-IOV */
	const char *physical; /* address of the physical function; NULL: is none of its virtual ones */
	const char *link_speed, *link_speed_max;
	int64_t link_width, link_width_max;
	int64_t aer_correctable, aer_nonfatal, aer_fatal; /* counted since boot */
};

struct host_iommu_group {
	int number;
	const char *type;           /* DMA, DMA-FQ, identity, ... */
	const char *const *address; /* its devices */
	unsigned count;
};

struct host_pci {
	struct host_pci_device *device;
	unsigned count;
	struct host_iommu_group *group;
	unsigned group_count;
};

struct tree;
void host_pci_read(struct tree *tree, struct host_pci *pci);
const struct host_pci_device *host_pci_find(const struct host_pci *pci, const char *address);

/* The address of the innermost PCI function in the path of a device, as tree_resolve() has it; NULL: none. */
const char *host_pci_of_path(struct tree *tree, const char *path);

/* Whether a function is a bridge or a root port, which may share a group with what is behind it. */
bool host_pci_is_bridge(const struct host_pci_device *device);

#endif
