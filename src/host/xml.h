/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_XML_H
#define STRAIT_HOST_XML_H

#include <libxml/tree.h>

#include "host/tree.h"
#include "host/value.h"

/*
 * Reading XML that somebody else has written. Nodes may be NULL everywhere, and what is not there is NULL: so a chain
 * of calls is enough to ask for what may be missing. Texts are the tree's.
 */

/* NULL: no XML, or one with a document type: libvirt writes none, and entities are what attacks are made of. */
xmlDoc *xml_parse(const char *text, size_t length);

/* The first element of that name in a node, and the next one of the same name beside it. */
const xmlNode *xml_child(const xmlNode *node, const char *name);
const xmlNode *xml_next(const xmlNode *node);
unsigned xml_count(const xmlNode *node, const char *name);

/* An attribute of a node's child; child NULL: of the node itself. */
const char *xml_get(struct tree *tree, const xmlNode *node, const char *child, const char *attribute);
/* The text in a child, without white space at its ends. */
const char *xml_text(struct tree *tree, const xmlNode *node, const char *child);

/* Whether it is this word. */
bool xml_has(const xmlNode *node, const char *child, const char *attribute, const char *word);

/* Numbers: HOST_UNKNOWN where there is none, or it is negative. */
int64_t xml_number(const xmlNode *node, const char *child, const char *attribute);
int64_t xml_text_number(const xmlNode *node, const char *child);
/* Bytes: a number in a child, or in an attribute, with unit="KiB" and the like; fallback: libvirt's default unit. */
int64_t xml_size(const xmlNode *node, const char *attribute, const char *fallback);

/* "yes" and "on", "no" and "off" */
host_answer xml_answer(const xmlNode *node, const char *child, const char *attribute);

#endif
