/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk is made of: the graph of nodes of -blockdev, or what -drive says at once (qapi/block-core.json). */
#include <ctype.h>
#include <string.h>

#include "host/array.h"
#include "host/qemu.h"
#include "host/tree.h"

/* Nodes in a row: chains that long are no use, and a ring ends somewhere. */
#define NODES_MAX 200

static const char *const filters[] = {"blkdebug",        "blklogwrites", "blkreplay",   "blkverify",
				      "compress",        "copy-on-read", "preallocate", "copy-before-write",
				      "snapshot-access", "throttle"};

static const char *const protocols[] = {
	"blkio",
	"curl",
	"file",
	"ftp",
	"ftps",
	"gluster",
	"host_cdrom",
	"host_device",
	"http",
	"https",
	"iscsi",
	"io_uring",
	"nbd",
	"nfs",
	"null-aio",
	"null-co",
	"nvme",
	"nvme-io_uring",
	"rbd",
	"sheepdog",
	"ssh",
	"vvfat",
	"virtio-blk-vhost-user",
	"virtio-blk-vhost-vdpa",
	"virtio-blk-vfio-pci",
};

/* A node, or what is inside of one: the keys below prefix. */
struct node {
	const struct qemu_keys *keys;
	const char *prefix;
	bool of_drive; /* "file" and "backing" are file names, not nodes */
};

struct walk {
	struct tree *tree;
	const struct qemu_command *command;
	struct guest_disk *disk;
	int pid;
	unsigned steps;
	bool below;                   /* among backing files, whose settings are not the disk's */
	host_answer direct, no_flush; /* of the node at hand, inherited by those inside of it */
};

static bool is_among(const char *word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, list[i]) == 0)
			return true;
	}
	return false;
}

static const char *get(const struct node *node, const char *name)
{
	return qemu_key_below(node->keys, node->prefix, name);
}

static bool has_inside(const struct node *node, const char *child)
{
	const size_t prefix = strlen(node->prefix), length = strlen(child);

	for (unsigned i = 0; i < node->keys->count; i++) {
		const char *name = node->keys->key[i].name;

		if (strncmp(name, node->prefix, prefix) == 0 && strncmp(name + prefix, child, length) == 0 &&
		    name[prefix + length] == '.')
			return true;
	}
	return false;
}

/* "nbd" of "nbd://host/name"; NULL where a path has no such beginning. */
static const char *protocol_of_name(struct tree *tree, const char *name)
{
	const size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_+.-");

	if (!length || name[length] != ':')
		return NULL;
	/* "nbd+unix" is nbd, too */
	return tree_format(tree, "%.*s", (int)strcspn(tree_format(tree, "%.*s", (int)length, name), "+"), name);
}

/* QEMU looks at the file; here its name has to do. */
static bool is_device(const char *path)
{
	return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0 &&
	       strncmp(path, "/dev/fdset/", 11) != 0 && strncmp(path, "/dev/hugepages/", 15) != 0;
}

void qemu_name_file(struct tree *tree, struct guest_image *image, const char *name)
{
	const char *protocol = protocol_of_name(tree, name);

	image->file = name;
	image->protocol = protocol ? protocol : is_device(name) ? "host_device" : "file";
	/* "file:/path" is that path */
	if (protocol && (is_among(protocol, (const char *const[]){"file", "host_device", "host_cdrom"}, 3)))
		image->file = name + strlen(protocol) + 1;
}

static const char *server_of(struct tree *tree, const struct node *node)
{
	const char *path = get(node, "server.path"), *host = get(node, "server.host"), *port = get(node, "server.port");

	if (!path)
		path = get(node, "path");
	if (!host)
		host = get(node, "host");
	if (!host || strcmp(get(node, "driver"), "nbd") != 0)
		return path;
	if (!port)
		port = get(node, "port");
	return tree_format(tree, "%s:%s", host, port ? port : "10809");
}

