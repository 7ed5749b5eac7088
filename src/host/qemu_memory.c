/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/array.h"
#include "host/qemu.h"
#include "host/tree.h"

#define MIB (UINT64_C(1) << 20)

/* Longest line of mounts that is looked at: a path may be as long, with options behind it. */
#define LINE_MAX_LENGTH 8192

/* "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0" */
static uint64_t page_of_mount(struct tree *tree, char *line, const char *path)
{
	char *rest, *target, *type, *options, *size;
	size_t length;

	strtok_r(line, " ", &rest);
	target = strtok_r(NULL, " ", &rest);
	type = strtok_r(NULL, " ", &rest);
	options = strtok_r(NULL, " ", &rest);
	if (!options || strcmp(type, "hugetlbfs") != 0)
		return 0;
	length = strlen(target);
	if (strncmp(path, target, length) != 0 || (path[length] && path[length] != '/'))
		return 0;
	size = strstr(options, "pagesize=");
	if (!size)
		return 0;
	size += strlen("pagesize=");
	return qemu_size(tree_format(tree, "%.*s", (int)strcspn(size, ","), size), 1, 0);
}

/*
 * The size of huge pages of the file system that a path is on; 0: it has none. Somebody else's list of mounts may be
 * long, and be asked for by thousands of backends: it is not copied.
 */
static uint64_t page_of_path(struct tree *tree, int pid, const char *path)
{
	const char *mounts;
	char line[LINE_MAX_LENGTH];
	uint64_t page = 0;

	if (tree_readf(tree, &mounts, "/proc/%d/mounts", pid) < 0 && tree_read(tree, "/proc/mounts", &mounts) < 0)
		return 0;
	for (const char *at = mounts; *at && !page; at += *at == '\n') {
		const size_t length = strcspn(at, "\n");

		if (length < sizeof(line) && memmem(at, length, " hugetlbfs ", strlen(" hugetlbfs "))) {
			memcpy(line, at, length);
			line[length] = '\0';
			page = page_of_mount(tree, line, path);
		}
		at += length;
	}
	return page;
}

static uint64_t default_huge_page(struct tree *tree)
{
	const char *text, *at;

	if (tree_read(tree, "/proc/meminfo", &text) < 0)
		return 0;
	at = strstr(text, "Hugepagesize:");
	if (!at)
		return 0;
	at += strlen("Hugepagesize:");
	at += strspn(at, " ");
	return 1024 * (uint64_t)qemu_number(tree_format(tree, "%.*s", (int)strspn(at, "0123456789"), at), 0);
}

static uint64_t page_of_backend(struct tree *tree, const struct qemu_keys *keys, const char *path, int pid)
{
	if (path)
		return page_of_path(tree, pid, path);
	if (qemu_answer(qemu_key(keys, "hugetlb"), 0) != 1)
		return 0;
	return qemu_size(qemu_key(keys, "hugetlbsize"), 1, default_huge_page(tree));
}

static struct guest_memory_backend *add_backend(struct tree *tree, struct guest_memory *memory)
{
	memory->backend = array_grow(tree, memory->backend, memory->backend_count, sizeof(*memory->backend));
	return &memory->backend[memory->backend_count++];
}

static void read_backend(struct tree *tree, const struct qemu_option *option, const char *kind, struct guest *guest)
{
	struct guest_memory_backend *backend = add_backend(tree, &guest->memory);
	const struct qemu_keys *keys = &option->keys;

	backend->id = qemu_key(keys, "id");
	backend->size = qemu_size(qemu_key(keys, "size"), 1, 0);
	backend->path = qemu_key(keys, "mem-path");
	backend->page = page_of_backend(tree, keys, backend->path, guest->pid);
	backend->share = qemu_answer(qemu_key(keys, "share"), strcmp(kind, "memory-backend-memfd") == 0);
	backend->prealloc = qemu_answer(qemu_key(keys, "prealloc"), 0);
	backend->merge = qemu_answer(qemu_key(keys, "merge"), guest->memory.merge);
	backend->policy = qemu_key(keys, "policy");
	if (backend->policy && strcmp(backend->policy, "default") == 0)
		backend->policy = NULL;
	backend->host_nodes = qemu_list(tree, keys, "host-nodes");
}

