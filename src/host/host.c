/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

struct host *host_read(struct tree *tree)
{
	struct host *host = tree_alloc(tree, sizeof(*host));

	host->tree = tree;
	host->name = tree_line(tree, "/proc/sys/kernel/hostname");
	host->kernel = tree_line(tree, "/proc/sys/kernel/osrelease");
	host->cmdline = tree_line(tree, "/proc/cmdline");
	return host;
}
