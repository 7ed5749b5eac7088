/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/array.h"
#include "host/document.h"
#include "host/process.h"
#include "host/qemu.h"
#include "host/small_hypervisors.h"
#include "host/tree.h"

#define DEVICES_MAX 1024u
#define FILE_MAX    (1u << 20)

struct place {
	int pid;
	const char *path;
};

/* Of the configuration no more than is asked for: boot arguments are nobody's business. */
static ssize_t provide(void *context, char **text)
{
	static const char *const parts[] = {"drives", "machine-config", "network-interfaces"};
	const struct place *place = context;
	struct stat st;
	const int fd = process_open(place->pid, place->path, &st);
	json_t *all, *kept;

	if (fd < 0)
		return fd;
	all = S_ISREG(st.st_mode) && st.st_size <= FILE_MAX ? json_loadfd(fd, 0, NULL) : NULL;
	close(fd);
	if (!json_is_object(all)) {
		json_decref(all);
		return -EINVAL;
	}
	kept = json_object();
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		json_object_set(kept, parts[i], json_object_get(all, parts[i]));
	json_decref(all);
	return document_text(kept, text);
}

static void add_disk(struct tree *tree, const json_t *drive, struct guest *guest)
{
	const char *path = document_string(tree, drive, "path_on_host"), *engine;
	const char *socket = document_string(tree, drive, "socket");
	const char *cache = document_string(tree, drive, "cache_type");
	struct guest_disk *disk;

	if (guest->disk_count >= DEVICES_MAX)
		return;
	guest->disk = array_grow(tree, guest->disk, guest->disk_count, sizeof(*guest->disk));
	disk = &guest->disk[guest->disk_count++];
	engine = document_string(tree, drive, "io_engine");
	*disk = (struct guest_disk){.id = document_string(tree, drive, "drive_id"),
				    .model = socket ? "vhost-user-blk" : "virtio-blk",
				    .bus = "virtio",
				    .queues = 1,
				    .queue_size = 256,
				    /* without a word the guest has no flush */
				    .cache = socket                                     ? NULL
					     : cache && strcmp(cache, "Writeback") == 0 ? "writeback"
											: "unsafe",
				    .aio = engine && strcmp(engine, "Async") == 0 ? "io_uring" : "threads",
				    .read_only = document_answer(drive, "is_read_only"),
				    .vhost_socket = socket};
	if (!path)
		return;
	disk->image = array_grow(tree, NULL, 0, sizeof(*disk->image));
	disk->image[0].preallocated = HOST_UNKNOWN;
	disk->image[0].format = "raw";
	disk->image_count = 1;
	qemu_name_file(tree, &disk->image[0], qemu_path(tree, guest->pid, path));
	qemu_images_complete(tree, guest->pid, disk);
}

static void add_nic(struct tree *tree, const json_t *interface, struct guest *guest)
{
	if (guest->nic_count >= DEVICES_MAX)
		return;
	guest->nic = array_grow(tree, guest->nic, guest->nic_count, sizeof(*guest->nic));
	guest->nic[guest->nic_count++] =
		(struct guest_nic){.id = document_string(tree, interface, "iface_id"),
				   .mac = document_string(tree, interface, "guest_mac"),
				   .model = "virtio-net",
				   .backend = "tap",
				   .interface = document_string(tree, interface, "host_dev_name"),
				   .queues = 1};
}

static void read_configuration(struct tree *tree, const json_t *json, struct guest *guest)
{
	const json_t *machine = document_member(json, "machine-config"), *item;
	const int64_t memory = document_number(machine, "mem_size_mib");
	size_t i;

	guest_add_vcpus(tree, guest, document_number(machine, "vcpu_count"));
	if (memory > 0 && memory < INT64_C(1) << 40)
		guest->memory.size = (uint64_t)memory << 20;
	json_array_foreach(document_member(json, "drives"), i, item) add_disk(tree, item, guest);
	json_array_foreach(document_member(json, "network-interfaces"), i, item) add_nic(tree, item, guest);
}

/* "--id" and the word behind it, or "--id=word"; NULL: there is none. text ends with a NUL. */
static const char *value_of(struct tree *tree, const char *text, size_t length, const char *option)
{
	const size_t name = strlen(option);

	for (const char *at = text, *end = text + length; at < end; at += strlen(at) + 1) {
		const char *next = at + strlen(at) + 1;

		if (strncmp(at, option, name) == 0 && at[name] == '=')
			return tree_format(tree, "%s", at + name + 1);
		if (strcmp(at, option) == 0 && next < end && *next)
			return tree_format(tree, "%s", next);
	}
	return NULL;
}

void firecracker_read(struct tree *tree, const char *text, size_t length, struct guest *guest)
{
	const char *file = value_of(tree, text, length, "--config-file");
	struct place place = {.pid = guest->pid};
	const char *document;
	ssize_t got;
	json_t *json;

	guest->accelerator = "kvm";
	guest->name = value_of(tree, text, length, "--id");
	if (!file)
		return;
	place.path = qemu_path(tree, guest->pid, file);
	got = tree_ask(tree, &document, provide, &place, "firecracker/%d.json", guest->pid);
	json = document_object(document, got);
	read_configuration(tree, json, guest);
	json_decref(json);
}
