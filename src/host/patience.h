/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_PATIENCE_H
#define STRAIT_HOST_PATIENCE_H

#include "host/tree.h"

/*
 * provide() in a child process, which is waited for so many ms at most: -ETIMEDOUT then. For what may never come back,
 * and is looked at just because it hangs: a disk or its controller, a file system of the network's or a process's, a
 * daemon. What waits in the kernel cannot be killed and stays until the kernel lets it go; it holds nothing of ours.
 * The child changes its own copy of context; its answer is all that comes back: 64 MiB at most, -E2BIG.
 */
#define PATIENCE_MS 5000
ssize_t patience_ask(int64_t ms, tree_provide *provide, void *context, char **text);

/*
 * Likewise, of an open file, which the child has as PATIENCE_FILE and no other has: for what may crash, or be taken
 * over by what it reads. -EPROTO: it has crashed.
 */
#define PATIENCE_FILE 4
ssize_t patience_ask_of_file(int fd, int64_t ms, tree_provide *provide, void *context, char **text);

#endif
