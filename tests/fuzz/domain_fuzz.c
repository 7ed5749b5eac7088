/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever is said to be a definition of libvirt's: reading it ends, within bounds, the model can be written down, and
 * what is left of it in a capture gives the same guest.
 */
#include "input.h"

#include <stdlib.h>
#include <string.h>

#include "host/libvirt.h"
#include "host/libvirt_strip.h"
#include "host/model_json.h"
#include "host/tree_parts.h"

#define COUNT_MAX 1024u

static json_t *read_guest(struct tree *tree, const char *xml, size_t length)
{
	struct guest guest;
	json_t *json;

	if (!guest_read_xml(tree, xml, length, &guest))
		return NULL;
	MUST(guest.name && guest.vcpu_count <= COUNT_MAX && guest.iothread_count <= COUNT_MAX);
	MUST(guest.disk_count <= COUNT_MAX && guest.nic_count <= COUNT_MAX && guest.memory.backend_count <= COUNT_MAX);
	for (unsigned i = 0; i < guest.disk_count; i++)
		MUST(guest.disk[i].image_count <= COUNT_MAX && guest.disk[i].iothread_count <= COUNT_MAX);
	json = host_guest_json(&guest);
	MUST(json);
	return json;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree *tree = tree_new(-1);
	char *xml = malloc(size + 1), *stripped;
	json_t *whole, *left;

	MUST(xml);
	memcpy(xml, data, size);
	xml[size] = '\0';
	/* What comes from the library is text, which ends where it has a NUL. */
	size = strlen(xml);
	whole = read_guest(tree, xml, size);
	stripped = libvirt_strip(xml);
	left = stripped ? read_guest(tree, stripped, strlen(stripped)) : NULL;
	MUST(!whole == !left && (!whole || json_equal(whole, left)));
	json_decref(whole);
	json_decref(left);
	free(stripped);
	free(xml);
	tree_close(tree);
	return 0;
}
