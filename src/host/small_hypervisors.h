/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_SMALL_HYPERVISORS_H
#define STRAIT_HOST_SMALL_HYPERVISORS_H

#include "host/guest.h"

/*
 * cloud-hypervisor(1) and firecracker: what their command lines say, and the configuration file of the latter
 * (document firecracker/PID.json: of that file no more than disks, cards, vCPUs and memory). What was configured by
 * their API sockets is not known. guest is zeroed but for pid; HOST_UNKNOWN is set where it is due.
 */
struct tree;
void cloud_hypervisor_read(struct tree *tree, const char *text, size_t length, struct guest *guest);
void firecracker_read(struct tree *tree, const char *text, size_t length, struct guest *guest);

/* vCPUs whose threads are not known yet. */
void guest_add_vcpus(struct tree *tree, struct guest *guest, int64_t count);

#endif
