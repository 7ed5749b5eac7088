/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CONFIG_TREE_H
#define STRAIT_CONTROL_CONFIG_TREE_H

#include <jansson.h>

#include "control/config.h"
#include "control/config_document.h"

/*
 * A configuration as JSON and back to YAML (config.tree). What is written here
 * and loaded again is the same tree. NULL: no memory.
 */

/* Of a document, with the keys in their order. */
json_t *config_tree(struct config_document *doc);

/* Of a disk that was described on the command line. */
json_t *config_tree_single(const struct config_disk *disk);

/* A tree with other values for some keys, null: without them; a mapping within is merged, too (RFC 7396). */
json_t *config_tree_merge(const json_t *tree, const json_t *set);

/* As a file: YAML, block style, free(3) it. comment, lines without '#', stands at the top. */
char *config_tree_write(const json_t *tree, const char *comment);

#endif
