/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_KVM_H
#define STRAIT_HOST_KVM_H

#include "host/value.h"

struct host_kvm {
	host_answer usable; /* /dev/kvm answers; HOST_UNKNOWN: this user may not open it */
	int error;          /* negative errno where it is not; 0 */
	const char *module; /* "kvm_intel", "kvm_amd", whose parameters are in /sys/module; NULL: none of them */
};

struct tree;
void host_kvm_read(struct tree *tree, struct host_kvm *kvm);

#endif
