/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_ADVISE_PARTS_H
#define STRAIT_AUDIT_ADVISE_PARTS_H

#include "audit/advise.h"

/* What a piece of advice is made of while it is made. disk or nic is NULL. */
struct advising {
	struct host *host;
	struct tree *tree;
	const struct guest *guest;
	const struct guest_disk *disk;
	const struct guest_nic *nic;
	const struct guest_hostdev *hostdev; /* what disk or nic stands for where that is passed through; or NULL */
	const struct advice_options *options;
	struct advice *advice;
	const struct host_pci_device *device; /* that could be given to the guest; NULL: none */
};

/* advise_workload.c: what the guest does with it, as was asked for or as was seen. */
void advise_workload(struct advising *advising);

/* advise_traffic.c: what goes through a NIC, and what its way can carry; and to read what that takes of a guest. */
void advise_traffic(struct advising *advising);
void advise_read_traffic(struct host *host, const struct guest *guest);

/* advise_device.c: a device for the guest alone; fills in the condition. */
void advise_find_drive(struct advising *advising, struct advice_condition *condition);
void advise_find_function(struct advising *advising, struct advice_condition *condition);
/* Whether it can be handed out: an IOMMU, and a group without others. */
void advise_check_group(struct advising *advising, struct advice_condition *condition);
/* The node that the guest's vCPUs are kept to; HOST_UNKNOWN. */
int advise_guest_node(const struct advising *advising);

/* advise_shape.c: XML and options of what is recommended. */
void advise_shape_virtio_disk(struct advising *advising);
void advise_shape_virtio_nic(struct advising *advising);
void advise_shape_passthrough(struct advising *advising);

/* advise_vhost.c: the same of what another process serves. mac: in XML and as an option, or "". */
void advise_shape_vhost_disk(struct advising *advising, unsigned queues);
void advise_shape_vhost_nic(struct advising *advising, unsigned queues, const char *xml_mac, const char *option_mac);

/* Text for an attribute of XML, for a value of QEMU's options (commas doubled) and for a shell's word, as needed. */
const char *advise_xml(struct tree *tree, const char *text);
const char *advise_option(struct tree *tree, const char *text);

#endif
