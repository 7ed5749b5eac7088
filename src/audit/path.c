/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/path_build.h"
#include "client/table.h"
#include "host/array.h"

struct path_layer *path_layer(struct path_build *build, const char *kind, const char *name, bool *known)
{
	struct path_layer *layer;

	for (unsigned i = 0; i < build->count; i++) {
		layer = build->layer[i];
		*known = strcmp(layer->kind, kind) == 0 && layer->name && name && strcmp(layer->name, name) == 0;
		if (*known)
			return layer;
	}
	*known = false;
	layer = tree_alloc(build->tree, sizeof(*layer));
	layer->kind = kind;
	layer->name = name;
	build->layer = array_grow(build->tree, build->layer, build->count, sizeof(struct path_layer *));
	build->layer[build->count++] = layer;
	return layer;
}

void path_put_below(struct path_build *build, struct path_layer *above, struct path_layer *below)
{
	for (unsigned i = 0; i < above->below_count; i++) {
		if (above->below[i] == below)
			return;
	}
	above->below = array_grow(build->tree, above->below, above->below_count, sizeof(struct path_layer *));
	above->below[above->below_count++] = below;
}

struct path_layer *path_own(struct path_build *build, struct path_layer *above, const char *kind, const char *name)
{
	struct path_layer *layer = tree_alloc(build->tree, sizeof(*layer));

	layer->kind = kind;
	layer->name = name;
	layer->of_guest = true;
	if (above)
		path_put_below(build, above, layer);
	return layer;
}

static void add_fact(struct path_build *build, struct path_layer *layer, const char *key, const char *value, bool bare)
{
	if (!value || !*value)
		return;
	layer->fact = array_grow(build->tree, layer->fact, layer->fact_count, sizeof(*layer->fact));
	layer->fact[layer->fact_count++] = (struct path_fact){key, value, bare};
}

void path_word(struct path_build *build, struct path_layer *layer, const char *key, const char *value)
{
	add_fact(build, layer, key, value, true);
}

void path_fact(struct path_build *build, struct path_layer *layer, const char *key, const char *value)
{
	add_fact(build, layer, key, value, false);
}

void path_number(struct path_build *build, struct path_layer *layer, const char *key, int64_t value)
{
	if (value >= 0)
		add_fact(build, layer, key, tree_format(build->tree, "%lld", (long long)value), false);
}

void path_bytes(struct path_build *build, struct path_layer *layer, const char *key, uint64_t bytes)
{
	char text[CLIENT_TEXT];

	if (bytes)
		add_fact(build, layer, key, tree_format(build->tree, "%s", client_format_size(bytes, text)), true);
}

void path_cpus(struct path_build *build, struct path_layer *layer, const char *key, const struct cpu_list *cpus)
{
	add_fact(build, layer, key, cpu_list_format(build->tree, cpus), false);
}

void path_note(struct path_build *build, struct path_layer *layer, enum path_weight weight, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	layer->note = array_grow(build->tree, layer->note, layer->note_count, sizeof(*layer->note));
	layer->note[layer->note_count++] = (struct path_note){weight, tree_format(build->tree, "%s", text)};
	free(text);
}

/* Where the vCPUs of a guest may run; nothing where one of them may run anywhere. */
static struct cpu_list cpus_of(struct tree *tree, const struct host *host, const struct guest *guest)
{
	const char *text = "";

	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		if (!guest_thread_is_pinned(&guest->vcpu[i], &host->cpus))
			return (struct cpu_list){0};
		text = tree_format(tree, "%s%s%s", text, *text ? "," : "",
				   cpu_list_format(tree, &guest->vcpu[i].allowed));
	}
	return cpu_list_parse(tree, text);
}

static void add(struct path_build *build, struct path_list *list, enum path_kind kind, const char *name,
		struct path_layer *top)
{
	list->path = array_grow(build->tree, list->path, list->count, sizeof(*list->path));
	list->path[list->count++] = (struct path){build->guest, kind, name, top};
}

static const char *hostdev_name(const struct guest_hostdev *hostdev)
{
	return hostdev->id ? hostdev->id : hostdev->address ? hostdev->address : "?";
}

static bool is_hostdev(const struct guest_hostdev *hostdev, const char *device)
{
	return (hostdev->id && strcmp(hostdev->id, device) == 0) ||
	       (hostdev->address && strcmp(hostdev->address, device) == 0);
}

static void add_nics(struct path_build *build, struct path_list *list, const char *device)
{
	const struct guest *guest = build->guest;
	const struct guest_nic *nic = device ? guest_nic_find(guest, device) : NULL;

	for (unsigned i = 0; i < guest->nic_count; i++) {
		const struct guest_nic *it = &guest->nic[i];

		if (device && it != nic && !(it->interface && strcmp(it->interface, device) == 0))
			continue;
		add(build, list, PATH_NIC, it->id ? it->id : tree_format(build->tree, "nic%u", i), path_nic(build, it));
	}
}

struct path_list path_of_guest(struct host *host, const struct guest *guest, const char *device)
{
	struct path_build build = {.tree = host->tree, .host = host, .guest = guest};
	const struct guest_disk *disk = device ? guest_disk_find(guest, device) : NULL;
	struct path_list list = {0};

	build.guest_cpus = cpus_of(host->tree, host, guest);
	for (unsigned i = 0; i < guest->disk_count; i++) {
		const struct guest_disk *it = &guest->disk[i];
		const char *name = it->target ? it->target : it->id;

		if (!device || it == disk)
			add(&build, &list, PATH_DISK, name ? name : tree_format(host->tree, "disk%u", i),
			    path_disk(&build, it));
	}
	/* A number means a disk first. */
	if (!disk)
		add_nics(&build, &list, device);
	for (unsigned i = 0; i < guest->hostdev_count; i++) {
		if (!device || is_hostdev(&guest->hostdev[i], device))
			add(&build, &list, PATH_HOSTDEV, hostdev_name(&guest->hostdev[i]),
			    path_hostdev(&build, &guest->hostdev[i]));
	}
	return list;
}

static bool has_note(const struct path_layer *layer, enum path_weight weight, unsigned depth)
{
	for (unsigned i = 0; i < layer->note_count; i++) {
		if (layer->note[i].weight >= weight)
			return true;
	}
	for (unsigned i = 0; i < layer->below_count && depth < PATH_DEPTH; i++) {
		if (has_note(layer->below[i], weight, depth + 1))
			return true;
	}
	return false;
}

bool path_has_note(const struct path *path, enum path_weight weight)
{
	return has_note(path->top, weight, 0);
}
