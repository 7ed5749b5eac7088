/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net.h"

#include <linux/if_tun.h>
#include <string.h>

#include "host/ethtool.h"
#include "host/pci.h"
#include "host/tree.h"

static int64_t read_number(struct tree *tree, const struct host_net *net, const char *file)
{
	return tree_number(tree, HOST_UNKNOWN, "/sys/class/net/%s/%s", net->name, file);
}

static bool exists(struct tree *tree, const struct host_net *net, const char *file)
{
	return tree_exists(tree, "/sys/class/net/%s/%s", net->name, file);
}

static const char *read_link(struct tree *tree, const struct host_net *net, const char *file)
{
	const char *path = tree_resolve(tree, "/sys/class/net/%s/%s", net->name, file);

	return path && strrchr(path, '/') ? strrchr(path, '/') + 1 : NULL;
}

/* "vlan" of the line "DEVTYPE=vlan"; NULL where there is none. */
static const char *read_type(struct tree *tree, const struct host_net *net)
{
	static const char key[] = "DEVTYPE=";
	const char *text, *at;

	if (tree_readf(tree, &text, "/sys/class/net/%s/uevent", net->name) < 0)
		return NULL;
	at = strncmp(text, key, strlen(key)) == 0 ? text : strstr(text, "\nDEVTYPE=");
	if (!at)
		return NULL;
	at += *at == '\n';
	return tree_format(tree, "%.*s", (int)strcspn(at + strlen(key), "\n"), at + strlen(key));
}

static enum host_net_kind read_kind(struct tree *tree, const struct host_net *net)
{
	static const struct {
		const char *type;
		enum host_net_kind kind;
	} known[] = {
		{"bridge", HOST_NET_BRIDGE},
		{"bond", HOST_NET_BOND},
		{"vlan", HOST_NET_VLAN},
		{"macvtap", HOST_NET_MACVTAP},
	};
	const char *type = read_type(tree, net);

	for (size_t i = 0; type && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(type, known[i].type) == 0)
			return known[i].kind;
	}
	if (tree_number(tree, 0, "/sys/class/net/%s/tun_flags", net->name) & IFF_TAP)
		return HOST_NET_TAP;
	if (exists(tree, net, "bridge"))
		return HOST_NET_BRIDGE;
	if (exists(tree, net, "bonding"))
		return HOST_NET_BOND;
	if (exists(tree, net, "device/physfn"))
		return HOST_NET_VIRTUAL_FUNCTION;
	return exists(tree, net, "device") ? HOST_NET_PHYSICAL : HOST_NET_OTHER;
}

/* Of the entries "lower_NAME", where there is one alone. Those of a bridge or bond name it as their master. */
static const char *read_lower(struct tree *tree, const struct host_net *net)
{
	static const char word[] = "lower_";
	const char *const *names, *lower = NULL;
	ssize_t count = tree_listf(tree, &names, "/sys/class/net/%s", net->name);
	unsigned found = 0;

	for (ssize_t i = 0; i < count; i++) {
		if (strncmp(names[i], word, strlen(word)) == 0) {
			lower = names[i] + strlen(word);
			found++;
		}
	}
	return found == 1 ? lower : NULL;
}

/* "rx-0", "rx-1", ... */
static int64_t read_queues(struct tree *tree, const struct host_net *net)
{
	const char *const *names;
	ssize_t count = tree_listf(tree, &names, "/sys/class/net/%s/queues", net->name);
	int64_t queues = 0;

	for (ssize_t i = 0; i < count; i++)
		queues += strncmp(names[i], "rx-", strlen("rx-")) == 0;
	return count < 0 ? HOST_UNKNOWN : queues;
}

static void read_place(struct tree *tree, struct host_net *net)
{
	const char *path = tree_resolve(tree, "/sys/class/net/%s", net->name);

	net->pci = path ? host_pci_of_path(tree, path) : NULL;
	net->driver = read_link(tree, net, "device/driver");
	net->node = net->pci ? (int)tree_number(tree, HOST_UNKNOWN, "/sys/bus/pci/devices/%s/numa_node", net->pci)
			     : HOST_UNKNOWN;
	net->master = read_link(tree, net, "master");
	if (net->kind != HOST_NET_BRIDGE && net->kind != HOST_NET_BOND)
		net->lower = read_lower(tree, net);
}

static void read_net(struct tree *tree, struct host_net *net, const char *name)
{
	int64_t index;

	net->name = name;
	index = read_number(tree, net, "ifindex");
	net->index = index > 0 ? (unsigned)index : 0;
	net->kind = read_kind(tree, net);
	read_place(tree, net);
	net->state = tree_line(tree, "/sys/class/net/%s/operstate", name);
	net->speed = read_number(tree, net, "speed");
	if (net->speed <= 0)
		net->speed = HOST_UNKNOWN;
	net->mtu = read_number(tree, net, "mtu");
	net->defer_hard_irqs = read_number(tree, net, "napi_defer_hard_irqs");
	net->gro_flush_timeout = read_number(tree, net, "gro_flush_timeout");
	net->threaded = read_number(tree, net, "threaded");
	net->rx_dropped = read_number(tree, net, "statistics/rx_dropped");
	net->tx_dropped = read_number(tree, net, "statistics/tx_dropped");
	net->rx_errors = read_number(tree, net, "statistics/rx_errors");
	net->tx_errors = read_number(tree, net, "statistics/tx_errors");
	net->queues = read_queues(tree, net);
	host_ethtool_read(tree, net);
}

void host_nets_read(struct tree *tree, struct host_nets *nets)
{
	const char *const *names;
	ssize_t count = tree_list(tree, "/sys/class/net", &names);

	*nets = (struct host_nets){0};
	if (count <= 0)
		return;
	nets->net = tree_alloc(tree, (size_t)count * sizeof(*nets->net));
	for (ssize_t i = 0; i < count; i++) {
		/* "bonding_masters" is a file among them. */
		if (tree_exists(tree, "/sys/class/net/%s/ifindex", names[i]))
			read_net(tree, &nets->net[nets->count++], names[i]);
	}
}

const struct host_net *host_net_find(const struct host_nets *nets, const char *name)
{
	for (unsigned i = 0; name && i < nets->count; i++) {
		if (strcmp(nets->net[i].name, name) == 0)
			return &nets->net[i];
	}
	return NULL;
}
