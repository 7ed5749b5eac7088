/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libvirt_strip.h"

#include <stdbool.h>
#include <string.h>

#include "host/xml.h"

static bool is_any(const xmlNode *node, const char *const *names)
{
	for (; *names; names++) {
		if (strcmp((const char *)node->name, *names) == 0)
			return true;
	}
	return false;
}

/* Elements whose name is (or is not) one of these; names ends with NULL. */
static void drop(xmlNode *parent, const char *const *names, bool listed)
{
	for (xmlNode *node = parent ? parent->children : NULL, *next; node; node = next) {
		next = node->next;
		if (node->type != XML_ELEMENT_NODE || is_any(node, names) != listed)
			continue;
		xmlUnlinkNode(node);
		xmlFreeNode(node);
	}
}

char *libvirt_strip(const char *xml)
{
	/* <commandline> is of qemu's namespace: its options and its environment. */
	static const char *const of_domain[] = {"commandline", "override", "sysinfo", "description", NULL};
	static const char *const of_metadata[] = {"libosinfo", NULL};
	/* cmdline and initargs hand passwords to installers. */
	static const char *const of_os[] = {"cmdline", "initarg", "initenv", NULL};
	xmlDoc *document = xml_parse(xml, strlen(xml));
	xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
	xmlChar *text = NULL;
	char *copy;
	int size = 0;

	if (!root) {
		xmlFreeDoc(document);
		return NULL;
	}
	drop(root, of_domain, true);
	drop((xmlNode *)xml_child(root, "metadata"), of_metadata, false);
	drop((xmlNode *)xml_child(root, "os"), of_os, true);
	xmlDocDumpMemory(document, &text, &size);
	xmlFreeDoc(document);
	copy = text ? strdup((const char *)text) : NULL;
	xmlFree(text);
	return copy;
}
