/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "audit/advise_parts.h"
#include "audit/clean.h"
#include "audit/rules_guest.h"

/* Of NICs whose guest is not hot: more queues cost small packets more than they give. */
#define NIC_QUEUES_GENERAL 4u

/* A text with some of its characters written as something else. */
static const char *replace(struct tree *tree, const char *text, const char *(*of)(char c))
{
	size_t length = 0;
	char *to, *at;

	text = audit_clean(tree, text);
	for (const char *c = text; *c; c++)
		length += of(*c) ? strlen(of(*c)) : 1;
	to = at = tree_alloc(tree, length + 1);
	for (const char *c = text; *c; c++) {
		const char *other = of(*c);

		if (other)
			at = stpcpy(at, other);
		else
			*at++ = *c;
	}
	return to;
}

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\'':
		return "&apos;";
	case '"':
		return "&quot;";
	default:
		return NULL;
	}
}

const char *advise_xml(struct tree *tree, const char *text)
{
	return replace(tree, text, entity);
}

static const char *two_commas(char c)
{
	return c == ',' ? ",," : NULL;
}

static const char *quote(char c)
{
	return c == '\'' ? "'\\''" : NULL;
}

const char *advise_option(struct tree *tree, const char *text)
{
	text = replace(tree, text, two_commas);
	if (!text[strcspn(text, " \t'\"\\$`!*?[](){}<>|&;#~")])
		return text;
	return tree_format(tree, "'%s'", replace(tree, text, quote));
}

struct disk_shape {
	const char *file, *format;
	bool is_device; /* else a file */
	bool virtio;    /* else scsi on virtio-scsi */
	unsigned queues;
	const char *discard; /* unmap, ignore */
	const char *id, *target;
};

static bool is_hot(const struct advice *advice)
{
	return advice->workload == WORKLOAD_LATENCY || advice->workload == WORKLOAD_DATABASE ||
	       advice->workload == WORKLOAD_THROUGHPUT;
}

static unsigned queues_for(const struct guest *guest)
{
	return guest->vcpu_count ? guest->vcpu_count : 1;
}

/* Where it lies: as now, or on a block device where the layers in between matter. */
static void place_image(struct advising *advising, struct disk_shape *shape)
{
	const struct guest_disk *disk = advising->disk;
	const struct guest_image *image = disk->image_count ? &disk->image[0] : NULL;
	const bool hot = is_hot(advising->advice);
	const bool local = image && image->file && image->file[0] == '/';
	const bool keeps_format = image && image->format && (!hot || (advising->options->needs & NEED_SNAPSHOTS));

	shape->format = keeps_format ? image->format : "raw";
	shape->is_device = local && !strncmp(image->file, "/dev/", 5);
	shape->file = local ? image->file : NULL;
	if (shape->file && (keeps_format || shape->is_device || !hot))
		return;
	shape->is_device = true;
	shape->file = "/dev/VOLUME_GROUP/VOLUME";
	advising->advice->fill_in = "VOLUME_GROUP and VOLUME: a logical volume (or a partition, or a namespace) of the "
				    "disk's size, into which the image is copied: qemu-img convert -O raw, or virsh "
				    "blockcopy while the guest runs";
}

static struct disk_shape shape_of(struct advising *advising)
{
	const struct guest_disk *disk = advising->disk;
	struct disk_shape shape = {
		.virtio = !rule_word_is(disk->bus, "scsi"),
		.queues = queues_for(advising->guest),
		.discard = rule_word_is(disk->discard, "unmap|on") ? "unmap" : "ignore",
		.id = disk->id       ? disk->id
		      : disk->target ? disk->target
				     : "disk0",
		.target = disk->target && strncmp(disk->target, "hd", 2) != 0 ? disk->target : NULL,
	};

	if (!shape.target)
		shape.target = shape.virtio ? "vda" : "sda";
	place_image(advising, &shape);
	return shape;
}

static void disk_xml(struct advising *advising, const struct disk_shape *shape)
{
	struct tree *tree = advising->tree;
	const char *queues = shape->virtio ? tree_format(tree, " queues='%u' iothread='1'", shape->queues) : "";
	const char *controller = shape->virtio ? ""
					       : tree_format(tree,
							     "<controller type='scsi' model='virtio-scsi'>\n"
							     "  <driver queues='%u' iothread='1'/>\n"
							     "</controller>\n",
							     shape->queues);

	advising->advice->libvirt =
		tree_format(tree,
			    "<iothreads>1</iothreads>\n"
			    "%s"
			    "<disk type='%s' device='disk'>\n"
			    "  <driver name='qemu' type='%s' cache='none' io='native' discard='%s'%s/>\n"
			    "  <source %s='%s'/>\n"
			    "  <target dev='%s' bus='%s'/>\n"
			    "</disk>\n",
			    controller, shape->is_device ? "block" : "file", advise_xml(tree, shape->format),
			    shape->discard, queues, shape->is_device ? "dev" : "file", advise_xml(tree, shape->file),
			    advise_xml(tree, shape->target), shape->virtio ? "virtio" : "scsi");
}

