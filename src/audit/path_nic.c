/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/path_build.h"

static bool is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

static const char *kind_of(const struct host_net *net)
{
	switch (net->kind) {
	case HOST_NET_PHYSICAL:
		return "NIC";
	case HOST_NET_VIRTUAL_FUNCTION:
		return "virtual function";
	case HOST_NET_TAP:
		return "tap";
	case HOST_NET_BRIDGE:
		return "bridge";
	case HOST_NET_BOND:
		return "bond";
	case HOST_NET_VLAN:
		return "VLAN";
	case HOST_NET_MACVTAP:
		return "macvtap";
	default:
		return "interface";
	}
}

static void add_facts(struct path_build *build, struct path_layer *layer, const struct host_net *net)
{
	path_fact(build, layer, "driver", net->driver);
	if (net->speed > 0)
		path_word(build, layer, "speed", tree_format(build->tree, "%lld Mb/s", (long long)net->speed));
	path_number(build, layer, "mtu", net->mtu);
	path_number(build, layer, "channels", net->channels);
	path_number(build, layer, "rx-ring", net->rx_ring);
	path_number(build, layer, "rx-usecs", net->rx_usecs);
	if (net->adaptive_rx >= 0)
		path_fact(build, layer, "adaptive-rx", net->adaptive_rx ? "on" : "off");
	if (is(net->state, "down"))
		path_note(build, layer, PATH_RISK, "is down");
	if (net->rx_dropped > 0 || net->tx_dropped > 0)
		path_note(build, layer, PATH_COST, "has dropped packets: %lld received, %lld to be sent",
			  net->rx_dropped > 0 ? (long long)net->rx_dropped : 0,
			  net->tx_dropped > 0 ? (long long)net->tx_dropped : 0);
}

/* Of a bridge, what leads out of the machine: guests' taps are the other ends. */
static bool leads_out(const struct host_net *net)
{
	return net->kind != HOST_NET_TAP && net->kind != HOST_NET_MACVTAP;
}

static void add_ports(struct path_build *build, struct path_layer *layer, const struct host_net *master)
{
	const struct host_nets *nets = &build->host->nets;
	unsigned out = 0;

	for (unsigned i = 0; i < nets->count; i++) {
		if (!is(nets->net[i].master, master->name) || !leads_out(&nets->net[i]))
			continue;
		out++;
		path_net(build, layer, &nets->net[i]);
	}
	if (!out && master->kind == HOST_NET_BRIDGE)
		path_fact(build, layer, "uplink", "none");
}

void path_net(struct path_build *build, struct path_layer *above, const struct host_net *net)
{
	const struct host_net *next = NULL;
	struct path_layer *layer;
	bool known;

	layer = path_layer(build, kind_of(net), net->name, &known);
	path_put_below(build, above, layer);
	if (known || build->depth >= PATH_DEPTH)
		return;
	build->depth++;
	add_facts(build, layer, net);
	if (net->kind == HOST_NET_BRIDGE || net->kind == HOST_NET_BOND)
		add_ports(build, layer, net);
	/* A tap goes on to the bridge that it is a port of; a port of a bond is what the bond stands on. */
	if (net->kind == HOST_NET_TAP && net->master)
		next = host_net_find(&build->host->nets, net->master);
	else if (net->lower)
		next = host_net_find(&build->host->nets, net->lower);
	if (next)
		path_net(build, layer, next);
	if (net->kind == HOST_NET_PHYSICAL || net->kind == HOST_NET_VIRTUAL_FUNCTION)
		path_pci(build, layer, net->pci, net->name, net->node);
	build->depth--;
}

static struct path_layer *add_device(struct path_build *build, const struct guest_nic *nic)
{
	const unsigned vcpus = build->guest->vcpu_count;
	struct path_layer *layer = path_own(build, NULL, "device", nic->id);

	path_word(build, layer, "model", nic->model);
	path_number(build, layer, "queues", nic->queues);
	path_fact(build, layer, "mac", nic->mac);
	if (nic->model && strncmp(nic->model, "virtio-net", strlen("virtio-net")) != 0)
		path_note(build, layer, PATH_COST, "emulated: exits for each packet, a tenth of virtio's rate");
	else if (nic->queues == 1 && vcpus > 1)
		path_note(build, layer, PATH_COST, "one queue for %u vCPUs", vcpus);
	return layer;
}

/* Kernel threads of vhost-net are called after the process they serve; newer kernels have them as its own threads. */
static void add_vhost(struct path_build *build, struct path_layer *layer)
{
	const struct guest *guest = build->guest;
	unsigned count = 0;

	for (unsigned i = 0; i < guest->other_count; i++) {
		const struct guest_thread *thread = &guest->other[i];

		if (!thread->name || strncmp(thread->name, "vhost-", 6) != 0)
			continue;
		if (!count++)
			path_cpus(build, layer, "cpus", &thread->allowed);
	}
	if (count)
		path_number(build, layer, "threads", count);
}

static struct path_layer *add_backend(struct path_build *build, struct path_layer *above, const struct guest_nic *nic)
{
	struct path_layer *layer;

	if (nic->vhost == 1 && is(nic->backend, "tap")) {
		layer = path_own(build, above, "vhost-net", NULL);
		add_vhost(build, layer);
		return layer;
	}
	layer = path_own(build, above, "back end", nic->backend ? nic->backend : "unknown");
	if (is(nic->backend, "tap") && nic->vhost == 0)
		path_note(build, layer, PATH_COST, "no vhost: each packet goes through QEMU's main loop");
	else if (is(nic->backend, "user"))
		path_note(build, layer, PATH_COST, "a TCP/IP stack in QEMU's main loop: good for trying things out");
	return layer;
}

struct path_layer *path_nic(struct path_build *build, const struct guest_nic *nic)
{
	struct path_layer *top = add_device(build, nic), *layer;
	const struct host_net *net = nic->interface ? host_net_find(&build->host->nets, nic->interface) : NULL;

	if (nic->vhost_socket) {
		layer = path_own(build, top, "vhost-user", nic->vhost_socket);
		path_fact(build, layer, "served-by", "another process");
		return top;
	}
	layer = add_backend(build, top, nic);
	if (net)
		path_net(build, layer, net);
	else if (nic->interface)
		path_fact(build, layer, "interface", nic->interface);
	return top;
}
