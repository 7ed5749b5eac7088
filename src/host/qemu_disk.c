/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "host/array.h"
#include "host/qemu.h"
#include "host/tree.h"

/* Devices that are disks. A bus that ends with "?" depends on the controller. */
static const struct {
	const char *driver, *model, *bus;
	bool cdrom;
} models[] = {
	{"virtio-blk", "virtio-blk", "virtio", false},
	{"vhost-user-blk", "vhost-user-blk", "virtio", false},
	{"scsi-hd", "scsi-hd", "scsi?", false},
	{"scsi-cd", "scsi-cd", "scsi?", true},
	{"scsi-disk", "scsi-hd", "scsi?", false},
	{"scsi-block", "scsi-block", "scsi?", false},
	{"scsi-generic", "scsi-generic", "scsi?", false},
	{"ide-hd", "ide-hd", "ide?", false},
	{"ide-cd", "ide-cd", "ide?", true},
	{"ide-drive", "ide-hd", "ide?", false},
	{"nvme", "nvme", "nvme", false},
	{"nvme-ns", "nvme", "nvme", false},
	{"usb-storage", "usb-storage", "usb", false},
	{"usb-bot", "usb-storage", "usb", false},
	{"sd-card", "sd-card", "sd", false},
	{"floppy", "floppy", "floppy", false},
	{"virtio-pmem", NULL, NULL, false},
};

/* "virtio-blk-pci-non-transitional" is a virtio-blk on one of its transports. */
static bool is_driver(const char *driver, const char *name)
{
	static const char *const transports[] = {
		"", "-pci", "-ccw", "-device", "-pci-transitional", "-pci-non-transitional"};
	const size_t length = strlen(name);

	for (unsigned i = 0; strncmp(driver, name, length) == 0 && i < 6; i++) {
		if (strcmp(driver + length, transports[i]) == 0)
			return true;
	}
	return false;
}

static const struct qemu_keys *device_by_id(const struct qemu_command *command, const char *id)
{
	const struct qemu_option *option = qemu_option_by_id(command, "device", id);

	return option ? &option->keys : NULL;
}

