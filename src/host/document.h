/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_DOCUMENT_H
#define STRAIT_HOST_DOCUMENT_H

#include <jansson.h>

#include "host/value.h"

/*
 * Documents of a tree that are JSON. They may come from a capture, so nothing
 * of them is certain: what is of a wrong type is not there.
 */
struct tree;

/* The object that text is, to be freed with json_decref(); NULL where it is none. length may be a negative errno. */
json_t *document_object(const char *text, ssize_t length);

/* Members of an object; object may be NULL or of another type. */
const json_t *document_member(const json_t *object, const char *key); /* NULL: there is none */
int64_t document_number(const json_t *object, const char *key);       /* HOST_UNKNOWN: none, or below 0 */
host_answer document_answer(const json_t *object, const char *key);
const char *document_string(struct tree *tree, const json_t *object, const char *key); /* the tree's; NULL: none */

/* Make the text of a document of it and free it: for tree_ask()'s providers. */
ssize_t document_text(json_t *object, char **text);

#endif
