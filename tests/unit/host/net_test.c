/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static struct tree *tree;
static struct host_nets nets;

static int set_up(void **state)
{
	(void)state;
	tree = fixture_open("devices");
	if (!tree)
		return -1;
	host_nets_read(tree, &nets);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tree_close(tree);
	return 0;
}

static const struct host_net *find(const char *name)
{
	const struct host_net *net = host_net_find(&nets, name);

	assert_non_null(net);
	return net;
}

static const struct {
	const char *name;
	enum host_net_kind kind;
	const char *master, *lower;
} chain[] = {
	{"tap0", HOST_NET_TAP, "br0", NULL},
	{"br0", HOST_NET_BRIDGE, NULL, NULL},
	{"bond0.7", HOST_NET_VLAN, "br0", "bond0"},
	{"bond0", HOST_NET_BOND, NULL, NULL},
	{"ens1", HOST_NET_PHYSICAL, "bond0", NULL},
	{"ens1v1", HOST_NET_VIRTUAL_FUNCTION, NULL, NULL},
	{"macvtap0", HOST_NET_MACVTAP, NULL, "ens1"},
	{"tun0", HOST_NET_OTHER, NULL, NULL}, /* carries packets of layer 3 */
	{"lo", HOST_NET_OTHER, NULL, NULL},
};

static void chain_leads_to_the_device(void **state)
{
	(void)state;
	assert_int_equal(nets.count, sizeof(chain) / sizeof(chain[0]));
	for (size_t i = 0; i < sizeof(chain) / sizeof(chain[0]); i++) {
		const struct host_net *net = find(chain[i].name);

		assert_int_equal(net->kind, chain[i].kind);
		same(net->master, chain[i].master);
		same(net->lower, chain[i].lower);
	}
	/* A file in the same place. */
	assert_null(host_net_find(&nets, "bonding_masters"));
}

static void device_is_read(void **state)
{
	const struct host_net *net = find("ens1");

	(void)state;
	same(net->driver, "ice");
	same(net->pci, "0000:82:00.0");
	assert_int_equal(net->node, 1);
	assert_int_equal(net->speed, 100000);
	assert_int_equal(net->mtu, 9000);
	assert_int_equal(net->index, 2);
	same(net->state, "up");
	assert_int_equal(net->defer_hard_irqs, 0);
	assert_int_equal(net->rx_dropped, 10);
	assert_int_equal(find("tap0")->queues, 2);
	assert_int_equal(find("br0")->speed, HOST_UNKNOWN);
	assert_int_equal(find("br0")->node, HOST_UNKNOWN);
	assert_null(find("br0")->driver);
}

static void ethtool_is_read(void **state)
{
	const struct host_net *net = find("ens1");

	(void)state;
	assert_int_equal(net->adaptive_rx, 1);
	assert_int_equal(net->adaptive_tx, 0);
	assert_int_equal(net->rx_usecs, 50);
	assert_int_equal(net->tx_usecs, 60);
	assert_int_equal(net->rx_ring, 512);
	assert_int_equal(net->tx_ring_max, 2048);
	assert_int_equal(net->channels, 4);
	assert_int_equal(net->channels_max, 64);
}

static void what_is_of_a_wrong_type_is_unknown(void **state)
{
	const struct host_net *net = find("ens1v1");

	(void)state;
	assert_int_equal(net->adaptive_rx, HOST_UNKNOWN);
	assert_int_equal(net->rx_usecs, HOST_UNKNOWN);
	assert_int_equal(net->rx_ring, HOST_UNKNOWN);
	assert_int_equal(net->tx_ring, HOST_UNKNOWN);
	assert_int_equal(net->channels, 3);
	assert_int_equal(find("tap0")->rx_ring, HOST_UNKNOWN);
}

/* What the kernel of this machine answers by netlink, which knows the loopback's name on every one. */
static void kernel_is_asked(void **state)
{
	struct error err;
	struct tree *live = tree_open_live(&err);
	struct host_nets here;
	const char *text = NULL;

	(void)state;
	assert_non_null(live);
	host_nets_read(live, &here);
	if (!host_net_find(&here, "lo")) {
		tree_close(live);
		skip();
	}
	for (unsigned i = 0; i < here.count; i++) {
		/* Kept: nothing is asked again. */
		const ssize_t length = tree_ask(live, &text, NULL, NULL, "ethtool/%s.json", here.net[i].name);

		/* -EOPNOTSUPP: a kernel without ethtool's netlink. */
		assert_true(length == -EOPNOTSUPP || (length > 0 && text[0] == '{'));
	}
	tree_close(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chain_leads_to_the_device), cmocka_unit_test(device_is_read),
		cmocka_unit_test(ethtool_is_read),           cmocka_unit_test(what_is_of_a_wrong_type_is_unknown),
		cmocka_unit_test(kernel_is_asked),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
