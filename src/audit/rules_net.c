/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/rules.h"
#include "audit/rules_guest.h"

/* Network interfaces of the host. */

typedef void net_check(struct audit *audit, const struct rule *rule, const struct host_net *net);

#define TUNED (CONTEXT_LATENCY | CONTEXT_THROUGHPUT | CONTEXT_REALTIME)

/* Some microseconds: what Intel's guide means by low latency. */
#define FEW_USECS 10

static bool is_device(const struct host_net *net)
{
	return net->kind == HOST_NET_PHYSICAL || net->kind == HOST_NET_VIRTUAL_FUNCTION;
}

/* Devices that are in use. */
static void each_device(struct audit *audit, const struct rule *rule, net_check *check)
{
	const struct host_nets *nets = &audit->host->nets;

	for (unsigned i = 0; i < nets->count; i++) {
		if (is_device(&nets->net[i]) && nets->net[i].state && strcmp(nets->net[i].state, "down") != 0)
			check(audit, rule, &nets->net[i]);
	}
}

static const char *usecs(struct tree *tree, int64_t value)
{
	return value == HOST_UNKNOWN ? "?" : tree_format(tree, "%lld", (long long)value);
}

static void check_coalescing_of(struct audit *audit, const struct rule *rule, const struct host_net *net)
{
	struct tree *tree = audit->host->tree;
	const bool adaptive = net->adaptive_rx == 1;
	const char *value;

	/* Neither: a driver that cannot be told. Most virtual ones have no interrupts to put off. */
	if (net->rx_usecs == HOST_UNKNOWN && net->adaptive_rx == HOST_UNKNOWN)
		return;
	value = tree_format(tree, "%s, rx-usecs %s, tx-usecs %s", adaptive ? "adaptive" : "fixed",
			    usecs(tree, net->rx_usecs), usecs(tree, net->tx_usecs));
	if (audit_is_for(audit, CONTEXT_LATENCY | CONTEXT_REALTIME) && !adaptive && net->rx_usecs == HOST_UNKNOWN)
		audit_unknown(audit, rule, net->name, 0, "its driver does not tell rx-usecs");
	else if (audit_is_for(audit, CONTEXT_LATENCY | CONTEXT_REALTIME))
		rule_verdict(audit, rule, !adaptive && net->rx_usecs <= FEW_USECS, net->name, value, NULL);
	else if (adaptive || net->adaptive_rx == HOST_UNKNOWN || net->rx_usecs <= 0)
		audit_pass(audit, rule, net->name, value);
	else
		rule_verdict(audit, rule, false, net->name, value, NULL);
}

static void check_coalescing(struct audit *audit, const struct rule *rule)
{
	each_device(audit, rule, check_coalescing_of);
}

/* Drops that go on count; those since the machine started are told of. */
static double dropping(const struct host *host, const char *name)
{
	const struct rate_net *rate = host_rate_of_net(&host->rates, name);

	return rate ? rate->rx_dropped + rate->tx_dropped : 0;
}

static void check_drops_of(struct audit *audit, const struct rule *rule, const struct host_net *net)
{
	const double rate = dropping(audit->host, net->name);
	struct tree *tree = audit->host->tree;

	if (net->rx_dropped == HOST_UNKNOWN || net->rx_errors == HOST_UNKNOWN)
		audit_unknown(audit, rule, net->name, 0, "its statistics cannot be read");
	else if (rate > 0)
		audit_found(audit, rule, FINDING_WARN, net->name, tree_format(tree, "%.1f a second", rate), "none",
			    "packets are being lost now");
	else if (net->rx_dropped > 0 || net->tx_dropped > 0 || net->rx_errors > 0 || net->tx_errors > 0)
		audit_found(audit, rule, FINDING_NOTE, net->name,
			    tree_format(tree, "dropped %lld in, %lld out; errors %lld in, %lld out",
					(long long)net->rx_dropped, (long long)net->tx_dropped,
					(long long)net->rx_errors, (long long)net->tx_errors),
			    "flat", "since it came up; packets of protocols that nobody speaks here count, too");
	else
		audit_pass(audit, rule, net->name, "none");
}

static void check_drops(struct audit *audit, const struct rule *rule)
{
	each_device(audit, rule, check_drops_of);
}

