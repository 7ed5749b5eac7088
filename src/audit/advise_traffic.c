/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "audit/advise_parts.h"
#include "audit/clean.h"
#include "audit/rules_guest.h"

/* A way of a NIC's packets, and what was measured with it: on 10 GbE, in one published table. In the order of merit. */
struct way {
	const char *name;
	double bits; /* a second */
	unsigned us;
};

static const struct way ways[] = {
	[ADVICE_WAY_EMULATED] = {"an emulated NIC", 1.0e9, 500},   [ADVICE_WAY_QEMU] = {"virtio in QEMU", 6.0e9, 80},
	[ADVICE_WAY_VHOST_NET] = {"vhost-net", 8.5e9, 45},         [ADVICE_WAY_VHOST_USER] = {"vhost-user", 9.5e9, 25},
	[ADVICE_WAY_FUNCTION] = {"a virtual function", 9.7e9, 18},
};

#define MEASURED_SPEED 10000 /* Mb/s */

/* A way is near its end from this share of what it can carry on. */
#define NEAR_END 0.8

static enum advice_way way_of(const struct advising *advising)
{
	const struct guest_nic *nic = advising->nic;

	if (advising->hostdev)
		return ADVICE_WAY_FUNCTION;
	if (nic->vhost_socket)
		return ADVICE_WAY_VHOST_USER;
	if (!nic->model)
		return ADVICE_WAY_UNKNOWN;
	if (strncmp(nic->model, "virtio", 6) != 0)
		return ADVICE_WAY_EMULATED;
	if (nic->vhost == HOST_UNKNOWN || !rule_word_is(nic->backend, "tap|bridge"))
		return ADVICE_WAY_UNKNOWN;
	return nic->vhost ? ADVICE_WAY_VHOST_NET : ADVICE_WAY_QEMU;
}

/* Of a virtual function, whose number is in the name of its representor's port: "pf0vf3", "c1pf0vf3". */
static bool is_representor(struct tree *tree, const struct host_net *net, const char *physical, unsigned number)
{
	const char *port = tree_line(tree, "/sys/class/net/%s/phys_port_name", net->name), *at;

	at = port && net->pci && !strcmp(net->pci, physical) ? strstr(port, "vf") : NULL;
	return at && !strcmp(at, tree_format(tree, "vf%u", number));
}

/*
 * The port of the NIC's switch that a virtual function is behind, where the NIC is in switchdev mode: what the function
 * sends, it receives.
 */
static const struct host_net *find_representor(struct host *host, const char *address)
{
	const struct host_pci_device *device = host_pci_find(&host->pci, address);
	const char *path, *name;
	unsigned number = 0;

	if (!device || !device->physical)
		return NULL;
	while ((path = tree_resolve(host->tree, "/sys/bus/pci/devices/%s/virtfn%u", device->physical, number))) {
		name = strrchr(path, '/');
		if (name && !strcmp(name + 1, address))
			break;
		number++;
	}
	for (unsigned i = 0; path && i < host->nets.count; i++) {
		if (is_representor(host->tree, &host->nets.net[i], device->physical, number))
			return &host->nets.net[i];
	}
	return NULL;
}

void advise_read_traffic(struct host *host, const struct guest *guest)
{
	for (unsigned i = 0; i < guest->hostdev_count; i++) {
		if (guest->hostdev[i].address)
			find_representor(host, guest->hostdev[i].address);
	}
}

/* The end of the NIC that the host has; NULL: none, and *why says so. */
static const struct host_net *find_end(const struct advising *advising, const char **why)
{
	const struct guest_nic *nic = advising->nic;
	const struct host_net *net = NULL;
	struct tree *tree = advising->tree;

	if (advising->guest->pid == HOST_UNKNOWN) {
		*why = "the guest does not run";
	} else if (advising->hostdev) {
		net = find_representor(advising->host, advising->hostdev->address);
		*why = "its packets pass by the host's kernel, and no port of a switch stands for it: look in the "
		       "guest (ip -s link)";
	} else if (nic->vhost_socket) {
		*why = tree_format(tree,
				   "its packets pass by the host's kernel: ask the switch that serves %s for its "
				   "counters",
				   audit_clean(tree, nic->vhost_socket));
	} else if (!nic->interface) {
		*why = tree_format(tree, "no interface of the host is known to be its other end (back end %s)",
				   nic->backend ? audit_clean(tree, nic->backend) : "unknown");
	} else {
		net = host_net_find(&advising->host->nets, nic->interface);
		*why = tree_format(tree, "%s is no interface of this host, or of another network namespace",
				   audit_clean(tree, nic->interface));
	}
	return net;
}

/* The kernel counts at the host's end. What is received there, the guest has sent; but a macvtap stands for the guest.
 */
static void add(struct advice_traffic *traffic, const struct host_net *net, const struct rate_net *rate, double seconds)
{
	const bool is_guests = net->kind == HOST_NET_MACVTAP;

	traffic->seconds += seconds;
	traffic->to_packets += seconds * (is_guests ? rate->rx_packets : rate->tx_packets);
	traffic->to_bytes += seconds * (is_guests ? rate->rx_bytes : rate->tx_bytes);
	traffic->from_packets += seconds * (is_guests ? rate->tx_packets : rate->rx_packets);
	traffic->from_bytes += seconds * (is_guests ? rate->tx_bytes : rate->rx_bytes);
	traffic->dropped += seconds * (rate->rx_dropped + rate->tx_dropped);
}

