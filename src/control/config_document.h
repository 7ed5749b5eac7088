/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CONFIG_DOCUMENT_H
#define STRAIT_CONTROL_CONFIG_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "base/error.h"

/*
 * A configuration file as a tree in which each node knows its line.
 *
 * Why two YAML interfaces: libcyaml turns a document into C structures by a
 * schema (config_schema.h), but knows no place once it has loaded, accepts a
 * key given twice, and says what is wrong only in a log meant for developers.
 * libyaml, which libcyaml is made of, keeps the marks. So the tree is read
 * with libyaml, compared with the schema of libcyaml (config_shape.h), loaded
 * by libcyaml, and asked again for the line when a value makes no sense.
 */
struct config_document {
	const char *path; /* as the user wrote it; the caller's. "": it is no file, messages name no place in it */
	char *text;       /* the file, NUL-terminated */
	size_t length;
	yaml_document_t tree;
	bool has_tree;
};

/* Larger files and deeper nesting are not a configuration but an accident or an attack. */
#define CONFIG_MAX_FILE_SIZE ((size_t)1 << 20)
#define CONFIG_MAX_DEPTH     16

/*
 * Read and parse. Refuses what a configuration has no use for and what could
 * be used to blow it up: anchors, aliases, tags, a second document, NUL
 * characters. Call config_document_free() also after a failure.
 */
int config_document_load(const char *path, struct config_document *doc, struct error *err);

/* The same of length bytes of text, which is copied; path is for messages. */
int config_document_parse(const char *path, const char *text, size_t length, struct config_document *doc,
			  struct error *err);
void config_document_free(struct config_document *doc);

yaml_node_t *config_document_root(struct config_document *doc);

/* A value and where its key stands; for an item of a list, the item itself. Both NULL where there is none. */
struct config_place {
	const yaml_node_t *where;
	const yaml_node_t *value;
};

struct config_place config_document_key(struct config_document *doc, const yaml_node_t *mapping, const char *key);
struct config_place config_document_item(struct config_document *doc, const yaml_node_t *sequence, size_t index);

/* Set err to "FILE:LINE: text" and return -EINVAL. Without a node: "FILE: text". */
int config_document_error(const struct config_document *doc, const yaml_node_t *where, struct error *err,
			  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Text from a file, in quotes, for a message: shortened, without control characters. Returns buffer. */
#define CONFIG_QUOTE_SIZE 64
const char *config_quote(const char *text, char buffer[CONFIG_QUOTE_SIZE]);

#endif
