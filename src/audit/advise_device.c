/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/advise_parts.h"

#define CLASS_NVME    0x010802u
#define CLASS_NETWORK 0x02u

int advise_guest_node(const struct advising *advising)
{
	const struct guest *guest = advising->guest;
	int node = HOST_UNKNOWN;

	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		const int own = host_node_of(&advising->host->cpus, &guest->vcpu[i].allowed);

		if (own == HOST_UNKNOWN || (node != HOST_UNKNOWN && node != own))
			return HOST_UNKNOWN;
		node = own;
	}
	return node;
}

/* The guest that has a PCI device already. */
static const struct guest *owner_of(const struct advising *advising, const char *address)
{
	for (unsigned i = 0; i < advising->host->guests.count; i++) {
		const struct guest *guest = &advising->host->guests.guest[i];

		for (unsigned j = 0; j < guest->hostdev_count; j++) {
			if (guest->hostdev[j].address && !strcmp(guest->hostdev[j].address, address))
				return guest;
		}
	}
	return NULL;
}

static bool is_below(const struct host_block *above, const char *name)
{
	for (unsigned i = 0; i < above->below_count; i++) {
		if (!strcmp(above->below[i], name))
			return true;
	}
	return false;
}

/* Another disk of a guest on it, or its own one and no more: that one would move. */
static const char *user_among_guests(const struct advising *advising, const struct host_block *block)
{
	const struct host_guests *guests = &advising->host->guests;

	for (unsigned i = 0; i < guests->count; i++) {
		for (unsigned j = 0; j < guests->guest[i].disk_count; j++) {
			const struct guest_disk *disk = &guests->guest[i].disk[j];

			if (disk != advising->disk && disk->image_count && disk->image[0].file &&
			    host_block_of_path(advising->tree, &advising->host->blocks, disk->image[0].file) == block)
				return guests->guest[i].name ? guests->guest[i].name : "a guest";
		}
	}
	return NULL;
}

static bool is_own(const struct advising *advising, const struct host_block *block)
{
	const struct guest_disk *disk = advising->disk;

	return disk->image_count && disk->image[0].file && !strncmp(disk->image[0].file, "/dev/", 5) &&
	       host_block_of_path(advising->tree, &advising->host->blocks, disk->image[0].file) == block;
}

/* Why a block device is not free; NULL: it is. */
static const char *use_of(const struct advising *advising, const struct host_block *block)
{
	const struct host_blocks *blocks = &advising->host->blocks;
	const char *guest;

	for (unsigned i = 0; i < blocks->mount_count; i++) {
		if (block->major && blocks->mount[i].major == block->major && blocks->mount[i].minor == block->minor)
			return tree_format(advising->tree, "%s is mounted at %s", block->name, blocks->mount[i].target);
	}
	for (unsigned i = 0; i < blocks->count; i++) {
		if (is_below(&blocks->block[i], block->name))
			return tree_format(advising->tree, "%s carries %s", block->name, blocks->block[i].name);
	}
	guest = user_among_guests(advising, block);
	if (guest)
		return tree_format(advising->tree, "%s is a disk of %s", block->name, guest);
	if (block->content && !is_own(advising, block))
		return tree_format(advising->tree, "%s holds data (%s)", block->name, block->content);
	return NULL;
}

/* Why a drive is not free; NULL: it is. */
static const char *use_of_drive(const struct advising *advising, const struct host_pci_device *device)
{
	const struct host_blocks *blocks = &advising->host->blocks;
	const struct guest *owner = owner_of(advising, device->address);

	if (owner)
		return tree_format(advising->tree, "%s has it", owner->name ? owner->name : "a guest");
	for (unsigned i = 0; i < blocks->count; i++) {
		const struct host_block *block = &blocks->block[i];
		const char *use = block->pci && !strcmp(block->pci, device->address) && block->kind == HOST_BLOCK_DISK
					  ? use_of(advising, block)
					  : NULL;

		if (use)
			return use;
	}
	return NULL;
}

static bool has_vfs(const struct host_pci_device *device)
{
	return device->vfs > 0;
}

/* Better: at the guest's node. */
static bool is_better(const struct advising *advising, const struct host_pci_device *device)
{
	const int node = advise_guest_node(advising);

	return !advising->device || (node != HOST_UNKNOWN && device->node == node && advising->device->node != node);
}

static void say_device(const struct advising *advising, struct advice_condition *condition, const char *what)
{
	const int node = advise_guest_node(advising);
	const struct host_pci_device *device = advising->device;

	condition->holds = 1;
	condition->evidence = tree_format(advising->tree, "%s: %s%s", device->address, what,
					  node == HOST_UNKNOWN || device->node < 0 ? ""
					  : device->node == node                   ? ", at the node of its vCPUs"
								 : ", but at another node than its vCPUs");
}

