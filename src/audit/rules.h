/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_RULES_H
#define STRAIT_AUDIT_RULES_H

#include "audit/audit.h"
#include "audit/rule.h"

/* The tables, each in the file of its name. Who adds one puts it into rule.c, too. */
extern const struct rule_table rules_block;
extern const struct rule_table rules_cpu;
extern const struct rule_table rules_guest_cpu;
extern const struct rule_table rules_guest_disk;
extern const struct rule_table rules_guest_image;
extern const struct rule_table rules_guest_memory;
extern const struct rule_table rules_guest_nic;
extern const struct rule_table rules_guest_thread;
extern const struct rule_table rules_irq;
extern const struct rule_table rules_isolation;
extern const struct rule_table rules_kernel;
extern const struct rule_table rules_kvm;
extern const struct rule_table rules_log;
extern const struct rule_table rules_memory;
extern const struct rule_table rules_near;
extern const struct rule_table rules_net;
extern const struct rule_table rules_numa;
extern const struct rule_table rules_nvme;
extern const struct rule_table rules_pci;

#endif
