/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "host/libvirt_xml.h"

/* As many nodes as QEMU lets a guest have. */
#define NODES_MOST 128u

/* QEMU's word for libvirt's: "strict" binds. */
static const char *policy_of(const char *mode)
{
	if (!mode || is(mode, "strict"))
		return "bind";
	/* Left to the cgroup: QEMU is told nothing. */
	return is(mode, "restrictive") ? NULL : mode;
}

static void take_policy(struct tree *tree, const xmlNode *domain, unsigned cell, struct guest_memory_backend *backend)
{
	const xmlNode *tune = xml_child(domain, "numatune");
	const xmlNode *found = xml_child(tune, "memory");
	unsigned seen = 0;

	for (const xmlNode *node = xml_child(tune, "memnode"); node && seen < NODES_MOST;
	     node = xml_next(node), seen++) {
		if (xml_number(node, NULL, "cellid") == (int64_t)cell)
			found = node;
	}
	backend->host_nodes = cpu_list_parse(tree, xml_get(tree, found, NULL, "nodeset"));
	if (backend->host_nodes.count)
		backend->policy = policy_of(xml_get(tree, found, NULL, "mode"));
}

/* The size of <page> that is for this cell; 0: of the machine's default, which is not said. HOST_UNKNOWN: none. */
static int64_t page_of(struct tree *tree, const xmlNode *hugepages, unsigned cell)
{
	int64_t page = hugepages ? 0 : HOST_UNKNOWN;
	unsigned seen = 0;

	for (const xmlNode *node = xml_child(hugepages, "page"); node && seen < NODES_MOST;
	     node = xml_next(node), seen++) {
		const char *cells = xml_get(tree, node, NULL, "nodeset");
		const struct cpu_list list = cpu_list_parse(tree, cells);
		const int64_t size = xml_size(node, "size", "KiB");

		if (cells ? cpu_list_has(&list, cell) : page == 0)
			page = size > 0 ? size : page;
	}
	return page;
}

/* Where <page> does not say its size it is the kernel's default one. */
static uint64_t default_page(struct tree *tree)
{
	const char *text, *line;

	if (tree_read(tree, "/proc/meminfo", &text) <= 0)
		return 0;
	line = strstr(text, "Hugepagesize:");
	return line ? strtoull(line + strlen("Hugepagesize:"), NULL, 10) << 10 : 0;
}

static void take_backend(struct tree *tree, const xmlNode *domain, const xmlNode *cell, unsigned number,
			 struct guest_memory_backend *backend)
{
	const xmlNode *backing = xml_child(domain, "memoryBacking");
	const char *access = xml_get(tree, cell, NULL, "memAccess");
	const int64_t page = page_of(tree, xml_child(backing, "hugepages"), number);

	if (!access)
		access = xml_get(tree, backing, "access", "mode");
	backend->ram = 1;
	backend->page = page > 0 ? (uint64_t)page : page == 0 ? default_page(tree) : 0;
	backend->share = is(access, "shared");
	/* Huge pages are always reserved at once by libvirt. */
	backend->prealloc = page >= 0 || xml_has(backing, "allocation", "mode", "immediate");
	backend->merge = xml_child(backing, "nosharepages") ? 0 : 1;
	take_policy(tree, domain, number, backend);
}

/* Without cells, all vCPUs are on the one node there is. */
static void take_plain(struct tree *tree, const xmlNode *domain, struct guest *guest)
{
	struct guest_memory_backend *backend = tree_alloc(tree, sizeof(*backend));

	take_backend(tree, domain, NULL, 0, backend);
	backend->id = "pc.ram";
	backend->size = guest->memory.size;
	if (guest->vcpu_count)
		backend->guest_cpus = cpu_list_parse(tree, tree_format(tree, "0-%u", guest->vcpu_count - 1));
	guest->memory.backend = backend;
	guest->memory.backend_count = 1;
}

static void take_cells(struct tree *tree, const xmlNode *domain, const xmlNode *numa, struct guest *guest)
{
	const unsigned count = xml_count(numa, "cell");
	unsigned i = 0;

	if (count > NODES_MOST)
		return;
	guest->memory.backend = tree_alloc(tree, count * sizeof(*guest->memory.backend));
	for (const xmlNode *cell = xml_child(numa, "cell"); cell; cell = xml_next(cell), i++) {
		struct guest_memory_backend *backend = &guest->memory.backend[i];
		const int64_t id = xml_number(cell, NULL, "id"), size = xml_size(cell, "memory", "KiB");
		const unsigned number = id >= 0 && id < NODES_MOST ? (unsigned)id : i;

		take_backend(tree, domain, cell, number, backend);
		backend->id = tree_format(tree, "ram-node%u", number);
		backend->size = size > 0 ? (uint64_t)size : 0;
		backend->guest_cpus = cpu_list_parse(tree, xml_get(tree, cell, NULL, "cpus"));
	}
	guest->memory.backend_count = i;
}

void libvirt_xml_memory(struct tree *tree, const xmlNode *domain, struct guest *guest)
{
	const xmlNode *backing = xml_child(domain, "memoryBacking"), *devices = xml_child(domain, "devices");
	const xmlNode *numa = xml_child(xml_child(domain, "cpu"), "numa");
	const char *balloon = xml_get(tree, devices, "memballoon", "model");
	int64_t size = xml_size(xml_child(domain, "memory"), NULL, "KiB");

	guest->memory.size = size > 0 ? (uint64_t)size : 0;
	guest->memory.locked = xml_child(backing, "locked") != NULL;
	guest->realtime_locked = guest->memory.locked;
	guest->memory.merge = xml_child(backing, "nosharepages") ? 0 : 1;
	guest->memory.balloon = balloon && !is(balloon, "none");
	if (xml_child(numa, "cell"))
		take_cells(tree, domain, numa, guest);
	else
		take_plain(tree, domain, guest);
}