void advise_find_drive(struct advising *advising, struct advice_condition *condition)
{
	const struct host_pci *pci = &advising->host->pci;
	const char *use = NULL, *first = NULL;
	unsigned drives = 0;

	if (advising->hostdev) {
		say_device(advising, condition, "the guest has it");
		return;
	}
	for (unsigned i = 0; i < pci->count; i++) {
		const struct host_pci_device *device = &pci->device[i];

		if (device->class != CLASS_NVME || has_vfs(device))
			continue;
		drives++;
		use = use_of_drive(advising, device);
		if (!use && is_better(advising, device))
			advising->device = device;
		if (use && !first)
			first = tree_format(advising->tree, "%s: %s", device->address, use);
	}
	if (advising->device) {
		say_device(advising, condition, "an NVMe function that nothing uses");
		return;
	}
	condition->holds = pci->count ? 0 : HOST_UNKNOWN;
	condition->evidence = !pci->count ? "the host's PCI devices are not known"
			      : !drives   ? "there is no NVMe drive in this host"
			      : drives == 1
				      ? first
				      : tree_format(advising->tree, "%s, and so are the other %u NVMe functions in use",
						    first, drives - 1);
	condition->change = "there is an NVMe drive, or a virtual function of one, that nothing else uses";
}

/* How many functions could still be made. */
static unsigned vfs_to_make(const struct host_pci *pci)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < pci->count; i++) {
		const struct host_pci_device *device = &pci->device[i];

		if (device->class >> 16 == CLASS_NETWORK && device->vfs_max > 0 && device->vfs >= 0 &&
		    device->vfs_max > device->vfs)
			sum += (unsigned)(device->vfs_max - device->vfs);
	}
	return sum;
}

void advise_find_function(struct advising *advising, struct advice_condition *condition)
{
	const struct host_pci *pci = &advising->host->pci;
	unsigned functions = 0, more;

	if (advising->hostdev) {
		say_device(advising, condition, "the guest has it");
		return;
	}
	for (unsigned i = 0; i < pci->count; i++) {
		const struct host_pci_device *device = &pci->device[i];

		if (device->class >> 16 != CLASS_NETWORK || !device->physical)
			continue;
		functions++;
		if (!owner_of(advising, device->address) && is_better(advising, device))
			advising->device = device;
	}
	if (advising->device) {
		say_device(advising, condition, "a virtual function that no guest has");
		return;
	}
	more = vfs_to_make(pci);
	condition->holds = pci->count ? 0 : HOST_UNKNOWN;
	condition->evidence = !pci->count ? "the host's PCI devices are not known"
			      : functions
				      ? tree_format(advising->tree, "guests have all %u virtual functions", functions)
			      : more ? "no virtual functions have been made yet"
				     : "no NIC of this host has virtual functions";
	condition->change = more ? tree_format(advising->tree,
					       "virtual functions are made, of which this host could have %u more "
					       "(sriov_numvfs)",
					       more)
				 : "there is a NIC with SR-IOV and a virtual function left";
}

static const struct host_iommu_group *group_of(const struct host_pci *pci, int number)
{
	for (unsigned i = 0; i < pci->group_count; i++) {
		if (pci->group[i].number == number)
			return &pci->group[i];
	}
	return NULL;
}

/* Something in the group that would have to go with it; NULL: nothing. */
static const char *companion(const struct host_pci *pci, const struct host_iommu_group *group, const char *address)
{
	for (unsigned i = 0; i < group->count; i++) {
		const struct host_pci_device *other = host_pci_find(pci, group->address[i]);

		if (strcmp(group->address[i], address) != 0 && (!other || !host_pci_is_bridge(other)))
			return group->address[i];
	}
	return NULL;
}

void advise_check_group(struct advising *advising, struct advice_condition *condition)
{
	const struct host_pci *pci = &advising->host->pci;
	const struct host_pci_device *device = advising->device;
	const struct host_iommu_group *group = device ? group_of(pci, device->iommu_group) : NULL;
	const char *other = group ? companion(pci, group, device->address) : NULL;

	condition->holds = group ? !other : pci->group_count && !device ? HOST_UNKNOWN : 0;
	if (!pci->group_count) {
		condition->evidence = "there are no IOMMU groups: the IOMMU is off, or not there";
		condition->change = "the IOMMU is switched on: in the firmware, and intel_iommu=on on Intel";
	} else if (!device) {
		condition->evidence = "there is an IOMMU, but no device to ask about";
		condition->change = "its group holds nothing else";
	} else if (!group) {
		condition->evidence = tree_format(advising->tree, "%s is in no IOMMU group", device->address);
		condition->change = "it is behind an IOMMU";
	} else if (other) {
		condition->evidence = tree_format(advising->tree,
						  "its group %d holds %s as well, which would have to go "
						  "with it",
						  group->number, other);
		condition->change = "it is in a slot with a group of its own";
	} else {
		condition->evidence = tree_format(advising->tree, "group %d holds nothing else; its driver is %s",
						  group->number, device->driver ? device->driver : "none");
	}
}
