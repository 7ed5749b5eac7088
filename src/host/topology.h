/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_TOPOLOGY_H
#define STRAIT_HOST_TOPOLOGY_H

#include "host/cpu.h"

/*
 * Where CPUs are: the node, package, core and siblings of those in cpus->cpu,
 * whose numbers are set. hwloc tells, by the document "topology.json":
 *
 *	{"cpus": [{"cpu": 0, "node": 0, "package": 0, "siblings": "0-1"}, ...]}
 *
 * It is what was taken out of hwloc's topology and not its XML, because hwloc trusts an XML file and
 * a capture is not to be trusted. Where there is no such document (a directory), sysfs tells the same.
 */
struct tree;
void host_topology_read(struct tree *tree, struct host_cpus *cpus);

#endif
