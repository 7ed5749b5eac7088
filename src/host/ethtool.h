/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_ETHTOOL_H
#define STRAIT_HOST_ETHTOOL_H

#include "host/net.h"

/*
 * What a driver says of its interrupts' coalescing, rings and channels: the document "ethtool/NAME.json". Live it is
 * asked by netlink (the kernel's Documentation/networking/ethtool-netlink.rst), which needs no root. net->name is
 * set, the fields of ethtool become HOST_UNKNOWN where the driver has none.
 */
void host_ethtool_read(struct tree *tree, struct host_net *net);

#endif