static void check_rings_of(struct audit *audit, const struct rule *rule, const struct host_net *net)
{
	struct tree *tree = audit->host->tree;
	const bool can_grow = net->rx_ring > 0 && net->rx_ring < net->rx_ring_max;
	const char *value;

	if (net->rx_ring == HOST_UNKNOWN || net->rx_ring_max <= 0)
		return;
	value = tree_format(tree, "rx %lld of %lld, tx %lld of %lld", (long long)net->rx_ring,
			    (long long)net->rx_ring_max, (long long)net->tx_ring, (long long)net->tx_ring_max);
	if (can_grow && dropping(audit->host, net->name) > 0)
		audit_found(audit, rule, FINDING_WARN, net->name, value,
			    tree_format(tree, "rx %lld", (long long)net->rx_ring_max),
			    "it drops packets while its ring could be longer");
	else if (can_grow)
		audit_found(audit, rule, FINDING_NOTE, net->name, value, NULL, NULL);
	else
		audit_pass(audit, rule, net->name, value);
}

static void check_rings(struct audit *audit, const struct rule *rule)
{
	each_device(audit, rule, check_rings_of);
}

static void check_channels_of(struct audit *audit, const struct rule *rule, const struct host_net *net)
{
	const int64_t cpus = audit->host->cpus.count;
	struct tree *tree = audit->host->tree;

	if (net->channels <= 0 || net->channels_max <= 0 || !cpus)
		return;
	rule_verdict(audit, rule, net->channels <= cpus && (net->channels > 1 || net->channels_max == 1 || cpus == 1),
		     net->name,
		     tree_format(tree, "%lld of %lld", (long long)net->channels, (long long)net->channels_max), "%s",
		     net->channels > cpus ? tree_format(tree, "there are only %lld CPUs to serve them", (long long)cpus)
					  : "one CPU handles all packets, although the device could divide them");
}

static void check_channels(struct audit *audit, const struct rule *rule)
{
	each_device(audit, rule, check_channels_of);
}

static void check_polling_of(struct audit *audit, const struct rule *rule, const struct host_net *net)
{
	struct tree *tree = audit->host->tree;
	const char *value;

	if (net->defer_hard_irqs == HOST_UNKNOWN && net->gro_flush_timeout == HOST_UNKNOWN)
		return;
	value = tree_format(tree, "napi_defer_hard_irqs %s, gro_flush_timeout %s ns, threaded %s",
			    usecs(tree, net->defer_hard_irqs), usecs(tree, net->gro_flush_timeout),
			    usecs(tree, net->threaded));
	if (net->defer_hard_irqs > 0 && net->gro_flush_timeout == 0)
		audit_found(audit, rule, FINDING_NOTE, net->name, value, NULL,
			    "without gro_flush_timeout nothing is deferred");
	else
		audit_found(audit, rule, FINDING_NOTE, net->name, value, NULL, NULL);
}

static void check_polling(struct audit *audit, const struct rule *rule)
{
	each_device(audit, rule, check_polling_of);
}

/* What leaves by a bridge has to fit into the smallest of its ports. */
static void check_sizes_of(struct audit *audit, const struct rule *rule, const struct host_net *bridge)
{
	const struct host_nets *nets = &audit->host->nets;
	const struct host_net *least = NULL, *most = NULL;

	for (unsigned i = 0; i < nets->count; i++) {
		const struct host_net *port = &nets->net[i];

		if (!port->master || strcmp(port->master, bridge->name) != 0 || port->mtu <= 0)
			continue;
		least = !least || port->mtu < least->mtu ? port : least;
		most = !most || port->mtu > most->mtu ? port : most;
	}
	if (!least)
		return;
	rule_verdict(audit, rule, least->mtu == most->mtu, bridge->name,
		     tree_format(audit->host->tree, "%lld (%s) to %lld (%s)", (long long)least->mtu, least->name,
				 (long long)most->mtu, most->name),
		     NULL);
}

static void check_sizes(struct audit *audit, const struct rule *rule)
{
	const struct host_nets *nets = &audit->host->nets;

	for (unsigned i = 0; i < nets->count; i++) {
		if (nets->net[i].kind == HOST_NET_BRIDGE)
			check_sizes_of(audit, rule, &nets->net[i]);
	}
}

