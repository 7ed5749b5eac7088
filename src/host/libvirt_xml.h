/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_LIBVIRT_XML_H
#define STRAIT_HOST_LIBVIRT_XML_H

#include <string.h>

#include "host/guest.h"
#include "host/xml.h"

/* Whether a text is there and is this word. */
static inline bool is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

/* The parts of a domain (libvirt, "Domain XML format"). domain is its root, devices the element in it. */
void libvirt_xml_cpu(struct tree *tree, const xmlNode *domain, struct guest *guest);
void libvirt_xml_threads(struct tree *tree, const xmlNode *domain, struct guest *guest);
void libvirt_xml_memory(struct tree *tree, const xmlNode *domain, struct guest *guest);
void libvirt_xml_disks(struct tree *tree, const xmlNode *devices, struct guest *guest);
void libvirt_xml_images(struct tree *tree, const xmlNode *disk_node, struct guest_disk *disk);
void libvirt_xml_nics(struct tree *tree, const xmlNode *devices, struct guest *guest);
void libvirt_xml_hostdevs(struct tree *tree, const xmlNode *devices, struct guest *guest);

/* "0000:01:00.0" of <address domain= bus= slot= function=>; NULL: not complete. */
const char *libvirt_xml_pci_address(struct tree *tree, const xmlNode *address);

/* More than this of anything in one domain is not believed. */
#define LIBVIRT_XML_MOST 1024u

#endif
