/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

struct host *host_read(struct tree *tree)
{
	struct host *host = tree_alloc(tree, sizeof(*host));

	host->tree = tree;
	host->name = tree_line(tree, "/proc/sys/kernel/hostname");
	host->kernel = tree_line(tree, "/proc/sys/kernel/osrelease");
	host->cmdline = tree_line(tree, "/proc/cmdline");
	host_cpus_read(tree, &host->cpus);
	host_memory_read(tree, &host->memory);
	host_irqs_read(tree, &host->cpus, &host->irqs);
	host_pci_read(tree, &host->pci);
	host_blocks_read(tree, &host->blocks);
	host_nets_read(tree, &host->nets);
	host_straitd_read(tree, NULL, &host->straitd);
	host_guests_read(tree, &host->guests);
	return host;
}
