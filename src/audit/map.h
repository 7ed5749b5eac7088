/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_MAP_H
#define STRAIT_AUDIT_MAP_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "audit/path.h"

/* Paths, drawn. Whether writing has failed is asked of out (ferror()). */
struct map_style {
	bool unicode, colour;
	unsigned width; /* facts and notes go on in another line; 0: never */
};

/* A path: a line each layer, notes below; a layer that two stand on is told once. */
void map_text(FILE *out, struct tree *tree, const struct path *path, const struct map_style *style);

/* For Graphviz: a cluster each guest; what guests share is one node. */
void map_dot(FILE *out, struct tree *tree, const struct path *path, unsigned count);

/*
 * [{"guest", "pid", "kind", "name", "layers": [{"id", "kind", "name", "facts": {}, "notes": [{"weight", "text"}],
 * "below": [id...]}]}], the device itself first. NULL: no memory; the caller's.
 */
json_t *map_json(struct tree *tree, const struct path *path, unsigned count);

/* The layers of a path, each once, from the top; at most room of them. Returns how many there are in layer. */
#define MAP_LAYERS_MAX 512u
unsigned map_layers(const struct path *path, const struct path_layer *layer[MAP_LAYERS_MAX]);

#endif
