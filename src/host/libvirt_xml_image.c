/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/array.h"
#include "host/libvirt_xml.h"

/* "host:port", or the path of a socket; NULL: neither is said. */
static const char *server_of(struct tree *tree, const xmlNode *source, const char *fallback)
{
	const xmlNode *host = xml_child(source, "host");
	const char *name = xml_get(tree, host, NULL, "name"), *port = xml_get(tree, host, NULL, "port");

	if (!name)
		return xml_get(tree, host, NULL, "socket");
	return tree_format(tree, "%s:%s", name, port ? port : fallback);
}

/* As QEMU is told where something is by network (qemu_block.c has the same words). */
static const char *network_file(struct tree *tree, const xmlNode *source, const char *protocol)
{
	const char *name = xml_get(tree, source, NULL, "name"), *server, *lun;

	if (is(protocol, "rbd"))
		return name ? tree_format(tree, "rbd:%s", name) : NULL;
	if (is(protocol, "nbd")) {
		server = server_of(tree, source, "10809");
		return server ? tree_format(tree, "nbd:%s%s%s", server, name ? "/" : "", name ? name : "") : NULL;
	}
	if (is(protocol, "iscsi")) {
		server = server_of(tree, source, "3260");
		/* "iqn.2013-07.com.example:iscsi-nopool/2" */
		lun = name ? strrchr(name, '/') : NULL;
		return name ? tree_format(tree, "iscsi://%s/%s%s", server ? server : "", name, lun ? "" : "/0") : NULL;
	}
	if (is(protocol, "http") || is(protocol, "https")) {
		server = server_of(tree, source, is(protocol, "http") ? "80" : "443");
		return server ? tree_format(tree, "%s://%s/%s", protocol, server, name ? name : "") : NULL;
	}
	return name;
}

static const char *nvme_file(struct tree *tree, const xmlNode *source)
{
	const char *address = libvirt_xml_pci_address(tree, xml_child(source, "address")),
		   *namespace = xml_get(tree, source, NULL, "namespace");

	return address ? tree_format(tree, "nvme://%s/%s", address, namespace ? namespace : "1") : NULL;
}

/* Where an image lies: libvirt's type of a source is QEMU's protocol by other names. */
static void take_source(struct tree *tree, const xmlNode *node, const char *type, struct guest_image *image)
{
	const xmlNode *source = xml_child(node, "source");

	if (is(type, "block")) {
		image->protocol = "host_device";
		image->file = xml_get(tree, source, NULL, "dev");
	} else if (is(type, "network")) {
		image->protocol = xml_get(tree, source, NULL, "protocol");
		image->file = network_file(tree, source, image->protocol);
	} else if (is(type, "nvme")) {
		image->protocol = "nvme";
		image->file = nvme_file(tree, source);
	} else if (is(type, "dir")) {
		image->protocol = "vvfat";
		image->file = xml_get(tree, source, NULL, "dir");
	} else if (!is(type, "volume")) {
		/* Of a volume only the process shows where in its pool it is. */
		image->protocol = "file";
		image->file = xml_get(tree, source, NULL, "file");
	}
}

static const xmlNode *backing_of(const xmlNode *node)
{
	const xmlNode *backing = xml_child(node, "backingStore");

	/* The end of a chain is an empty element. */
	return xml_child(backing, "source") ? backing : NULL;
}

static int64_t metadata_cache(const xmlNode *driver)
{
	const int64_t size = xml_size(xml_child(xml_child(driver, "metadata_cache"), "max_size"), NULL, "bytes");

	return size > 0 ? size : 0;
}

void libvirt_xml_images(struct tree *tree, const xmlNode *node, struct guest_disk *disk)
{
	const xmlNode *at = xml_child(node, "source") ? node : NULL, *last = NULL;

	for (; at && disk->image_count < LIBVIRT_XML_MOST; at = backing_of(at)) {
		struct guest_image *image;

		disk->image = array_grow(tree, disk->image, disk->image_count, sizeof(*disk->image));
		image = &disk->image[disk->image_count++];
		image->preallocated = HOST_UNKNOWN;
		image->format = at == node ? xml_get(tree, at, "driver", "type") : xml_get(tree, at, "format", "type");
		if (at == node)
			image->cache_bytes = (uint64_t)metadata_cache(xml_child(at, "driver"));
		take_source(tree, at, xml_get(tree, at, NULL, "type"), image);
		last = at;
	}
	disk->whole = last && xml_child(last, "backingStore") && !backing_of(last);
}
