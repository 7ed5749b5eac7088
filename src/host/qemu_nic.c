/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "host/array.h"
#include "host/qemu.h"
#include "host/tree.h"

/* Devices that are network cards; "*" stands for -pci, -device and the like. */
static const struct {
	const char *driver, *model;
} models[] = {
	{"virtio-net", "virtio-net"}, {"e1000e", "e1000e"},   {"e1000", "e1000"},
	{"rtl8139", "rtl8139"},       {"ne2k", "ne2k"},       {"pcnet", "pcnet"},
	{"vmxnet3", "vmxnet3"},       {"i825", "eepro100"},   {"igb", "igb"},
	{"tulip", "tulip"},           {"usb-net", "usb-net"}, {"sungem", "sungem"},
};

const char *qemu_nic_model(const char *driver)
{
	for (unsigned i = 0; driver && i < sizeof(models) / sizeof(models[0]); i++) {
		if (strncmp(driver, models[i].driver, strlen(models[i].driver)) == 0)
			return models[i].model;
	}
	return NULL;
}

static struct guest_nic *add_nic(struct tree *tree, struct guest *guest)
{
	struct guest_nic *nic;

	guest->nic = array_grow(tree, guest->nic, guest->nic_count, sizeof(*guest->nic));
	nic = &guest->nic[guest->nic_count++];
	nic->vhost = 0;
	nic->queues = 1;
	return nic;
}

static unsigned count_words(const char *list)
{
	unsigned count = 1;

	for (; *list; list++)
		count += *list == ':';
	return count;
}

/* A descriptor of a tap device says of which one: "iff:\tvnet0" (drivers/net/tun.c). */
static const char *interface_of_fd(struct tree *tree, int pid, const char *fd)
{
	const char *text, *at;

	if (pid < 0 || !isdigit((unsigned char)*fd) || strlen(fd) > 9 ||
	    tree_readf(tree, &text, "/proc/%d/fdinfo/%s", pid, fd) < 0)
		return NULL;
	at = strstr(text, "iff:\t");
	if (!at)
		return NULL;
	at += strlen("iff:\t");
	return tree_format(tree, "%.*s", (int)strcspn(at, "\n"), at);
}

static const char *interface_of(struct tree *tree, const struct qemu_keys *keys, int pid)
{
	const char *name = qemu_key(keys, "ifname"), *fd = qemu_key(keys, "fd");

	if (name)
		return name;
	if (!fd)
		fd = qemu_key(keys, "fds");
	return fd ? interface_of_fd(tree, pid, tree_format(tree, "%.*s", (int)strcspn(fd, ":"), fd)) : NULL;
}

static void read_backend(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys,
			 const struct guest *guest, struct guest_nic *nic)
{
	const char *fds = qemu_key(keys, "fds");

	nic->backend = qemu_key(keys, "type");
	nic->queues = qemu_number(qemu_key(keys, "queues"), fds ? count_words(fds) : 1);
	if (!nic->backend)
		return;
	if (strcmp(nic->backend, "tap") == 0 || strcmp(nic->backend, "bridge") == 0) {
		nic->interface = interface_of(tree, keys, guest->pid);
		/* a descriptor for vhost alone turns it on, too */
		nic->vhost =
			qemu_answer(qemu_key(keys, "vhost"), qemu_key(keys, "vhostfd") || qemu_key(keys, "vhostfds") ||
								     qemu_key(keys, "vhostforce"));
	} else if (strcmp(nic->backend, "vhost-user") == 0) {
		nic->vhost = 1;
		nic->vhost_socket = qemu_chardev_path(tree, command, guest->pid, qemu_key(keys, "chardev"));
		nic->vhost_server = qemu_chardev_listens(command, qemu_key(keys, "chardev"));
	} else if (strcmp(nic->backend, "vhost-vdpa") == 0) {
		nic->vhost = 1;
		nic->vhost_socket = qemu_key(keys, "vhostdev");
	}
}

static void read_device(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys,
			struct guest *guest)
{
	const char *model = qemu_nic_model(qemu_key(keys, "driver"));
	const struct qemu_option *netdev = qemu_option_by_id(command, "netdev", qemu_key(keys, "netdev"));
	struct guest_nic *nic;