/* Without a backend that the machine or a node of it has. -mem-path and -mem-prealloc: memory of -m as a file, before
 * there were objects. */
static struct guest_memory_backend *read_plain(struct tree *tree, const struct qemu_command *command,
					       struct guest *guest)
{
	const struct qemu_option *path = qemu_option_find(command, "mem-path");
	struct guest_memory_backend *backend = add_backend(tree, &guest->memory);

	backend->size = guest->memory.size;
	backend->path = path ? path->text : NULL;
	backend->page = path ? page_of_path(tree, guest->pid, path->text) : 0;
	backend->prealloc = qemu_option_find(command, "mem-prealloc") != NULL;
	backend->merge = guest->memory.merge;
	return backend;
}

static struct cpu_list all_cpus(struct tree *tree, const struct guest *guest)
{
	return cpu_list_parse(tree, guest->vcpu_count ? tree_format(tree, "0-%u", guest->vcpu_count - 1) : NULL);
}

static struct guest_memory_backend *find_backend(struct guest_memory *memory, const char *id)
{
	for (unsigned i = 0; id && i < memory->backend_count; i++) {
		if (memory->backend[i].id && strcmp(memory->backend[i].id, id) == 0)
			return &memory->backend[i];
	}
	return NULL;
}

static struct guest_memory_backend *find_whole(const struct qemu_command *command, struct guest_memory *memory)
{
	const char *id = qemu_option_key(command, "machine", "memory-backend");

	return find_backend(memory, id ? id : qemu_option_key(command, "M", "memory-backend"));
}

/*
 * Which backends are the guest's memory, and which vCPUs are near which: -numa node,cpus=,memdev=; where there are
 * none all are near what the machine has.
 */
static void read_nodes(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	struct guest_memory *memory = &guest->memory;
	struct guest_memory_backend *whole = find_whole(command, memory);
	unsigned nodes = 0, parts = 0;

	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_keys *keys = &command->option[i].keys;
		const char *type = strcmp(command->option[i].name, "numa") == 0 ? qemu_key(keys, "type") : NULL;
		struct guest_memory_backend *backend;

		if (!type || strcmp(type, "node") != 0)
			continue;
		nodes++;
		backend = find_backend(memory, qemu_key(keys, "memdev"));
		if (!backend)
			continue;
		parts++;
		backend->ram = 1;
		backend->guest_cpus = qemu_list(tree, keys, "cpus");
	}
	if (!whole && !parts)
		whole = read_plain(tree, command, guest);
	if (whole)
		whole->ram = 1;
	if (whole && !nodes)
		whole->guest_cpus = all_cpus(tree, guest);
}

static bool is_dimm(const char *driver)
{
	return driver && (strcmp(driver, "pc-dimm") == 0 || strcmp(driver, "nvdimm") == 0 ||
			  strncmp(driver, "virtio-mem", 10) == 0);
}

/* What was plugged in beside -m, and a balloon. */
static void read_devices(const struct qemu_command *command, struct guest_memory *memory)
{
	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_keys *keys = &command->option[i].keys;
		const char *driver = strcmp(command->option[i].name, "device") == 0 ? qemu_key(keys, "driver") : NULL;
		const struct guest_memory_backend *backend = find_backend(memory, qemu_key(keys, "memdev"));

		if (is_dimm(driver) && backend)
			memory->size += backend->size;
		if (driver && strncmp(driver, "virtio-balloon", 14) == 0)
			memory->balloon = 1;
	}
}

void qemu_memory_read(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	struct guest_memory *memory = &guest->memory;
	const char *merge = qemu_option_key(command, "machine", "mem-merge");

	memory->size = qemu_size(qemu_option_key(command, "m", "size"), MIB, 128 * MIB);
	memory->merge = qemu_answer(merge ? merge : qemu_option_key(command, "M", "mem-merge"), 1);
	memory->locked = guest->realtime_locked;
	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_option *option = &command->option[i];
		const char *kind = strcmp(option->name, "object") == 0 ? qemu_key(&option->keys, "qom-type") : NULL;

		if (kind && strncmp(kind, "memory-backend-", 15) == 0)
			read_backend(tree, option, kind, guest);
	}
	read_nodes(tree, command, guest);
	read_devices(command, memory);
}
