/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libvirt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "host/array.h"
#include "host/document.h"
#include "host/libvirt_ask.h"
#include "host/tree.h"

/* More domains than this are not on one machine. */
#define DOMAINS_MOST 4096u

/* What was gathered from libvirt, live: once, when the first document is asked for. */
struct gathered {
	json_t *all; /* as libvirt_gather() has it */
	int error;
	bool done;
};

/* One document out of what was gathered. */
struct request {
	struct gathered *gathered;
	size_t index;
};

/* The list, without the definitions, which are documents of their own. */
static ssize_t provide_domains(void *context, char **text)
{
	struct gathered *gathered = context;
	json_t *list, *domain;
	size_t i;

	if (!gathered->done) {
		gathered->done = true;
		gathered->error = libvirt_gather(&gathered->all);
	}
	if (gathered->error)
		return gathered->error;
	list = json_deep_copy(gathered->all);
	json_array_foreach(json_object_get(list, "domains"), i, domain) json_object_del(domain, "xml");
	return document_text(list, text);
}

static ssize_t provide_definition(void *context, char **text)
{
	const struct request *request = context;
	const json_t *domain = json_array_get(json_object_get(request->gathered->all, "domains"), request->index);
	const char *xml = json_string_value(json_object_get(domain, "xml"));

	*text = xml ? strdup(xml) : NULL;
	return !xml ? -ENOENT : *text ? (ssize_t)strlen(xml) : -ENOMEM;
}

static void note(struct tree *tree, struct host_guests *guests, const char *format, const char *name)
{
	if (!guests->libvirt_unreadable)
		guests->libvirt_unreadable = tree_format(tree, format, name);
}

static void read_domain(struct tree *tree, struct host_guests *guests, struct request *request, const json_t *domain)
{
	const char *name = json_string_value(json_object_get(domain, "name")), *xml;
	struct guest guest;
	ssize_t length;

	/* It becomes the name of a file. */
	if (!name || !*name || strchr(name, '/'))
		return;
	length = tree_ask(tree, &xml, provide_definition, request, "libvirt/%s.xml", name);
	if (length < 0 || !guest_read_xml(tree, xml, (size_t)length, &guest)) {
		note(tree, guests, "the definition of domain \"%s\" cannot be read", name);
		return;
	}
	guest.state = document_string(tree, domain, "state");
	guests->guest = array_grow(tree, guests->guest, guests->count, sizeof(guest));
	guests->guest[guests->count++] = guest;
}

static void read_list(struct tree *tree, struct host_guests *guests, struct gathered *gathered, const json_t *list)
{
	const json_t *domains = json_object_get(list, "domains"), *domain;
	const size_t count = json_array_size(domains);
	size_t i;

	guests->libvirt = document_string(tree, list, "uri");
	guests->libvirt_unreadable = document_string(tree, list, "error");
	if (count > DOMAINS_MOST)
		note(tree, guests, "%s lists more domains than there can be", "libvirt");
	json_array_foreach(domains, i, domain)
	{
		struct request request = {gathered, i};

		if (i < DOMAINS_MOST)
			read_domain(tree, guests, &request, domain);
	}
}

void host_libvirt_read(struct tree *tree, struct host_guests *guests)
{
	struct gathered gathered = {0};
	const char *text;
	ssize_t length = tree_ask(tree, &text, provide_domains, &gathered, "libvirt/domains.json");
	json_t *list = document_object(text, length);

	if (list)
		read_list(tree, guests, &gathered, list);
	else if (length >= 0)
		note(tree, guests, "%s: the list of domains is no JSON object", "libvirt");
	else if (length != -ENOENT)
		note(tree, guests, "libvirt cannot be asked: %s", strerror((int)-length));
	json_decref(list);
	json_decref(gathered.all);
}