static void disk_options(struct advising *advising, const struct disk_shape *shape)
{
	struct tree *tree = advising->tree;
	const char *id = advise_option(tree, shape->id);
	const char *device =
		shape->virtio ? tree_format(tree,
					    "-device virtio-blk-pci,id=%s,drive=strait-disk,iothread=strait-io,"
					    "num-queues=%u\n",
					    id, shape->queues)
			      : tree_format(tree,
					    "-device virtio-scsi-pci,id=strait-scsi,iothread=strait-io,num_queues=%u\n"
					    "-device scsi-hd,id=%s,drive=strait-disk,bus=strait-scsi.0\n",
					    shape->queues, id);

	advising->advice->qemu =
		tree_format(tree,
			    "-object iothread,id=strait-io\n"
			    "-blockdev driver=%s,node-name=strait-file,filename=%s,cache.direct=on,aio=native,"
			    "discard=%s\n"
			    "-blockdev driver=%s,node-name=strait-disk,file=strait-file,cache.direct=on,discard=%s\n"
			    "%s",
			    shape->is_device ? "host_device" : "file", advise_option(tree, shape->file), shape->discard,
			    advise_option(tree, shape->format), shape->discard, device);
}

void advise_shape_virtio_disk(struct advising *advising)
{
	struct disk_shape shape;

	if (rule_is_vhost_user(advising->disk)) {
		/* What QEMU does not do it cannot do better. */
		advise_shape_vhost_disk(advising, queues_for(advising->guest));
		return;
	}
	shape = shape_of(advising);
	disk_xml(advising, &shape);
	disk_options(advising, &shape);
}

static unsigned nic_queues(const struct advising *advising)
{
	const unsigned vcpus = queues_for(advising->guest);

	return is_hot(advising->advice) || vcpus < NIC_QUEUES_GENERAL ? vcpus : NIC_QUEUES_GENERAL;
}

static void tap_nic(struct advising *advising, unsigned queues, const char *xml_mac, const char *option_mac)
{
	struct tree *tree = advising->tree;
	const struct guest_nic *nic = advising->nic;
	const struct host_net *tap = nic->interface ? host_net_find(&advising->host->nets, nic->interface) : NULL;
	const char *bridge = tap ? tap->master : NULL;

	if (!bridge) {
		bridge = "BRIDGE";
		advising->advice->fill_in =
			"BRIDGE: the bridge of the host that the guest is to be a port of; for QEMU "
			"a tap device of as many queues, made before: ip tuntap add ... multi_queue";
	}
	advising->advice->libvirt = tree_format(tree,
						"<interface type='bridge'>\n"
						"%s"
						"  <source bridge='%s'/>\n"
						"  <model type='virtio'/>\n"
						"  <driver name='vhost' queues='%u' rx_queue_size='1024'/>\n"
						"</interface>\n",
						xml_mac, advise_xml(tree, bridge), queues);
	advising->advice->qemu = tree_format(
		tree,
		"-netdev tap,id=strait-net,ifname=%s,script=no,downscript=no,vhost=on,queues=%u\n"
		"-device virtio-net-pci,netdev=strait-net,mq=on,vectors=%u,rx_queue_size=1024%s\n",
		nic->interface ? advise_option(tree, nic->interface) : "tap0", queues, 2 * queues + 2, option_mac);
}

void advise_shape_virtio_nic(struct advising *advising)
{
	struct tree *tree = advising->tree;
	const struct guest_nic *nic = advising->nic;
	const char *xml_mac = nic->mac ? tree_format(tree, "  <mac address='%s'/>\n", advise_xml(tree, nic->mac)) : "";
	const char *option_mac = nic->mac ? tree_format(tree, ",mac=%s", advise_option(tree, nic->mac)) : "";
	const unsigned queues = nic_queues(advising);
	const struct advice *advice = advising->advice;

	/* More queues and what else is in its way come first. */
	if (nic->vhost_socket ||
	    (advice->answer == ADVICE_VIRTIO && advice->near_end && advice->way == ADVICE_WAY_VHOST_NET))
		advise_shape_vhost_nic(advising, queues, xml_mac, option_mac);
	else
		tap_nic(advising, queues, xml_mac, option_mac);
}

/* "0000:01:00.0" in the words of libvirt. Of what is no such address, as much as can be read. */
static const char *xml_address(struct tree *tree, const char *address, const char *type)
{
	unsigned domain = 0, bus = 0, slot = 0, function = 0;

	if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return "";
	return tree_format(tree, "<address%s domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>", type,
			   domain, bus, slot, function);
}

void advise_shape_passthrough(struct advising *advising)
{
	struct tree *tree = advising->tree;
	const char *address = advising->device->address;
	const char *mac = advising->nic ? advising->nic->mac : NULL;

	/* libvirt takes a virtual function alone as an interface. */
	if (advising->nic && advising->device->physical)
		advising->advice->libvirt =
			tree_format(tree,
				    "<interface type='hostdev' managed='yes'>\n"
				    "%s"
				    "  <source>\n"
				    "    %s\n"
				    "  </source>\n"
				    "</interface>\n",
				    mac ? tree_format(tree, "  <mac address='%s'/>\n", advise_xml(tree, mac)) : "",
				    xml_address(tree, address, " type='pci'"));
	else
		advising->advice->libvirt = tree_format(tree,
							"<hostdev mode='subsystem' type='pci' managed='yes'>\n"
							"  <source>\n"
							"    %s\n"
							"  </source>\n"
							"</hostdev>\n",
							xml_address(tree, address, ""));
	advising->advice->qemu = tree_format(tree, "-device vfio-pci,host=%s\n", advise_option(tree, address));
	advising->advice->fill_in =
		advising->disk ? "nothing; but the data has to be copied to the drive, and without libvirt "
				 "it has to be bound to vfio-pci"
			       : "nothing; but without libvirt the function has to be bound to vfio-pci, "
				 "and given its MAC address by ip link set ... vf";
}
