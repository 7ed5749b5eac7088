/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_EXIT_REASON_H
#define STRAIT_HOST_EXIT_REASON_H

#include <stdint.h>

/*
 * Why a guest's CPU left the guest: names of the numbers that the tracepoint kvm_exit has, as the kernel writes
 * them (arch/x86/include/uapi/asm/{vmx,svm}.h; Intel SDM volume 3 appendix C, AMD APM volume 2 appendix C).
 */
enum exit_isa { EXIT_ISA_VMX = 1, EXIT_ISA_SVM = 2 }; /* as the tracepoint has it */

/* What AMD has one reason for: a page that is not there, and a device's registers ("npf"). */
#define EXIT_NPF_MMIO "npf (MMIO)"

/* info1 tells such two apart. NULL: not known. */
const char *exit_reason_name(unsigned isa, uint32_t reason, uint64_t info1);

/* What kind of work it is, where a rate says something. */
enum exit_kind {
	EXIT_KIND_OTHER,
	EXIT_KIND_HALT,
	EXIT_KIND_IO,
	EXIT_KIND_MEMORY,
	EXIT_KIND_INTERRUPT,
	EXIT_KIND_CONTROL_REGISTER,
};
enum exit_kind exit_reason_kind(const char *name);

#endif
