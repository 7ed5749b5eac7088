/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/advise_parts.h"
#include "audit/clean.h"

/* Shapes of what another process serves: vhost-user, for which it has to see the guest's memory. */

/* As many nodes as QEMU lets a guest have. */
#define BACKENDS_MOST 128u

/* One thing more that has to be put in by hand, or looked at. */
static void fill_in(struct advising *advising, const char *text)
{
	const char *before = advising->advice->fill_in;

	advising->advice->fill_in = before ? tree_format(advising->tree, "%s; %s", before, text) : text;
}

/* "4G": as QEMU reads it. */
static const char *size_of(struct tree *tree, uint64_t bytes)
{
	static const char suffixes[] = "\0KMGT";
	unsigned suffix = 0;

	for (; bytes && bytes % 1024 == 0 && suffix < sizeof(suffixes) - 2; bytes /= 1024)
		suffix++;
	return tree_format(tree, "%llu%.1s", (unsigned long long)bytes, suffixes + suffix);
}

/* Its node, in the words of -object: each range of the list is a key of its own. */
static const char *policy_of(struct tree *tree, const struct guest_memory_backend *backend)
{
	const char *text = tree_format(tree, ",policy=%s", advise_option(tree, backend->policy));
	const char *nodes = cpu_list_format(tree, &backend->host_nodes);

	while (*nodes) {
		const size_t length = strcspn(nodes, ",");

		text = tree_format(tree, "%s,host-nodes=%.*s", text, (int)length, nodes);
		nodes += length + (nodes[length] == ',');
	}
	return text;
}

/* What the guest has, but that others see it. */
static const char *object_of(struct advising *advising, const struct guest_memory_backend *backend, const char *id)
{
	struct tree *tree = advising->tree;
	const char *kind = backend->path ? tree_format(tree, "file,mem-path=%s", advise_option(tree, backend->path))
			   : backend->page
				   ? tree_format(tree, "memfd,hugetlb=on,hugetlbsize=%s", size_of(tree, backend->page))
				   : "memfd";

	if (!backend->size)
		fill_in(advising, tree_format(tree, "SIZE: of the guest's memory %s, which is not known",
					      audit_clean(tree, backend->id ? backend->id : "(-m)")));
	if (backend->path && !backend->page && backend->share != 1)
		fill_in(advising, tree_format(tree,
					      "%s: where that is a file, and not a directory, the guest writes to it "
					      "from now on, and to a copy until now: name another one if it is needed "
					      "as it is",
					      audit_clean(tree, backend->path)));
	return tree_format(tree, "-object memory-backend-%s,id=%s,size=%s,share=on%s%s\n", kind, id,
			   backend->size ? size_of(tree, backend->size) : "SIZE",
			   backend->prealloc == 1 ? ",prealloc=on" : "",
			   backend->policy ? policy_of(tree, backend) : "");
}

/* libvirt and QEMU call the memory of a machine without nodes the same. */
static bool is_plain(const struct guest_memory_backend *backend)
{
	return !backend->id || !strcmp(backend->id, "pc.ram");
}

/* A device's memory (ivshmem, an NVDIMM) stays what it is: to share a file that is private would be to write to it. */
static const char *memory_options(struct advising *advising)
{
	const struct guest_memory *memory = &advising->guest->memory;
	const struct guest_memory_backend small = {.size = memory->size};
	static const char plain[] = "-machine memory-backend=strait-memory\n";
	struct tree *tree = advising->tree;
	const char *text = "", *machine = "";
	unsigned count = 0;

	for (unsigned i = 0; i < memory->backend_count && count < BACKENDS_MOST; i++) {
		const struct guest_memory_backend *backend = &memory->backend[i];
		/* Of the same name: whatever the machine and its nodes say of it stays. */
		const char *id = is_plain(backend) ? "strait-memory" : advise_option(tree, backend->id);

		if (backend->ram != 1)
			continue;
		count++;
		text = tree_format(tree, "%s%s", text, object_of(advising, backend, id));
		if (is_plain(backend))
			machine = plain;
	}
	if (!count)
		return tree_format(tree, "%s%s", object_of(advising, &small, "strait-memory"), plain);
	return tree_format(tree, "%s%s", text, machine);
}

static const char *memory_xml(const struct advising *advising)
{
	const struct guest_memory *memory = &advising->guest->memory;
	struct tree *tree = advising->tree;
	uint64_t page = 0;

	for (unsigned i = 0; i < memory->backend_count && !page; i++)
		page = memory->backend[i].ram == 1 ? memory->backend[i].page : 0;
	return tree_format(tree,
			   "<memoryBacking>\n"
			   "%s"
			   "  <source type='memfd'/>\n"
			   "  <access mode='shared'/>\n"
			   "</memoryBacking>\n",
			   page ? tree_format(tree, "  <hugepages><page size='%llu' unit='KiB'/></hugepages>\n",
					      (unsigned long long)page / 1024)
				: "");
}

void advise_shape_vhost_disk(struct advising *advising, unsigned queues)
{
	struct tree *tree = advising->tree;
	const struct guest_disk *disk = advising->disk;

	advising->advice->libvirt = tree_format(tree,
						"%s"
						"<disk type='vhostuser' device='disk'>\n"
						"  <driver name='qemu' type='raw' queues='%u'/>\n"
						"  <source type='unix' path='%s'/>\n"
						"  <target dev='%s' bus='virtio'/>\n"
						"</disk>\n",
						memory_xml(advising), queues, advise_xml(tree, disk->vhost_socket),
						disk->target ? advise_xml(tree, disk->target) : "vda");
	advising->advice->qemu = tree_format(tree,
					     "%s"
					     "-chardev socket,id=strait-char,path=%s\n"
					     "-device vhost-user-blk-pci,id=%s,chardev=strait-char,num-queues=%u\n",
					     memory_options(advising), advise_option(tree, disk->vhost_socket),
					     disk->id ? advise_option(tree, disk->id) : "disk0", queues);
}

/* Who listens at a socket that is there stays so; at a new one QEMU does, as Open vSwitch wants it. */
void advise_shape_vhost_nic(struct advising *advising, unsigned queues, const char *xml_mac, const char *option_mac)
{
	struct tree *tree = advising->tree;
	const char *socket = advising->nic->vhost_socket;
	const bool listens = !socket || advising->nic->vhost_server == 1;

	if (!socket) {
		socket = "SOCKET";
		fill_in(advising,
			"SOCKET: where the guest listens for a switch that serves vhost-user (Open vSwitch with DPDK: "
			"a port of type dpdkvhostuserclient, options:vhost-server-path=SOCKET); for a switch that "
			"listens itself (dpdkvhostuser) mode='client', and no server=on");
	}
	advising->advice->libvirt = tree_format(tree,
						"%s"
						"<interface type='vhostuser'>\n"
						"%s"
						"  <source type='unix' path='%s' mode='%s'/>\n"
						"  <model type='virtio'/>\n"
						"  <driver queues='%u' rx_queue_size='1024'/>\n"
						"</interface>\n",
						memory_xml(advising), xml_mac, advise_xml(tree, socket),
						listens ? "server" : "client", queues);
	advising->advice->qemu =
		tree_format(tree,
			    "%s"
			    "-chardev socket,id=strait-char,path=%s%s\n"
			    "-netdev vhost-user,id=strait-net,chardev=strait-char,queues=%u\n"
			    "-device virtio-net-pci,netdev=strait-net,mq=on,vectors=%u,rx_queue_size=1024%s\n",
			    memory_options(advising), advise_option(tree, socket), listens ? ",server=on,wait=off" : "",
			    queues, 2 * queues + 2, option_mac);
}
