/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_RULES_GUEST_H
#define STRAIT_AUDIT_RULES_GUEST_H

#include "audit/audit.h"

/*
 * What the rules of guests share. Such a rule works out by itself whether what it
 * read is good; its cases say what that weighs in which context.
 */

/*
 * Report that something is good, or as the first case that fits the audit's contexts has it. format: what is particular
 * about it, where it is not good; NULL: nothing.
 */
void rule_verdict(struct audit *audit, const struct rule *rule, bool good, const char *object, const char *value,
		  const char *format, ...) __attribute__((format(printf, 6, 7)));

/* "2 MiB": the tree's. */
const char *rule_size(struct audit *audit, uint64_t bytes);

/* "vCPU 3": the tree's. */
const char *rule_vcpu(struct audit *audit, const struct guest_thread *vcpu);

bool rule_word_is(const char *word, const char *list); /* one of those in list, separated by "|"; NULL is none */

/*
 * Whether a guest runs and the CPUs of all of its vCPUs are known; says UNKNOWN where they are not, and nothing where
 * it does not run.
 */
bool rule_knows_vcpus(struct audit *audit, const struct rule *rule);

/* Whether each vCPU is kept to fewer CPUs than the host has. */
bool rule_vcpus_are_pinned(const struct audit *audit);

/*
 * "vCPUs 0-3, I/O thread io0": those that the first of these quotas holds back, or any of the others that is the same
 * in another group.
 */
const char *rule_quota_threads(struct tree *tree, const struct guest *guest, const struct guest_quota *quota,
			       unsigned count);

/* All CPUs that the guest's vCPUs may run on. */
struct cpu_list rule_vcpu_cpus(const struct audit *audit);

/* The node of these vCPUs; HOST_UNKNOWN where they are on several. cpus empty: all vCPUs. */
int rule_vcpu_node(const struct audit *audit, const struct cpu_list *vcpus);

/* Whether a disk has a medium that is written to or at least a disk's: no CD-ROM, no floppy disk. */
bool rule_is_disk(const struct guest_disk *disk);

/* Its id, or the name libvirt gives it. */
const char *rule_disk_name(const struct guest_disk *disk);

/* Whether a storage process of its own serves it. */
bool rule_is_vhost_user(const struct guest_disk *disk);

/* The mount that a disk's image lies on; NULL: it is a block device, is not of this host, or not known. */
const struct host_mount *rule_mount_of(const struct host *host, const struct guest_disk *disk);

/* The block device that a disk's image is or lies on, straitd's disks included; NULL: not known. */
const struct host_block *rule_block_of(const struct host *host, const struct guest_disk *disk);

/* The device by which a tap's packets leave: through bridges, bonds, VLANs. NULL: none that is known. */
const struct host_net *rule_uplink_of(const struct host_nets *nets, const struct host_net *net);

/* Whether a PCIe link is slower or narrower than what both of its ends can. */
bool rule_link_is_low(const struct host *host, const struct host_pci_device *device);

#endif