/* Of a node of a protocol: where that is. */
static const char *location_of(struct tree *tree, const struct node *node, const char *driver)
{
	const char *name = get(node, "filename");

	if (name)
		return name;
	if (strcmp(driver, "nbd") == 0) {
		const char *server = server_of(tree, node), *export = get(node, "export");

		return server ? tree_format(tree, "nbd:%s%s%s", server, export ? "/" : "", export ? export : "") : NULL;
	}
	if (strcmp(driver, "rbd") == 0)
		return tree_format(tree, "rbd:%s/%s", get(node, "pool") ? get(node, "pool") : "",
				   get(node, "image") ? get(node, "image") : "");
	if (strcmp(driver, "nvme") == 0)
		return tree_format(tree, "nvme://%s/%s", get(node, "device") ? get(node, "device") : "",
				   get(node, "namespace") ? get(node, "namespace") : "");
	if (strcmp(driver, "iscsi") == 0)
		return tree_format(tree, "iscsi://%s/%s/%s", get(node, "portal") ? get(node, "portal") : "",
				   get(node, "target") ? get(node, "target") : "",
				   get(node, "lun") ? get(node, "lun") : "0");
	name = get(node, "url");
	return name ? name : get(node, "path");
}

static struct guest_image *add_image(struct walk *walk)
{
	struct guest_disk *disk = walk->disk;

	disk->image = array_grow(walk->tree, disk->image, disk->image_count, sizeof(*disk->image));
	disk->image[disk->image_count].preallocated = HOST_UNKNOWN;
	return &disk->image[disk->image_count++];
}

static const char *discard_word(const char *word)
{
	if (!word || strcmp(word, "off") == 0)
		return "ignore";
	return strcmp(word, "on") == 0 ? "unmap" : word;
}

/* What QEMU takes from the node that has it: the top one for some, the one that opens the file for others. */
static void take_settings(struct walk *walk, const struct node *node)
{
	struct guest_disk *disk = walk->disk;

	if (walk->below)
		return;
	walk->direct = qemu_answer(get(node, "cache.direct"), walk->direct);
	walk->no_flush = qemu_answer(get(node, "cache.no-flush"), walk->no_flush);
	if (get(node, "aio"))
		disk->aio = get(node, "aio");
	if (!disk->discard)
		disk->discard = discard_word(get(node, "discard"));
	if (!disk->detect_zeroes)
		disk->detect_zeroes = get(node, "detect-zeroes") ? get(node, "detect-zeroes") : "off";
	if (disk->read_only == HOST_UNKNOWN)
		disk->read_only = qemu_answer(get(node, "read-only"), qemu_answer(get(node, "readonly"), 0));
}

/* Limits of a group that a throttle filter belongs to. */
static int64_t limit_of(const struct qemu_keys *keys, const char *kind)
{
	static const char *const forms[][3] = {
		{"throttling.iops-total", "iops", "x-iops-total"},    {"throttling.bps-total", "bps", "x-bps-total"},
		{"throttling.iops-read", "iops_rd", "x-iops-read"},   {"throttling.bps-read", "bps_rd", "x-bps-read"},
		{"throttling.iops-write", "iops_wr", "x-iops-write"}, {"throttling.bps-write", "bps_wr", "x-bps-write"},
	};
	static const char *const in_limits[] = {"limits.iops-total", "limits.bps-total",  "limits.iops-read",
						"limits.bps-read",   "limits.iops-write", "limits.bps-write"};
	int64_t sum = 0;

	/* all of them, else reads and writes together */
	for (unsigned i = strcmp(kind, "bps") == 0; i < 6; i += 2) {
		int64_t limit = qemu_number(qemu_key(keys, in_limits[i]), 0);

		for (unsigned form = 0; form < 3 && !limit; form++)
			limit = qemu_number(qemu_key(keys, forms[i][form]), 0);
		if (limit && i < 2)
			return limit;
		if (limit < INT64_MAX / 4)
			sum += limit;
	}
	return sum;
}

