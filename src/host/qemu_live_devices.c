/* SPDX-License-Identifier: Apache-2.0 */
/* Devices as a running QEMU has them: query-block, and the objects below /machine/peripheral, which have names. */
#include <string.h>

#include "host/array.h"
#include "host/document.h"
#include "host/qemu.h"
#include "host/qmp.h"
#include "host/tree.h"

#define PERIPHERAL "/machine/peripheral/"
#define CHAIN_MAX  64u
#define ADDED_MAX  1024u
/* Each of these may be compared with each. */
#define LIST_MAX 4096u

static bool equal(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* What is somebody else's answer is compared where it is: a copy of each name for each device would be gigabytes. */
static bool says(const json_t *object, const char *key, const char *text)
{
	return equal(json_string_value(json_object_get(object, key)), text);
}

/* "vda" of "/machine/peripheral/vda/virtio-backend", which is the device that has properties; older ones give the name
 * alone. NULL: it has none. */
static const char *name_of(const json_t *block, size_t *length)
{
	const char *path = json_string_value(json_object_get(block, "qdev")), *end;
	const bool peripheral = path && strncmp(path, PERIPHERAL, strlen(PERIPHERAL)) == 0;

	if (!path || (*path == '/' && !peripheral))
		return NULL;
	path += peripheral ? strlen(PERIPHERAL) : 0;
	end = peripheral ? strstr(path, "/virtio-backend") : NULL;
	*length = end ? (size_t)(end - path) : strlen(path);
	return path;
}

static const char *device_path(struct tree *tree, const json_t *block)
{
	size_t length;
	const char *name = name_of(block, &length);

	return name ? tree_format(tree, PERIPHERAL "%.*s", (int)length, name) : document_string(tree, block, "qdev");
}

static const char *name_in(const char *path)
{
	return path && strncmp(path, PERIPHERAL, strlen(PERIPHERAL)) == 0 ? path + strlen(PERIPHERAL) : NULL;
}

/* By the name of the device, of its drive or of its node: who has none of one is called by the next. */
static bool is_of(const json_t *block, const struct guest_disk *disk)
{
	size_t length;
	const char *name = name_of(block, &length);

	if (name)
		return disk->id && strncmp(disk->id, name, length) == 0 && !disk->id[length];
	return says(block, "device", disk->id) || says(document_member(block, "inserted"), "node-name", disk->id);
}

static void take_image(struct tree *tree, const struct guest *guest, const json_t *json, struct guest_image *image,
		       bool known)
{
	const char *name = document_string(tree, json, "filename");
	const int64_t size = document_number(json, "virtual-size"), actual = document_number(json, "actual-size");
	const int64_t cluster = document_number(json, "cluster-size");
	struct guest_image now = {.format = document_string(tree, json, "format"), .preallocated = HOST_UNKNOWN};

	if (name && strncmp(name, "json:", 5) != 0) {
		qemu_name_file(tree, &now, name);
		if (strcmp(now.protocol, "file") == 0 && strcmp(now.file, "") != 0)
			now.file = qemu_path(tree, guest->pid, now.file);
	}
	/* What it was started with says more than a name does, as long as it is the same. */
	if (known && (!now.file || equal(now.file, image->file))) {
		if (!image->format)
			image->format = now.format;
	} else {
		*image = now;
	}
	if (size != HOST_UNKNOWN && actual != HOST_UNKNOWN && equal(image->protocol, "file"))
		image->preallocated = actual >= size;
	if (size > 0)
		image->size = (uint64_t)size;
	if (cluster > 0 && equal(image->format, "qcow2"))
		image->cluster = (uint64_t)cluster;
}

static void take_images(struct tree *tree, const struct guest *guest, const json_t *json, struct guest_disk *disk)
{
	const unsigned known = disk->image_count;
	struct guest_image *images = NULL;
	unsigned count = 0;

	for (; json_is_object(json) && count < CHAIN_MAX; json = document_member(json, "backing-image")) {
		images = array_grow(tree, images, count, sizeof(*images));
		if (count < known)
			images[count] = disk->image[count];
		take_image(tree, guest, json, &images[count], count < known);
		count++;
	}
	if (!count)
		return;
	disk->image = images;
	disk->image_count = count;
	disk->whole = !json_is_object(json);
}

static int64_t limit_of(const json_t *inserted, const char *total, const char *reads, const char *writes)
{
	const int64_t all = document_number(inserted, total), sum = document_number(inserted, reads);
	const int64_t more = document_number(inserted, writes);

	if (all > 0 || sum < 0 || more < 0 || sum > INT64_MAX / 2 || more > INT64_MAX / 2)
		return all > 0 ? all : 0;
	return sum + more;
}

static void take_medium(struct tree *tree, const struct guest *guest, const json_t *block, struct guest_disk *disk)
{
	const json_t *inserted = document_member(block, "inserted");
	const char *zeroes = document_string(tree, inserted, "detect_zeroes");
	const int64_t iops = limit_of(inserted, "iops", "iops_rd", "iops_wr");
	const int64_t bps = limit_of(inserted, "bps", "bps_rd", "bps_wr");

	if (!inserted) {
		disk->image_count = 0;
		return;
	}
	take_images(tree, guest, document_member(inserted, "image"), disk);
	if (zeroes)
		disk->detect_zeroes = zeroes;
	/* a filter of a group has its limits in itself */
	if (iops || bps)
		disk->throttle = (struct guest_throttle){iops, bps};
}

static int64_t number_property(struct qmp *qmp, const char *path, const char *property, int64_t otherwise)
{
	json_t *value = qmp_property(qmp, path, property);
	const json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;

	json_decref(value);
	return number > 0 ? number : otherwise;
}

/* What the defaults of its version have become. */
static void take_queues(struct tree *tree, struct qmp *qmp, const char *path, struct guest_disk *disk)
{
	if (equal(disk->bus, "virtio") && path) {
		disk->queues = number_property(qmp, path, "num-queues", disk->queues);
		disk->queue_size = number_property(qmp, path, "queue-size", disk->queue_size);
	} else if (equal(disk->bus, "scsi") && disk->controller) {
		path = tree_format(tree, PERIPHERAL "%s", disk->controller);
		disk->queues = number_property(qmp, path, "num_queues", disk->queues);
		disk->queue_size = number_property(qmp, path, "virtqueue_size", disk->queue_size);
	}
}

/* "virtio-blk-pci" of "child<virtio-blk-pci>". */
static const char *type_of(struct tree *tree, const json_t *object)
{
	const char *type = document_string(tree, object, "type");

	if (!type || strncmp(type, "child<", 6) != 0)
		return NULL;
	return tree_format(tree, "%.*s", (int)strcspn(type + 6, ">"), type + 6);
}

static const json_t *find_object(const json_t *peripheral, const char *name)
{
	const json_t *object;
	size_t i;

	json_array_foreach(peripheral, i, object)
	{
		if (says(object, "name", name))
			return object;
	}
	return NULL;
}

/* "/objects/io1" */
static const char *iothread_property(struct tree *tree, struct qmp *qmp, const char *path)
{
	json_t *value = qmp_property(qmp, path, "iothread");
	const char *text = json_string_value(value), *slash = text ? strrchr(text, '/') : NULL;

	text = slash && slash[1] ? tree_format(tree, "%s", slash + 1) : NULL;
	json_decref(value);
	return text;
}

/* One that was plugged in later. */
static void add_disk(struct tree *tree, struct qmp *qmp, const json_t *peripheral, const json_t *block,
		     struct guest *guest)
{
	const char *path = device_path(tree, block), *name = name_in(path);
	const char *type = name ? type_of(tree, find_object(peripheral, name)) : NULL;
	const json_t *inserted = document_member(block, "inserted"), *cache = document_member(inserted, "cache");
	struct guest_disk disk = {.id = name, .queues = HOST_UNKNOWN, .queue_size = HOST_UNKNOWN};

	if (!type || guest->disk_count >= ADDED_MAX || !qemu_disk_model(type, &disk))
		return;
	if (equal(disk.bus, "virtio"))
		disk.iothread = iothread_property(tree, qmp, path);
	disk.read_only = document_answer(inserted, "ro");
	if (cache)
		disk.cache = qemu_cache_mode(document_answer(cache, "direct"), document_answer(cache, "no-flush"),
					     document_answer(cache, "writeback") == 1);
	take_medium(tree, guest, block, &disk);
	take_queues(tree, qmp, path, &disk);
	guest->disk = array_grow(tree, guest->disk, guest->disk_count, sizeof(*guest->disk));
	guest->disk[guest->disk_count++] = disk;
}

static bool is_there(const json_t *blocks, const json_t *peripheral, const struct guest_disk *disk)
{
	const json_t *block;
	size_t i;

	json_array_foreach(blocks, i, block)
	{
		if (is_of(block, disk))
			return true;
	}
	/* vhost-user-blk is no block device of QEMU's */
	return find_object(peripheral, disk->id) != NULL;
}

/* Those that were unplugged. */
static void leave_out(const json_t *blocks, const json_t *peripheral, struct guest *guest)
{
	unsigned left = 0;

	for (unsigned i = 0; i < guest->disk_count; i++) {
		if (!guest->disk[i].id || is_there(blocks, peripheral, &guest->disk[i]))
			guest->disk[left++] = guest->disk[i];
	}
	guest->disk_count = left;
}

static void read_blocks(struct tree *tree, struct qmp *qmp, const json_t *blocks, const json_t *peripheral,
			struct guest *guest)
{
	const unsigned started_with = guest->disk_count;
	const json_t *block;
	size_t i;

	json_array_foreach(blocks, i, block)
	{
		struct guest_disk *disk = NULL;

		for (unsigned k = 0; k < started_with && !disk && i < ADDED_MAX; k++)
			disk = is_of(block, &guest->disk[k]) ? &guest->disk[k] : NULL;
		if (!disk) {
			add_disk(tree, qmp, peripheral, block, guest);
			continue;
		}
		take_medium(tree, guest, block, disk);
		take_queues(tree, qmp, device_path(tree, block), disk);
	}
	leave_out(blocks, peripheral, guest);
}

static const char *string_property(struct tree *tree, struct qmp *qmp, const char *path, const char *property)
{
	json_t *value = qmp_property(qmp, path, property);
	const char *text = json_string_value(value);

	text = text && *text ? tree_format(tree, "%s", text) : NULL;
	json_decref(value);
	return text;
}

static bool has_nic(const struct guest *guest, const char *name)
{
	for (unsigned i = 0; i < guest->nic_count; i++) {
		if (equal(guest->nic[i].id, name))
			return true;
	}
	return false;
}

static bool has_hostdev(const struct guest *guest, const char *name)
{
	for (unsigned i = 0; i < guest->hostdev_count; i++) {
		if (equal(guest->hostdev[i].id, name))
			return true;
	}
	return false;
}

static void add_other(struct tree *tree, struct qmp *qmp, const char *name, const char *type, struct guest *guest)
{
	const char *path = tree_format(tree, PERIPHERAL "%s", name), *model = qemu_nic_model(type);

	if (model && !has_nic(guest, name) && guest->nic_count < ADDED_MAX) {
		guest->nic = array_grow(tree, guest->nic, guest->nic_count, sizeof(*guest->nic));
		guest->nic[guest->nic_count++] = (struct guest_nic){.id = name,
								    .model = model,
								    .mac = string_property(tree, qmp, path, "mac"),
								    .vhost = HOST_UNKNOWN,
								    .queues = HOST_UNKNOWN};
	} else if (strcmp(type, "vfio-pci") == 0 && !has_hostdev(guest, name) && guest->hostdev_count < ADDED_MAX) {
		guest->hostdev = array_grow(tree, guest->hostdev, guest->hostdev_count, sizeof(*guest->hostdev));
		guest->hostdev[guest->hostdev_count++] =
			(struct guest_hostdev){.id = name, .address = string_property(tree, qmp, path, "host")};
	} else if (strncmp(type, "virtio-balloon", 14) == 0) {
		guest->memory.balloon = 1;
	}
}

static bool is_list(const json_t *json)
{
	return json_is_array(json) && json_array_size(json) <= LIST_MAX;
}

void guest_qmp_devices(struct tree *tree, struct qmp *qmp, struct guest *guest)
{
	json_t *peripheral = qmp_ask(qmp, "qom-list", "{\"path\":\"/machine/peripheral\"}", "peripheral");
	json_t *blocks = qmp_ask(qmp, "query-block", NULL, "query-block");
	const json_t *object;
	size_t i;

	/* without either of them nothing can be said to be missing */
	if (is_list(peripheral) && is_list(blocks))
		read_blocks(tree, qmp, blocks, peripheral, guest);
	json_array_foreach(peripheral, i, object)
	{
		const char *type = type_of(tree, object), *name = document_string(tree, object, "name");

		if (type && name && i < ADDED_MAX)
			add_other(tree, qmp, name, type, guest);
	}
	json_decref(blocks);
	json_decref(peripheral);
}
