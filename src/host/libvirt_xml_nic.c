/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/array.h"
#include "host/libvirt_xml.h"

const char *libvirt_xml_pci_address(struct tree *tree, const xmlNode *address)
{
	const int64_t domain = xml_number(address, NULL, "domain"), bus = xml_number(address, NULL, "bus"),
		      slot = xml_number(address, NULL, "slot"), function = xml_number(address, NULL, "function");

	if (bus < 0 || bus > 0xff || slot < 0 || slot > 0x1f || function > 7 || domain > 0xffffff)
		return NULL;
	return tree_format(tree, "%04x:%02x:%02x.%x", domain < 0 ? 0 : (unsigned)domain, (unsigned)bus, (unsigned)slot,
			   function < 0 ? 0 : (unsigned)function);
}

/* What QEMU is told for a type of <interface>. */
static const char *backend_of(const char *type)
{
	static const struct {
		const char *type, *backend;
	} backends[] = {
		{"network", "tap"}, {"bridge", "tap"},           {"ethernet", "tap"},    {"direct", "tap"},
		{"user", "user"},   {"vhostuser", "vhost-user"}, {"vdpa", "vhost-vdpa"}, {"mcast", "socket"},
		{"udp", "socket"},  {"server", "socket"},        {"client", "socket"},
	};

	for (unsigned i = 0; type && i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (strcmp(type, backends[i].type) == 0)
			return backends[i].backend;
	}
	return type;
}

static const char *model_of(const char *model)
{
	return is(model, "virtio") || is(model, "virtio-transitional") || is(model, "virtio-non-transitional")
		       ? "virtio-net"
		       : model;
}

static void take_nic(struct tree *tree, const xmlNode *node, struct guest_nic *nic)
{
	const char *driver = xml_get(tree, node, "driver", "name");

	*nic = (struct guest_nic){
		.id = xml_get(tree, node, "alias", "name"),
		.mac = xml_get(tree, node, "mac", "address"),
		.model = model_of(xml_get(tree, node, "model", "type")),
		.backend = backend_of(xml_get(tree, node, NULL, "type")),
		.interface = xml_get(tree, node, "target", "dev"),
		.vhost = HOST_UNKNOWN,
		.queues = xml_number(node, "driver", "queues"),
	};
	if (is(nic->backend, "vhost-user")) {
		nic->vhost_socket = xml_get(tree, node, "source", "path");
		nic->vhost_server = xml_has(node, "source", "mode", "server");
		/* Of it libvirt names the interface that Open vSwitch has, which is no device of the host. */
		nic->interface = NULL;
	}
	/* Without a word libvirt takes vhost where it can have it, which only the process shows. */
	if (!is(nic->backend, "tap") || !is(nic->model, "virtio-net") || is(driver, "qemu"))
		nic->vhost = 0;
	else if (is(driver, "vhost"))
		nic->vhost = 1;
	if (nic->queues < 0)
		nic->queues = 1;
}

/* <interface type='hostdev'> is a passed-through function with a MAC address. */
static bool is_hostdev(const xmlNode *interface)
{
	return xml_has(interface, NULL, "type", "hostdev");
}

void libvirt_xml_nics(struct tree *tree, const xmlNode *devices, struct guest *guest)
{
	const unsigned count = xml_count(devices, "interface");

	if (count > LIBVIRT_XML_MOST)
		return;
	for (const xmlNode *node = xml_child(devices, "interface"); node; node = xml_next(node)) {
		if (is_hostdev(node))
			continue;
		guest->nic = array_grow(tree, guest->nic, guest->nic_count, sizeof(*guest->nic));
		take_nic(tree, node, &guest->nic[guest->nic_count++]);
	}
}

static void take_hostdev(struct tree *tree, const xmlNode *node, struct guest *guest)
{
	const char *address = libvirt_xml_pci_address(tree, xml_child(xml_child(node, "source"), "address"));

	if (address)
		guest->hostdev[guest->hostdev_count++] = (struct guest_hostdev){
			.id = xml_get(tree, node, "alias", "name"),
			.address = address,
		};
}

void libvirt_xml_hostdevs(struct tree *tree, const xmlNode *devices, struct guest *guest)
{
	const unsigned count = xml_count(devices, "hostdev") + xml_count(devices, "interface");

	if (count > LIBVIRT_XML_MOST)
		return;
	guest->hostdev = tree_alloc(tree, count * sizeof(*guest->hostdev));
	for (const xmlNode *node = xml_child(devices, "hostdev"); node; node = xml_next(node)) {
		if (xml_has(node, NULL, "type", "pci"))
			take_hostdev(tree, node, guest);
	}
	for (const xmlNode *node = xml_child(devices, "interface"); node; node = xml_next(node)) {
		if (is_hostdev(node))
			take_hostdev(tree, node, guest);
	}
}