static void take_throttle(struct walk *walk, const struct qemu_keys *keys)
{
	struct guest_throttle *throttle = &walk->disk->throttle;

	if (!throttle->iops)
		throttle->iops = limit_of(keys, "iops");
	if (!throttle->bps)
		throttle->bps = limit_of(keys, "bps");
}

static void take_group(struct walk *walk, const struct node *node)
{
	const struct qemu_option *group = qemu_option_by_id(walk->command, "object", get(node, "throttle-group"));

	if (group)
		take_throttle(walk, &group->keys);
}

/*
 * The child of that name of a node: a node of its own, or inside of it. False where there is none. A node of its own
 * inherits nothing.
 */
static bool enter(struct walk *walk, const struct node *node, const char *child, struct node *to)
{
	const char *name = node->of_drive ? NULL : get(node, child);
	const struct qemu_option *option = qemu_option_by_id(walk->command, "blockdev", name);

	if (++walk->steps > NODES_MAX)
		return false;
	if (option) {
		*to = (struct node){.keys = &option->keys, .prefix = ""};
		if (!walk->below)
			walk->direct = walk->no_flush = 0;
		return true;
	}
	if (!has_inside(node, child))
		return false;
	*to = (struct node){.keys = node->keys,
			    .prefix = tree_format(walk->tree, "%s%s.", node->prefix, child),
			    .of_drive = node->of_drive};
	return true;
}

/* Down from a format to the protocol that it is read by. */
static void read_protocol(struct walk *walk, struct node node, struct guest_image *image)
{
	struct node below;
	const char *driver;

	for (;;) {
		take_settings(walk, &node);
		driver = get(&node, "driver");
		if (!enter(walk, &node, "file", &below))
			break;
		node = below;
	}
	if (get(&node, "filename") &&
	    (!driver || !is_among(driver, protocols, sizeof(protocols) / sizeof(protocols[0]))))
		qemu_name_file(walk->tree, image, get(&node, "filename"));
	else if (driver)
		*image = (struct guest_image){.format = image->format,
					      .protocol = driver,
					      .file = location_of(walk->tree, &node, driver),
					      .preallocated = HOST_UNKNOWN,
					      .cache_bytes = image->cache_bytes};
}

/* -add-fd fd=5,set=2: the file is that of a descriptor. */
static const char *path_of_set(struct walk *walk, const char *set)
{
	for (unsigned i = 0; i < walk->command->count; i++) {
		const struct qemu_option *option = &walk->command->option[i];
		const char *own = strcmp(option->name, "add-fd") == 0 ? qemu_key(&option->keys, "set") : NULL;
		const int64_t fd = own && strcmp(own, set) == 0 ? qemu_number(qemu_key(&option->keys, "fd"), -1) : -1;

		if (fd >= 0 && fd < INT32_MAX)
			return tree_link(walk->tree, "/proc/%d/fd/%d", walk->pid, (int)fd);
	}
	return NULL;
}

/* A path as it is outside: relative ones are to the directory that QEMU is in. */
static void make_absolute(struct walk *walk, struct guest_image *image)
{
	const char *path = NULL;

	if (!image->file || !image->protocol ||
	    (strcmp(image->protocol, "file") != 0 && strcmp(image->protocol, "host_device") != 0))
		return;
	if (strncmp(image->file, "/dev/fdset/", 11) == 0)
		path = path_of_set(walk, image->file + 11);
	if (path && *path == '/')
		qemu_name_file(walk->tree, image, path);
	image->file = qemu_path(walk->tree, walk->pid, image->file);
}

static void read_format(struct walk *walk, struct node node, const char *driver)
{
	const char *name = node.of_drive ? get(&node, "file") : NULL, *cache = get(&node, "l2-cache-size");
	struct guest_image *image = add_image(walk);
	struct node file;

	image->format = driver;
	image->cache_bytes = qemu_size(cache ? cache : get(&node, "cache-size"), 1, 0);
	take_settings(walk, &node);
	if (name)
		qemu_name_file(walk->tree, image, name);
	else if (enter(walk, &node, "file", &file))
		read_protocol(walk, file, image);
	else
		read_protocol(walk, node, image);
	make_absolute(walk, image);
}