static bool is_scsi_controller(const char *driver)
{
	static const char *const names[] = {"virtio-scsi", "lsi", "megasas", "mptsas",     "pvscsi",
					    "am53c974",    "esp", "dc390",   "spapr-vscsi"};

	for (unsigned i = 0; driver && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(driver, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

/* By the bus that a device names, "scsi0.0", or the first one that fits. */
static const struct qemu_keys *controller_of(struct tree *tree, const struct qemu_command *command,
					     const struct qemu_keys *device)
{
	const char *bus = qemu_key(device, "bus");

	if (bus)
		return device_by_id(command, tree_format(tree, "%.*s", (int)strcspn(bus, "."), bus));
	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_option *option = &command->option[i];

		if (strcmp(option->name, "device") == 0 && is_scsi_controller(qemu_key(&option->keys, "driver")))
			return &option->keys;
	}
	return NULL;
}

static void read_iothreads(struct tree *tree, const struct qemu_keys *keys, struct guest_disk *disk)
{
	const char **names = NULL;

	disk->iothread = qemu_key(keys, "iothread");
	for (unsigned i = 0; i < keys->count; i++) {
		const struct qemu_key *key = &keys->key[i];
		const char *dot = strrchr(key->name, '.');

		if (strncmp(key->name, "iothread-vq-mapping.", 20) != 0 || strcmp(dot, ".iothread") != 0)
			continue;
		names = array_grow(tree, names, disk->iothread_count, sizeof(*names));
		names[disk->iothread_count++] = key->value;
	}
	disk->iothreads = names;
}

static void read_queues(struct tree *tree, const struct qemu_keys *keys, struct guest_disk *disk)
{
	disk->queues = qemu_number(qemu_key(keys, "num-queues"), HOST_UNKNOWN);
	disk->queue_size = qemu_number(qemu_key(keys, "queue-size"), HOST_UNKNOWN);
	read_iothreads(tree, keys, disk);
}

static void read_scsi(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys,
		      struct guest_disk *disk)
{
	const struct qemu_keys *controller = controller_of(tree, command, keys);
	const char *driver = controller ? qemu_key(controller, "driver") : NULL;

	disk->bus = driver && strncmp(driver, "virtio-scsi", 11) == 0 ? "scsi" : "scsi-other";
	disk->queues = disk->queue_size = HOST_UNKNOWN;
	if (!controller)
		return;
	disk->controller = qemu_key(controller, "id");
	disk->queues = qemu_number(qemu_key(controller, "num_queues"), HOST_UNKNOWN);
	disk->queue_size = qemu_number(qemu_key(controller, "virtqueue_size"), HOST_UNKNOWN);
	read_iothreads(tree, controller, disk);
}

/* q35 has an AHCI of its own, whose buses are called ide.0 to ide.5, too. */
static const char *ide_bus(struct tree *tree, const struct qemu_command *command, const struct guest *guest,
			   const struct qemu_keys *keys)
{
	const struct qemu_keys *controller = keys && qemu_key(keys, "bus") ? controller_of(tree, command, keys) : NULL;
	const char *driver = controller ? qemu_key(controller, "driver") : NULL;

	if (driver)
		return strstr(driver, "ahci") ? "sata" : "ide";
	return guest->machine && strstr(guest->machine, "q35") ? "sata" : "ide";
}

static struct guest_disk *add_disk(struct tree *tree, struct guest *guest)
{
	struct guest_disk *disk;

	guest->disk = array_grow(tree, guest->disk, guest->disk_count, sizeof(*guest->disk));
	disk = &guest->disk[guest->disk_count++];
	disk->queues = disk->queue_size = HOST_UNKNOWN;
	return disk;
}

static void read_medium(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys,
			const struct guest *guest, struct guest_disk *disk)
{
	const char *name = qemu_key(keys, "drive");
	const struct qemu_option *drive = qemu_option_by_id(command, "drive", name);
	const struct qemu_option *blockdev = qemu_option_by_id(command, "blockdev", name);

	if (drive)
		qemu_drive_read(tree, command, &drive->keys, guest->pid, disk);
	else if (blockdev)
		qemu_node_read(tree, command, blockdev, guest->pid, keys, disk);
}

/* The number in models, of the last entry where it is none. */
static unsigned model_of(const char *driver)
{
	unsigned i = 0;

	while (models[i].model && (!driver || !is_driver(driver, models[i].driver)))
		i++;
	return i;
}

bool qemu_disk_model(const char *driver, struct guest_disk *disk)
{
	const unsigned i = model_of(driver);

	disk->model = models[i].model;
	disk->bus = disk->model ? strchr(models[i].bus, '?') ? NULL : models[i].bus : NULL;
	disk->cdrom = models[i].cdrom;
	return disk->model != NULL;
}

static void read_device(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys,
			struct guest *guest)
{
	const char *driver = qemu_key(keys, "driver"), *bus = NULL, *chardev = qemu_key(keys, "chardev");
	struct guest_disk *disk;
	const unsigned i = model_of(driver);

	/* a controller of NVMe without a drive has its namespaces as devices of their own */
	if (!models[i].model || (strcmp(driver, "nvme") == 0 && !qemu_key(keys, "drive")))
		return;
	disk = add_disk(tree, guest);
	disk->id = qemu_key(keys, "id") ? qemu_key(keys, "id") : qemu_key(keys, "drive");
	disk->model = models[i].model;
	bus = models[i].bus;
	if (strcmp(bus, "scsi?") == 0)
		read_scsi(tree, command, keys, disk);
	else if (strcmp(bus, "ide?") == 0)
		disk->bus = ide_bus(tree, command, guest, keys);
	else
		disk->bus = bus;
	if (strcmp(bus, "virtio") == 0)
		read_queues(tree, keys, disk);
	read_medium(tree, command, keys, guest, disk);
	if (strcmp(disk->model, "vhost-user-blk") == 0)
		disk->vhost_socket = qemu_chardev_path(tree, command, guest->pid, chardev);
	disk->cdrom |= models[i].cdrom;
	disk->read_only |= disk->cdrom;
}

/* "virtio0", "ide0-hd1": the names that QEMU gives to drives without one (blockdev.c). */
static const char *name_of_drive(struct tree *tree, const char *interface, bool cdrom, unsigned number, bool pairs)
{
	if (strcmp(interface, "ide") == 0 || strcmp(interface, "scsi") == 0)
		return pairs ? tree_format(tree, "%s%u-%s%u", interface, number / 2, cdrom ? "cd" : "hd", number % 2)
			     : tree_format(tree, "%s%u-%s0", interface, number, cdrom ? "cd" : "hd");
	return tree_format(tree, "%s%u", interface, number);
}

/* A -drive that makes its device itself, and -hda, -cdrom and the like, which are short for that. */
static void read_drive(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys,
		       const char *interface, unsigned number, struct guest *guest)
{
	struct guest_disk *disk = add_disk(tree, guest);
	const bool virtio = strcmp(interface, "virtio") == 0, ide = strcmp(interface, "ide") == 0;
	const bool sata = ide && strcmp(ide_bus(tree, command, guest, NULL), "sata") == 0;

	qemu_drive_read(tree, command, keys, guest->pid, disk);
	disk->id = qemu_key(keys, "id");
	if (!disk->id)
		disk->id = name_of_drive(tree, interface, disk->cdrom == 1, number, !sata);
	disk->model = virtio ? "virtio-blk" : interface;
	disk->bus = virtio ? "virtio" : sata ? "sata" : interface;
	if (ide)
		disk->model = disk->cdrom ? "ide-cd" : "ide-hd";
	if (strcmp(interface, "scsi") == 0) {
		disk->model = disk->cdrom ? "scsi-cd" : "scsi-hd";
		disk->bus = "scsi-other";
	}
}

static bool makes_device(const char *interface)
{
	static const char *const names[] = {"ide", "scsi", "virtio", "sd", "floppy", "xen"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(interface, names[i]) == 0)
			return true;
	}
	return false;
}

/* The interface of a drive that names none: of PCs, and of boards that have nothing but virtio. */
static const char *default_interface(const struct guest *guest)
{
	const char *machine = guest->machine;

	if (!machine || strncmp(machine, "pc", 2) == 0 || strncmp(machine, "q35", 3) == 0)
		return "ide";
	return strncmp(machine, "virt", 4) == 0 || strncmp(machine, "microvm", 7) == 0 ? "virtio" : "scsi";
}

/* -hda to -hdd, -cdrom, -fda, -fdb, -sd: the keys of the drive that each is; false where it is none. */
static bool expand_short(struct tree *tree, const struct qemu_option *option, const struct guest *guest,
			 struct qemu_keys *keys)
{
	const char *name = option->name, *interface = default_interface(guest), *media = "disk";
	int index = 0;

	if (strlen(name) == 3 && strncmp(name, "hd", 2) == 0 && name[2] >= 'a' && name[2] <= 'd') {
		index = name[2] - 'a';
	} else if (strcmp(name, "cdrom") == 0) {
		index = 2;
		media = "cdrom";
	} else if (strcmp(name, "fda") == 0 || strcmp(name, "fdb") == 0) {
		index = name[2] - 'a';
		interface = "floppy";
	} else if (strcmp(name, "sd") == 0) {
		interface = "sd";
	} else {
		return false;
	}
	*keys = qemu_keys_read(tree, tree_format(tree, "if=%s,index=%d,media=%s", interface, index, media), NULL);
	/* a name with commas is one all the same */
	keys->key = array_grow(tree, keys->key, keys->count, sizeof(*keys->key));
	keys->key[keys->count++] = (struct qemu_key){"file", option->text};
	return true;
}

/* A drive that some device names is that device's, whatever its interface. */
static bool is_taken(const struct qemu_command *command, const struct qemu_keys *keys)
{
	const char *id = qemu_key(keys, "id"), *drive;

	for (unsigned i = 0; id && i < command->count; i++) {
		drive = strcmp(command->option[i].name, "device") == 0 ? qemu_key(&command->option[i].keys, "drive")
								       : NULL;
		if (drive && strcmp(drive, id) == 0)
			return true;
	}
	return false;
}

void qemu_disks_read(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	unsigned virtio = 0, other = 0;

	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_option *option = &command->option[i];
		struct qemu_keys keys = option->keys;
		const char *interface;
		unsigned *number;

		if (strcmp(option->name, "device") == 0)
			read_device(tree, command, &keys, guest);
		if (strcmp(option->name, "drive") != 0 && !expand_short(tree, option, guest, &keys))
			continue;
		interface = qemu_key(&keys, "if");
		if (!interface)
			interface = default_interface(guest);
		if (!makes_device(interface) || is_taken(command, &keys))
			continue;
		number = strcmp(interface, "virtio") == 0 ? &virtio : &other;
		read_drive(tree, command, &keys, interface, (unsigned)qemu_number(qemu_key(&keys, "index"), *number),
			   guest);
		++*number;
	}
}
