/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/array.h"
#include "host/libvirt_xml.h"

static const char *iothread_name(struct tree *tree, const xmlNode *node, const char *child, const char *attribute)
{
	const int64_t id = xml_number(node, child, attribute);

	return id > 0 ? tree_format(tree, "iothread%lld", (long long)id) : NULL;
}

/* A SCSI disk has the queues and the thread of its controller. */
static const xmlNode *controller_of(const xmlNode *devices, const xmlNode *disk)
{
	const xmlNode *node = xml_child(devices, "controller");
	const int64_t index = xml_number(disk, "address", "controller");

	for (unsigned seen = 0; node && seen < LIBVIRT_XML_MOST; node = xml_next(node), seen++) {
		if (xml_has(node, NULL, "type", "scsi") && xml_number(node, NULL, "index") == (index < 0 ? 0 : index))
			return node;
	}
	return NULL;
}

static void take_scsi(struct tree *tree, const xmlNode *devices, const xmlNode *node, struct guest_disk *disk)
{
	const xmlNode *controller = controller_of(devices, node);
	const char *model = xml_get(tree, controller, NULL, "model"), *device = xml_get(tree, node, NULL, "device");

	disk->model = is(device, "lun") ? "scsi-block" : is(device, "cdrom") ? "scsi-cd" : "scsi-hd";
	disk->bus = model && strncmp(model, "virtio", strlen("virtio")) == 0 ? "scsi" : "scsi-other";
	disk->controller = xml_get(tree, controller, "alias", "name");
	disk->queues = xml_number(controller, "driver", "queues");
	disk->queue_size = xml_number(controller, "driver", "virtqueue_size");
	disk->iothread = iothread_name(tree, controller, "driver", "iothread");
}

/* <driver><iothreads><iothread id='2'/>...: queues shared out over several (libvirt 10, QEMU 9). */
static void take_mapping(struct tree *tree, const xmlNode *driver, struct guest_disk *disk)
{
	const xmlNode *list = xml_child(driver, "iothreads");
	const unsigned count = xml_count(list, "iothread");
	const char **names;

	if (!count || count > LIBVIRT_XML_MOST)
		return;
	names = tree_alloc(tree, count * sizeof(*names));
	for (const xmlNode *node = xml_child(list, "iothread"); node; node = xml_next(node)) {
		const char *name = iothread_name(tree, node, NULL, "id");

		if (name)
			names[disk->iothread_count++] = name;
	}
	disk->iothreads = names;
}

static void take_model(struct tree *tree, const xmlNode *devices, const xmlNode *node, struct guest_disk *disk)
{
	const char *bus = xml_get(tree, node, "target", "bus"), *device = xml_get(tree, node, NULL, "device");
	const bool cdrom = is(device, "cdrom");

	disk->bus = bus;
	if (xml_has(node, NULL, "type", "vhostuser")) {
		disk->model = "vhost-user-blk";
		disk->vhost_socket = xml_get(tree, node, "source", "path");
	} else if (is(bus, "virtio")) {
		disk->model = "virtio-blk";
	} else if (is(bus, "scsi")) {
		take_scsi(tree, devices, node, disk);
	} else if (is(bus, "ide") || is(bus, "sata")) {
		disk->model = cdrom ? "ide-cd" : "ide-hd";
	} else if (is(bus, "usb")) {
		disk->model = "usb-storage";
	} else if (is(bus, "fdc")) {
		disk->model = "floppy";
	} else if (is(bus, "sd")) {
		disk->model = "sd-card";
	}
}

/* Of all, else reads and writes together; 0: none. */
static int64_t limit_of(const xmlNode *tune, const char *total, const char *reads, const char *writes)
{
	const int64_t all = xml_text_number(tune, total), in = xml_text_number(tune, reads);
	const int64_t out = xml_text_number(tune, writes);

	if (all > 0)
		return all;
	return (in > 0 && in < INT64_MAX / 2 ? in : 0) + (out > 0 && out < INT64_MAX / 2 ? out : 0);
}

static void take_throttle(const xmlNode *node, struct guest_throttle *throttle)
{
	const xmlNode *tune = xml_child(node, "iotune");

	throttle->iops = limit_of(tune, "total_iops_sec", "read_iops_sec", "write_iops_sec");
	throttle->bps = limit_of(tune, "total_bytes_sec", "read_bytes_sec", "write_bytes_sec");
}

static void take_disk(struct tree *tree, const xmlNode *devices, const xmlNode *node, struct guest_disk *disk)
{
	const xmlNode *driver = xml_child(node, "driver");
	const char *cache = xml_get(tree, driver, NULL, "cache"), *aio = xml_get(tree, driver, NULL, "io");
	const int64_t queues = xml_number(driver, NULL, "queues"), size = xml_number(driver, NULL, "queue_size");

	*disk = (struct guest_disk){
		.id = xml_get(tree, node, "alias", "name"),
		.target = xml_get(tree, node, "target", "dev"),
		.queues = HOST_UNKNOWN,
		.queue_size = HOST_UNKNOWN,
		.discard = xml_get(tree, driver, NULL, "discard"),
		.detect_zeroes = xml_get(tree, driver, NULL, "detect_zeroes"),
		.cdrom = xml_has(node, NULL, "device", "cdrom"),
		.read_only = xml_child(node, "readonly") != NULL,
	};
	take_model(tree, devices, node, disk);
	disk->queues = queues > 0 ? queues : disk->queues;
	disk->queue_size = size > 0 ? size : disk->queue_size;
	if (!disk->iothread)
		disk->iothread = iothread_name(tree, driver, NULL, "iothread");
	take_mapping(tree, driver, disk);
	if (disk->vhost_socket)
		return;
	libvirt_xml_images(tree, node, disk);
	take_throttle(node, &disk->throttle);
	if (!disk->image_count)
		return;
	/* "default" leaves it to QEMU, and its own are these. */
	disk->cache = cache && !is(cache, "default") ? cache : "writeback";
	disk->aio = aio ? aio : "threads";
	disk->discard = disk->discard ? disk->discard : "ignore";
	disk->detect_zeroes = disk->detect_zeroes ? disk->detect_zeroes : "off";
}

void libvirt_xml_disks(struct tree *tree, const xmlNode *devices, struct guest *guest)
{
	const unsigned count = xml_count(devices, "disk");

	if (count > LIBVIRT_XML_MOST)
		return;
	for (const xmlNode *node = xml_child(devices, "disk"); node; node = xml_next(node)) {
		guest->disk = array_grow(tree, guest->disk, guest->disk_count, sizeof(*guest->disk));
		take_disk(tree, devices, node, &guest->disk[guest->disk_count++]);
	}
}