	if (!model)
		return;
	nic = add_nic(tree, guest);
	nic->id = qemu_key(keys, "id");
	nic->mac = qemu_key(keys, "mac");
	nic->model = model;
	if (netdev)
		read_backend(tree, command, &netdev->keys, guest, nic);
	if (!nic->id)
		nic->id = qemu_key(keys, "netdev");
}

/* QEMU's own choice where -nic and -net nic name none: virtio where the machine is no PC. */
static const char *default_model(const struct guest *guest)
{
	if (guest->machine && strncmp(guest->machine, "pc-q35", 6) != 0 && strncmp(guest->machine, "q35", 3) != 0 &&
	    strncmp(guest->machine, "pc", 2) != 0)
		return "virtio-net";
	return guest->machine && strstr(guest->machine, "q35") ? "e1000e" : "e1000";
}

/* -nic: card and back end in one */
static void read_nic(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys,
		     struct guest *guest)
{
	const char *type = qemu_key(keys, "type"), *model = qemu_key(keys, "model");
	struct guest_nic *nic;

	if (!type || strcmp(type, "none") == 0)
		return;
	nic = add_nic(tree, guest);
	nic->id = qemu_key(keys, "id");
	nic->mac = qemu_key(keys, "mac");
	nic->model = qemu_nic_model(model);
	if (!nic->model)
		nic->model = model ? model : default_model(guest);
	read_backend(tree, command, keys, guest, nic);
}

/* -net nic and -net tap meet in one hub; of the back ends there the first one counts. */
static void read_net(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys,
		     struct guest *guest)
{
	const char *type = qemu_key(keys, "type"), *model = qemu_key(keys, "model");
	struct guest_nic *nic;

	if (!type || strcmp(type, "nic") != 0)
		return;
	nic = add_nic(tree, guest);
	nic->id = qemu_key(keys, "id");
	nic->mac = qemu_key(keys, "macaddr");
	nic->model = qemu_nic_model(model);
	if (!nic->model)
		nic->model = model ? model : default_model(guest);
	for (unsigned i = 0; i < command->count && !nic->backend; i++) {
		const struct qemu_option *option = &command->option[i];

		type = strcmp(option->name, "net") == 0 ? qemu_key(&option->keys, "type") : NULL;
		if (type && strcmp(type, "nic") != 0 && strcmp(type, "none") != 0)
			read_backend(tree, command, &option->keys, guest, nic);
	}
}

void qemu_nics_read(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_option *option = &command->option[i];

		if (strcmp(option->name, "device") == 0)
			read_device(tree, command, &option->keys, guest);
		else if (strcmp(option->name, "nic") == 0)
			read_nic(tree, command, &option->keys, guest);
		else if (strcmp(option->name, "net") == 0)
			read_net(tree, command, &option->keys, guest);
	}
}

/* "01:00.0" is in domain 0; a path of sysfs ends with the address. */
static const char *pci_address(struct tree *tree, const struct qemu_keys *keys)
{
	const char *host = qemu_key(keys, "host"), *path = qemu_key(keys, "sysfsdev"), *slash;
	unsigned colons = 0;

	if (!host && path) {
		slash = strrchr(path, '/');
		return slash ? slash + 1 : path;
	}
	for (const char *at = host; at && *at; at++)
		colons += *at == ':';
	return host && colons == 1 ? tree_format(tree, "0000:%s", host) : host;
}

void qemu_hostdevs_read(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_keys *keys = &command->option[i].keys;
		const char *driver = strcmp(command->option[i].name, "device") == 0 ? qemu_key(keys, "driver") : NULL;
		struct guest_hostdev *hostdev;

		if (!driver || strncmp(driver, "vfio-pci", 8) != 0)
			continue;
		guest->hostdev = array_grow(tree, guest->hostdev, guest->hostdev_count, sizeof(*guest->hostdev));
		hostdev = &guest->hostdev[guest->hostdev_count++];
		hostdev->id = qemu_key(keys, "id");
		hostdev->address = pci_address(tree, keys);
	}
}
