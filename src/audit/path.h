/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_PATH_H
#define STRAIT_AUDIT_PATH_H

#include "host/host.h"

/*
 * The way of a guest's I/O, layer by layer: from the device that the guest sees down to the hardware. A layer
 * says what it is, the facts that matter to I/O, and in a few words what it costs or risks. All memory is the
 * tree's; texts are as the machine has them (audit_clean() before they are shown).
 */
enum path_weight {
	PATH_COST, /* time, or work for others */
	PATH_RISK, /* of data, of a stall, or of much more time than need be */
};

struct path_fact {
	const char *key, *value;
	bool bare; /* the value says enough without its key */
};

struct path_note {
	enum path_weight weight;
	const char *text;
};

struct path_layer {
	const char *kind; /* "device", "thread", "cache", "image", "file system", "disk", "interrupts", ... */
	const char *name;
	bool of_guest; /* no other guest can have it in its path */
	struct path_fact *fact;
	unsigned fact_count;
	struct path_note *note;
	unsigned note_count;
	/*
	 * What it stands on. Two layers may stand on the same one (an image and its backing file on one file system),
	 * and nothing keeps a hostile capture from making circles.
	 */
	struct path_layer **below;
	unsigned below_count;
};

enum path_kind { PATH_DISK, PATH_NIC, PATH_HOSTDEV };

/* One device's path. */
struct path {
	const struct guest *guest;
	enum path_kind kind;
	const char *name; /* as libvirt or QEMU have it */
	struct path_layer *top;
};

struct path_list {
	struct path *path;
	unsigned count;
};

/* The paths of a guest; device: one alone, by what guest_disk_find() and its like know, else all. */
struct path_list path_of_guest(struct host *host, const struct guest *guest, const char *device);

/* Whether any layer of a path is of this weight or above. */
bool path_has_note(const struct path *path, enum path_weight weight);

#endif
