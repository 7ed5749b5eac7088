/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_NET_H
#define STRAIT_HOST_NET_H

#include "host/value.h"

enum host_net_kind {
	HOST_NET_PHYSICAL,
	HOST_NET_VIRTUAL_FUNCTION,
	HOST_NET_TAP,
	HOST_NET_BRIDGE,
	HOST_NET_BOND,
	HOST_NET_VLAN,
	HOST_NET_MACVTAP, /* libvirt's "direct" */
	HOST_NET_OTHER
};

struct host_net {
	const char *name;
	unsigned index;
	enum host_net_kind kind;
	const char *master; /* bridge or bond it is a port of */
	const char *lower;  /* of a VLAN, a macvtap, ...: what it is on; NULL: nothing, or several */
	const char *driver, *pci;
	int node;
	const char *state; /* operstate */
	int64_t speed;     /* Mb/s */
	int64_t mtu;
	/* ethtool, by netlink; HOST_UNKNOWN where the driver has none */
	host_answer adaptive_rx, adaptive_tx;
	int64_t rx_usecs, tx_usecs, rx_ring, rx_ring_max, tx_ring, tx_ring_max, channels, channels_max;
	int64_t defer_hard_irqs, gro_flush_timeout, threaded;
	int64_t rx_dropped, tx_dropped, rx_errors, tx_errors;
	int64_t queues; /* of a tap: as many as it has open */
};

struct host_nets {
	struct host_net *net;
	unsigned count;
};

struct tree;
void host_nets_read(struct tree *tree, struct host_nets *nets);
const struct host_net *host_net_find(const struct host_nets *nets, const char *name);

#endif