static const struct rule rules[] = {
	{
		.id = "host.net.coalescing",
		.title = "coalescing of a NIC's interrupts",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_LATENCY | CONTEXT_REALTIME, COMPARE_EQUAL, "fixed, rx-usecs at most 10",
			   FINDING_WARN},
			  {CONTEXT_ALL, COMPARE_EQUAL, "adaptive", FINDING_NOTE}},
		.check = check_coalescing,
		.reads = "ethtool -c, by netlink",
		.why = "A device that waits for more packets before it interrupts adds that time to each; one that "
		       "does not wait takes a CPU when there are many. About 80 us save the most CPU time.",
		.costs = "Short times cost CPU time at high rates of packets.",
		.cure = "ethtool -C %s adaptive-rx on (for latency: adaptive-rx off adaptive-tx off rx-usecs 0)",
		.lasting = "A .link file of systemd.link(5): RxCoalesceSec=, UseAdaptiveRxCoalesce=.",
		.source = "Intel, Ethernet 800 Series Linux Performance Tuning Guide",
	},
	{
		.id = "host.net.drops",
		.title = "dropped packets",
		.contexts = CONTEXT_ALL,
		.check = check_drops,
		.reads = "/sys/class/net/*/statistics",
		.wants = "none; packets lost now are a WARN, earlier ones a NOTE",
		.why = "A lost packet is a retransmission: 200 ms for a guest that waits for it.",
		.costs = "Longer rings take memory and cache.",
		.cure = "ethtool -S %s tells which counter grows; ethtool -G, -L",
		.lasting = "An alert on the counters.",
		.source = "Intel, Ethernet 800 Series Linux Performance Tuning Guide",
	},
	{
		.id = "host.net.rings",
		.title = "rings of a NIC",
		.contexts = CONTEXT_ALL,
		.check = check_rings,
		.reads = "ethtool -g, by netlink; /sys/class/net/*/statistics",
		.wants = "as long as they can be; shorter is a NOTE, and a WARN while packets are dropped",
		.why = "A burst that does not fit into the ring is dropped.",
		.costs = "Longer rings fall out of the cache: more time a packet, and a longer queue.",
		.cure = "ethtool -G %s rx NUMBER",
		.lasting = "A .link file of systemd.link(5): RxBufferSize=.",
		.source = "Intel, Ethernet 800 Series Linux Performance Tuning Guide",
	},
	{
		.id = "host.net.channels",
		.title = "queues of a NIC",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_DENSITY, COMPARE_EQUAL, "2 to the number of CPUs", FINDING_NOTE},
			  {CONTEXT_ALL, COMPARE_EQUAL, "2 to the number of CPUs", FINDING_WARN}},
		.check = check_channels,
		.reads = "ethtool -l, by netlink",
		.why = "Each queue is served by one CPU: one queue is one CPU's worth of packets, more queues than "
		       "CPUs only take memory and vectors.",
		.costs = "More vectors and memory; more CPUs are interrupted.",
		.cure = "ethtool -L %s combined NUMBER",
		.lasting = "A .link file of systemd.link(5): CombinedChannels=.",
		.source = "Intel, Ethernet 800 Series Linux Performance Tuning Guide",
	},
	{
		.id = "host.net.polling",
		.title = "polling of a NIC instead of interrupts",
		.contexts = CONTEXT_GENERAL | TUNED,
		.check = check_polling,
		.reads = "/sys/class/net/*/{napi_defer_hard_irqs,gro_flush_timeout,threaded}",
		.wants = "Nothing: it is reported.",
		.why = "With a timeout the stack looks for packets by a timer and leaves interrupts off while it finds "
		       "some; threaded puts that into a thread that the scheduler can place.",
		.costs = "Timers fire also where little comes; a thread competes with vCPUs.",
		.cure = "echo 2 >/sys/class/net/%s/napi_defer_hard_irqs; echo 20000 >.../gro_flush_timeout",
		.lasting = "A udev rule that sets ATTR{napi_defer_hard_irqs} and ATTR{gro_flush_timeout}.",
		.source = "Linux, Documentation/networking/napi.rst",
	},
	{
		.id = "host.net.mtu",
		.title = "sizes of packets on a bridge",
		.contexts = CONTEXT_ALL,
		.cases = {{CONTEXT_ALL, COMPARE_EQUAL, "the same at all ports", FINDING_WARN}},
		.check = check_sizes,
		.reads = "/sys/class/net/*/{mtu,master}",
		.why = "A bridge cannot break packets into pieces: those that are too large for the port they leave by "
		       "are dropped without a word.",
		.costs = "Larger packets have to be possible all the way.",
		.cure = "ip link set PORT mtu NUMBER, for each port of %s; the guest's interface, too",
		.lasting = "libvirt: <mtu size=> of the network or the interface.",
		.source = "ip-link(8); libvirt, Network XML format",
	},
};

const struct rule_table rules_net = RULE_TABLE(rules);
