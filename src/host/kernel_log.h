/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_KERNEL_LOG_H
#define STRAIT_HOST_KERNEL_LOG_H

#include <stddef.h>
#include <sys/types.h>

/*
 * What the kernel said about what guests' I/O depends on: storage, PCIe, VFIO, KVM, hung tasks, lack of memory,
 * time. The rest of its log is nobody's business and in no capture.
 */
struct kernel_log_line {
	double seconds; /* since boot */
	const char *text;
};

struct tree;

/* As of the current sample: how many, oldest first, or a negative errno. Lines are the tree's. */
ssize_t host_kernel_log(struct tree *tree, const struct kernel_log_line **lines);

#endif
