/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_PATH_BUILD_H
#define STRAIT_AUDIT_PATH_BUILD_H

#include "audit/path.h"

/* How paths are made, one guest after another: path_*.c alone. */
struct path_build {
	struct tree *tree;
	struct host *host;
	const struct guest *guest;
	struct path_layer **layer; /* those made so far: what two paths share is made once */
	unsigned count;
	struct cpu_list guest_cpus; /* where the guest's vCPUs may run, if they are pinned */
	unsigned depth;
};

/* Stacks deeper than this are not believed. */
#define PATH_DEPTH 32u

/* A layer of this kind and name; *known says that it was made before, and is complete or becomes so. */
struct path_layer *path_layer(struct path_build *build, const char *kind, const char *name, bool *known);
/* One of the guest's own, put below above (which may be NULL). */
struct path_layer *path_own(struct path_build *build, struct path_layer *above, const char *kind, const char *name);
void path_put_below(struct path_build *build, struct path_layer *above, struct path_layer *below);

/* Values that are NULL, or negative, are not known and left out. */
void path_word(struct path_build *build, struct path_layer *layer, const char *key, const char *value);
void path_fact(struct path_build *build, struct path_layer *layer, const char *key, const char *value);
void path_number(struct path_build *build, struct path_layer *layer, const char *key, int64_t value);
void path_bytes(struct path_build *build, struct path_layer *layer, const char *key, uint64_t bytes);
void path_cpus(struct path_build *build, struct path_layer *layer, const char *key, const struct cpu_list *cpus);
void path_note(struct path_build *build, struct path_layer *layer, enum path_weight weight, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The parts; each puts below above what it finds. */
struct path_layer *path_disk(struct path_build *build, const struct guest_disk *disk);
struct path_layer *path_nic(struct path_build *build, const struct guest_nic *nic);
struct path_layer *path_hostdev(struct path_build *build, const struct guest_hostdev *hostdev);
/* A file, whether it is a device or lies on a file system; returns the layer of the latter, or NULL. */
struct path_layer *path_file(struct path_build *build, struct path_layer *above, const char *file);
void path_block(struct path_build *build, struct path_layer *above, const struct host_block *block);
void path_straitd(struct path_build *build, struct path_layer *above, const char *socket);
void path_net(struct path_build *build, struct path_layer *above, const struct host_net *net);
/* Controller, interrupts and node; name: what interrupts may be known by besides the address. node: where pci is NULL.
 */
void path_pci(struct path_build *build, struct path_layer *above, const char *pci, const char *name, int node);

#endif
