/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pci.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/tree.h"

#define CLASS_BRIDGE 0x06

static int64_t read_number(struct tree *tree, const char *address, const char *file)
{
	return tree_number(tree, HOST_UNKNOWN, "/sys/bus/pci/devices/%s/%s", address, file);
}

static const char *read_line(struct tree *tree, const char *address, const char *file)
{
	return tree_line(tree, "/sys/bus/pci/devices/%s/%s", address, file);
}

/* The last component of where a link leads; NULL where it leads nowhere. */
static const char *read_link(struct tree *tree, const char *address, const char *file)
{
	const char *path = tree_resolve(tree, "/sys/bus/pci/devices/%s/%s", address, file);

	return path && strrchr(path, '/') ? strrchr(path, '/') + 1 : NULL;
}

/* Length of the "0000:01:00.0" that text begins with; 0: it does not. Domains can have more than four digits. */
static size_t address_length(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	const size_t domain = strspn(text, digits);
	const char *at = text + domain;

	if (domain < 4 || domain > 8 || at[0] != ':' || strspn(at + 1, digits) != 2 || at[3] != ':' ||
	    strspn(at + 4, digits) != 2 || at[6] != '.' || strspn(at + 7, digits) != 1)
		return 0;
	return at[8] == '/' || !at[8] ? domain + 8 : 0;
}

const char *host_pci_of_path(struct tree *tree, const char *path)
{
	const char *last = NULL;

	for (const char *at = path; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (address_length(at))
			last = at;
	}
	return last ? tree_format(tree, "%.*s", (int)address_length(last), last) : NULL;
}

/* The number behind a word at the beginning of a line. */
static int64_t read_counter(struct tree *tree, const char *address, const char *file, const char *word)
{
	const char *text;
	char *end;
	long long value;

	if (tree_readf(tree, &text, "/sys/bus/pci/devices/%s/%s", address, file) < 0)
		return HOST_UNKNOWN;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, word, strlen(word)) != 0 || line[strlen(word)] != ' ')
			continue;
		value = strtoll(line + strlen(word), &end, 10);
		return value >= 0 && (*end == '\n' || !*end) ? value : HOST_UNKNOWN;
	}
	return HOST_UNKNOWN;
}

static int as_int(int64_t value)
{
	return value >= 0 && value <= INT_MAX ? (int)value : HOST_UNKNOWN;
}

static void read_group_number(struct tree *tree, struct host_pci_device *device)
{
	const char *group = read_link(tree, device->address, "iommu_group");
	int end = 0;

	if (!group || sscanf(group, "%9d%n", &device->iommu_group, &end) != 1 || group[end] || device->iommu_group < 0)
		device->iommu_group = HOST_UNKNOWN;
}

static void read_device(struct tree *tree, struct host_pci_device *device, const char *address)
{
	const char *local;

	device->address = address;
	device->vendor = (uint32_t)tree_number(tree, 0, "/sys/bus/pci/devices/%s/vendor", address);
	device->device = (uint32_t)tree_number(tree, 0, "/sys/bus/pci/devices/%s/device", address);
	device->class = (uint32_t)tree_number(tree, 0, "/sys/bus/pci/devices/%s/class", address);
	device->driver = read_link(tree, address, "driver");
	device->node = as_int(read_number(tree, address, "numa_node"));
	local = read_line(tree, address, "local_cpulist");
	device->local_cpus = cpu_list_parse(tree, local);
	read_group_number(tree, device);
	device->vfs = read_number(tree, address, "sriov_numvfs");
	device->vfs_max = read_number(tree, address, "sriov_totalvfs");
	device->physical = read_link(tree, address, "physfn");
	device->link_speed = read_line(tree, address, "current_link_speed");
	device->link_speed_max = read_line(tree, address, "max_link_speed");
	device->link_width = read_number(tree, address, "current_link_width");
	device->link_width_max = read_number(tree, address, "max_link_width");
	device->aer_correctable = read_counter(tree, address, "aer_dev_correctable", "TOTAL_ERR_COR");
	device->aer_nonfatal = read_counter(tree, address, "aer_dev_nonfatal", "TOTAL_ERR_NONFATAL");
	device->aer_fatal = read_counter(tree, address, "aer_dev_fatal", "TOTAL_ERR_FATAL");
}

static void read_groups(struct tree *tree, struct host_pci *pci)
{
	const char *const *names;
	ssize_t count = tree_list(tree, "/sys/kernel/iommu_groups", &names);

	if (count <= 0)
		return;
	pci->group = tree_alloc(tree, (size_t)count * sizeof(*pci->group));
	for (ssize_t i = 0; i < count; i++) {
		struct host_iommu_group *group = &pci->group[pci->group_count];
		ssize_t devices;
		int end = 0;

		if (sscanf(names[i], "%9d%n", &group->number, &end) != 1 || names[i][end] || group->number < 0)
			continue;
		group->type = tree_line(tree, "/sys/kernel/iommu_groups/%s/type", names[i]);
		devices = tree_listf(tree, &group->address, "/sys/kernel/iommu_groups/%s/devices", names[i]);
		group->count = devices > 0 ? (unsigned)devices : 0;
		pci->group_count++;
	}
}

void host_pci_read(struct tree *tree, struct host_pci *pci)
{
	const char *const *names;
	ssize_t count = tree_list(tree, "/sys/bus/pci/devices", &names);

	*pci = (struct host_pci){0};
	if (count > 0) {
		pci->device = tree_alloc(tree, (size_t)count * sizeof(*pci->device));
		for (ssize_t i = 0; i < count; i++)
			read_device(tree, &pci->device[pci->count++], names[i]);
	}
	read_groups(tree, pci);
}

const struct host_pci_device *host_pci_find(const struct host_pci *pci, const char *address)
{
	for (unsigned i = 0; address && i < pci->count; i++) {
		if (strcmp(pci->device[i].address, address) == 0)
			return &pci->device[i];
	}
	return NULL;
}

bool host_pci_is_bridge(const struct host_pci_device *device)
{
	return device->class >> 16 == CLASS_BRIDGE;
}