/* Images from a node down. */
static void read_node(struct walk *walk, struct node node)
{
	const char *backing = NULL;
	struct node below;

	for (;;) {
		const char *driver = get(&node, "driver");

		if (!driver)
			driver = get(&node, "format");
		if (driver && is_among(driver, filters, sizeof(filters) / sizeof(filters[0]))) {
			take_settings(walk, &node);
			take_group(walk, &node);
			if (!enter(walk, &node, strcmp(driver, "blkdebug") == 0 ? "image" : "file", &below))
				return;
			node = below;
			continue;
		}
		if (driver && is_among(driver, protocols, sizeof(protocols) / sizeof(protocols[0])) &&
		    !has_inside(&node, "file")) {
			/* no format at all: the guest sees the bytes as they are */
			read_format(walk, node, "raw");
			break;
		}
		read_format(walk, node, driver);
		backing = get(&node, "backing");
		walk->below = true;
		if (enter(walk, &node, "backing", &below))
			node = below;
		else
			break;
	}
	/* null: there is none, whatever the image says */
	walk->disk->whole = backing && !*backing;
	qemu_images_complete(walk->tree, walk->pid, walk->disk);
}

const char *qemu_cache_mode(host_answer direct, host_answer no_flush, bool write_back)
{
	if (no_flush == 1)
		return "unsafe";
	if (direct == 1)
		return write_back ? "none" : "directsync";
	return write_back ? "writeback" : "writethrough";
}

void qemu_drive_read(struct tree *tree, const struct qemu_command *command, const struct qemu_keys *keys, int pid,
		     struct guest_disk *disk)
{
	struct walk walk = {.tree = tree, .command = command, .disk = disk, .pid = pid};
	const struct node node = {.keys = keys, .prefix = "", .of_drive = true};
	const char *cache = qemu_key(keys, "cache"), *media = qemu_key(keys, "media"), *file = qemu_key(keys, "file");
	struct qemu_keys inside;

	disk->read_only = HOST_UNKNOWN;
	take_throttle(&walk, keys);
	if (file && strncmp(file, "json:", 5) == 0) {
		inside = qemu_keys_read(tree, file + 5, NULL);
		take_settings(&walk, &node);
		read_node(&walk, (struct node){.keys = &inside, .prefix = ""});
	} else if ((file && *file) || has_inside(&node, "file") || qemu_key(keys, "driver")) {
		read_node(&walk, node);
	} else {
		take_settings(&walk, &node); /* without a medium */
	}
	disk->cdrom = media && strcmp(media, "cdrom") == 0;
	if (disk->read_only == HOST_UNKNOWN)
		disk->read_only = 0;
	disk->read_only |= disk->cdrom;
	disk->cache =
		qemu_cache_mode(walk.direct, walk.no_flush, qemu_answer(qemu_key(keys, "cache.writeback"), 1) == 1);
	if (cache)
		disk->cache = strcmp(cache, "off") == 0 ? "none" : cache;
	if (!disk->aio)
		disk->aio = "threads";
}

void qemu_node_read(struct tree *tree, const struct qemu_command *command, const struct qemu_option *blockdev, int pid,
		    const struct qemu_keys *device, struct guest_disk *disk)
{
	struct walk walk = {.tree = tree, .command = command, .disk = disk, .pid = pid};

	disk->read_only = HOST_UNKNOWN;
	read_node(&walk, (struct node){.keys = &blockdev->keys, .prefix = ""});
	if (disk->read_only == HOST_UNKNOWN)
		disk->read_only = 0;
	disk->cache = qemu_cache_mode(walk.direct, walk.no_flush, qemu_answer(qemu_key(device, "write-cache"), 1) == 1);
	if (!disk->aio)
		disk->aio = "threads";
}
