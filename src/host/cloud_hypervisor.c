/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/array.h"
#include "host/qemu.h"
#include "host/small_hypervisors.h"
#include "host/tree.h"

#define DEVICES_MAX 1024u
#define MIB         (UINT64_C(1) << 20)

void guest_add_vcpus(struct tree *tree, struct guest *guest, int64_t count)
{
	guest->vcpu_count = count <= 0 ? 0 : count < CPU_LIST_END ? (unsigned)count : CPU_LIST_END - 1;
	guest->vcpu = tree_alloc(tree, (guest->vcpu_count + 1) * sizeof(*guest->vcpu));
	for (unsigned i = 0; i < guest->vcpu_count; i++)
		guest->vcpu[i] = (struct guest_thread){.tid = HOST_UNKNOWN, .index = i, .poll_max_ns = HOST_UNKNOWN};
}

static void add_memory(struct tree *tree, const struct qemu_keys *keys, struct guest *guest)
{
	struct guest_memory *memory = &guest->memory;
	struct guest_memory_backend *backend;
	const host_answer huge = qemu_answer(qemu_key(keys, "hugepages"), 0);

	if (memory->backend_count >= DEVICES_MAX)
		return;
	memory->backend = array_grow(tree, memory->backend, memory->backend_count, sizeof(*memory->backend));
	backend = &memory->backend[memory->backend_count++];
	backend->id = qemu_key(keys, "id");
	backend->ram = 1;
	backend->size = qemu_size(qemu_key(keys, "size"), 1, 512 * MIB);
	backend->path = qemu_key(keys, "file");
	backend->page = huge == 1 ? qemu_size(qemu_key(keys, "hugepage_size"), 1, 2 * MIB) : 0;
	backend->share = qemu_answer(qemu_key(keys, "shared"), 0);
	backend->prealloc = qemu_answer(qemu_key(keys, "prefault"), 0);
	backend->merge = qemu_answer(qemu_key(keys, "mergeable"), 0);
	backend->host_nodes = qemu_list(tree, keys, "host_numa_node");
	memory->merge |= backend->merge;
	memory->size += backend->size;
}

static void add_disk(struct tree *tree, const struct qemu_keys *keys, struct guest *guest)
{
	const char *path = qemu_key(keys, "path");
	const bool vhost = qemu_answer(qemu_key(keys, "vhost_user"), 0) == 1;
	struct guest_disk *disk;

	if (guest->disk_count >= DEVICES_MAX)
		return;
	guest->disk = array_grow(tree, guest->disk, guest->disk_count, sizeof(*guest->disk));
	disk = &guest->disk[guest->disk_count++];
	disk->id = qemu_key(keys, "id") ? qemu_key(keys, "id") : tree_format(tree, "disk%u", guest->disk_count - 1);
	disk->model = vhost ? "vhost-user-blk" : "virtio-blk";
	disk->bus = "virtio";
	disk->queues = qemu_number(qemu_key(keys, "num_queues"), 1);
	disk->queue_size = qemu_number(qemu_key(keys, "queue_size"), 128);
	disk->read_only = qemu_answer(qemu_key(keys, "readonly"), 0);
	if (vhost) {
		disk->vhost_socket = qemu_key(keys, "socket");
		return;
	}
	disk->cache = qemu_answer(qemu_key(keys, "direct"), 0) == 1 ? "none" : "writeback";
	if (!path)
		return;
	disk->image = array_grow(tree, NULL, 0, sizeof(*disk->image));
	disk->image[0].preallocated = HOST_UNKNOWN;
	disk->image_count = 1;
	qemu_name_file(tree, &disk->image[0], qemu_path(tree, guest->pid, path));
	qemu_images_complete(tree, guest->pid, disk);
}

static void add_nic(struct tree *tree, const struct qemu_keys *keys, struct guest *guest)
{
	const bool vhost = qemu_answer(qemu_key(keys, "vhost_user"), 0) == 1;
	const char *mode = qemu_key(keys, "vhost_mode");
	struct guest_nic *nic;

	if (guest->nic_count >= DEVICES_MAX)
		return;
	guest->nic = array_grow(tree, guest->nic, guest->nic_count, sizeof(*guest->nic));
	nic = &guest->nic[guest->nic_count++];
	nic->id = qemu_key(keys, "id") ? qemu_key(keys, "id") : tree_format(tree, "net%u", guest->nic_count - 1);
	nic->mac = qemu_key(keys, "mac");
	nic->model = "virtio-net";
	nic->backend = vhost ? "vhost-user" : "tap";
	nic->interface = qemu_key(keys, "tap");
	nic->vhost = vhost;
	/* it counts both directions */
	nic->queues = qemu_number(qemu_key(keys, "num_queues"), 2) / 2;
	nic->vhost_socket = vhost ? qemu_key(keys, "socket") : NULL;
	nic->vhost_server = vhost && mode && strcasecmp(mode, "server") == 0;
}

static void add_hostdev(struct tree *tree, const struct qemu_keys *keys, struct guest *guest)
{
	const char *path = qemu_key(keys, "path"), *end;
	size_t length = path ? strlen(path) : 0;

	if (guest->hostdev_count >= DEVICES_MAX)
		return;
	while (length && path[length - 1] == '/')
		length--;
	end = length ? memrchr(path, '/', length) : NULL;
	guest->hostdev = array_grow(tree, guest->hostdev, guest->hostdev_count, sizeof(*guest->hostdev));
	guest->hostdev[guest->hostdev_count++] = (struct guest_hostdev){
		.id = qemu_key(keys, "id"),
		.address = end ? tree_format(tree, "%.*s", (int)(path + length - end - 1), end + 1) : NULL};
}

static void take(struct tree *tree, const char *name, const char *value, struct guest *guest)
{
	const struct qemu_keys keys = qemu_keys_read(tree, value, NULL);

	if (strcmp(name, "cpus") == 0)
		guest_add_vcpus(tree, guest, qemu_number(qemu_key(&keys, "boot"), 1));
	else if (strcmp(name, "memory") == 0 || strcmp(name, "memory-zone") == 0)
		add_memory(tree, &keys, guest);
	else if (strcmp(name, "disk") == 0)
		add_disk(tree, &keys, guest);
	else if (strcmp(name, "net") == 0)
		add_nic(tree, &keys, guest);
	else if (strcmp(name, "device") == 0)
		add_hostdev(tree, &keys, guest);
	else if (strcmp(name, "balloon") == 0)
		guest->memory.balloon = 1;
	else if (strcmp(name, "platform") == 0)
		guest->uuid = qemu_key(&keys, "uuid");
}

/* "--disk path=a path=b", "--disk=path=a": an option has all values up to the next one. */
void cloud_hypervisor_read(struct tree *tree, const char *text, size_t length, struct guest *guest)
{
	char *copy = tree_alloc(tree, length + 1), *name = "";
	unsigned words = 0;

	memcpy(copy, text, length);
	guest->accelerator = "kvm";
	for (char *at = copy, *next; at < copy + length && words < QEMU_WORDS_MAX; at = next, words++) {
		next = at + strlen(at) + 1;
		if (strncmp(at, "--", 2) != 0) {
			take(tree, name, at, guest);
			continue;
		}
		name = at + 2;
		at = strchr(name, '=');
		if (at) {
			*at = '\0';
			take(tree, name, at + 1, guest);
		}
	}
	if (!guest->vcpu_count)
		guest_add_vcpus(tree, guest, 1);
}