/* Live for as long as was asked for, of a capture to its end. */
static const char *measure(struct advising *advising, const struct host_net *net, struct advice_traffic *traffic)
{
	struct host *host = advising->host;
	struct error err;
	bool any = false;
	int ret;

	do {
		const struct rate_net *rate;

		ret = host_measure(host, advising->options->seconds * 1000000000ull, &err);
		rate = ret == 0 ? host_rate_of_net(&host->rates, net->name) : NULL;
		any |= ret == 0;
		/* Of counters that went back nothing is known. */
		if (rate && isfinite(rate->rx_packets + rate->rx_bytes + rate->tx_packets + rate->tx_bytes +
				     rate->rx_dropped + rate->tx_dropped))
			add(traffic, net, rate, host->rates.seconds);
	} while (ret == 0 && !tree_is_live(host->tree));
	if (traffic->seconds > 0)
		return NULL;
	return any ? tree_format(host->tree, "%s was not there all the time", audit_clean(host->tree, net->name))
		   : tree_format(host->tree, "%s", err.text);
}

static double mean(double bytes, double packets)
{
	return packets > 0 ? bytes / packets : 0;
}

static const char *rate_text(struct tree *tree, double bits)
{
	static const char *const units[] = {"b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"};
	size_t unit = 0;

	/* What would be rounded to 1000 is one of the next. */
	for (; bits >= 999.5 && unit + 1 < sizeof(units) / sizeof(*units); bits /= 1000)
		unit++;
	return tree_format(tree, bits < 99.5 ? "%.3g %s" : "%.0f %s", bits, units[unit]);
}

static const char *describe(struct tree *tree, const struct advice_traffic *traffic)
{
	const double seconds = traffic->seconds;

	return tree_format(
		tree,
		"%s carried in %.1f s: to the guest %.0f packets/s of %.0f bytes on average, %s; from it %.0f of %.0f "
		"bytes, %s; dropped %.0f/s",
		audit_clean(tree, traffic->interface), seconds, traffic->to_packets / seconds,
		mean(traffic->to_bytes, traffic->to_packets), rate_text(tree, traffic->to_bytes * 8 / seconds),
		traffic->from_packets / seconds, mean(traffic->from_bytes, traffic->from_packets),
		rate_text(tree, traffic->from_bytes * 8 / seconds), traffic->dropped / seconds);
}

/*
 * Why the table is no measure of this NIC: it was made on a slower device, and by what speaks of no queues. NULL: it
 * may be one.
 */
static const char *find_difference(const struct advising *advising, const struct host_net *net, double share)
{
	const struct host_net *uplink = net ? rule_uplink_of(&advising->host->nets, net) : NULL;
	struct tree *tree = advising->tree;

	if (advising->nic && advising->nic->queues > 1)
		return tree_format(tree, "it has %lld queues", (long long)advising->nic->queues);
	if (uplink && uplink->speed > MEASURED_SPEED)
		return tree_format(tree, "%s below it has %s", audit_clean(tree, uplink->name),
				   rate_text(tree, (double)uplink->speed * 1e6));
	return share > 1 ? "it can carry more than that" : NULL;
}

/* The way that it has against the next better one, and how much of it is used. net: its end on the host, or NULL. */
static void compare(struct advising *advising, const struct host_net *net)
{
	struct advice *advice = advising->advice;
	const struct advice_traffic *traffic = advice->traffic;
	const struct way *way = &ways[advice->way], *better = way + 1;
	struct tree *tree = advising->tree;
	const double bits = traffic ? fmax(traffic->to_bytes, traffic->from_bytes) * 8 / traffic->seconds : 0;
	const char *difference = find_difference(advising, net, bits / way->bits);
	const char *used = "", *next = "";

	if (difference) {
		used = tree_format(tree, ", which is no measure of this one: %s", difference);
	} else if (traffic) {
		advice->near_end = bits >= NEAR_END * way->bits;
		used = tree_format(tree, ", of which %.1f%% were used: %s", 100 * bits / way->bits,
				   advice->near_end ? "it is near its end" : "that is no limit");
	}
	if (advice->way < ADVICE_WAY_FUNCTION)
		next = tree_format(tree, "; %s has %.1f Gb/s and %u us", better->name, better->bits / 1e9, better->us);
	advice->capacity = tree_format(tree, "%s has %.1f Gb/s and %u us where it was measured on 10 GbE%s%s",
				       way->name, way->bits / 1e9, way->us, used, next);
}

void advise_traffic(struct advising *advising)
{
	struct advice *advice = advising->advice;
	struct tree *tree = advising->tree;
	const char *why;
	const struct host_net *net = find_end(advising, &why);
	struct advice_traffic *traffic = tree_alloc(tree, sizeof(*traffic));

	if (net) {
		traffic->interface = net->name;
		why = measure(advising, net, traffic);
	}
	if (why)
		advice->measured = tree_format(tree, "nothing: %s", why);
	else
		advice->measured = describe(tree, traffic);
	advice->traffic = why ? NULL : traffic;
	advice->way = way_of(advising);
	if (advice->way != ADVICE_WAY_UNKNOWN)
		compare(advising, net);
}
