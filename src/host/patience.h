/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_PATIENCE_H
#define STRAIT_HOST_PATIENCE_H

#include "host/tree.h"

/*
 * provide() in a child process, which is waited for so long at most: -ETIMEDOUT then. For what may never come back, and
 * is looked at just because it hangs: a disk or its controller, a file system of the network's or a process's, a
 * daemon. What waits in the kernel cannot be killed and stays until the kernel lets it go; it holds nothing of ours.
 * The child changes its own copy of context; its answer is all that comes back: 64 MiB at most, -E2BIG.
 */
#define PATIENCE_MS 5000
ssize_t patience_ask(tree_provide *provide, void *context, char **text);

#endif
