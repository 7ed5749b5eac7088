/* SPDX-License-Identifier: Apache-2.0 */
#include "host/xml.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>

xmlDoc *xml_parse(const char *text, size_t length)
{
	xmlDoc *document;

	if (length > INT_MAX)
		return NULL;
	document = xmlReadMemory(text, (int)length, "domain", NULL,
				 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
	if (document && document->intSubset) {
		xmlFreeDoc(document);
		return NULL;
	}
	return document;
}

static bool is_called(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static const xmlNode *find(const xmlNode *node, const char *name)
{
	while (node && !is_called(node, name))
		node = node->next;
	return node;
}

const xmlNode *xml_child(const xmlNode *node, const char *name)
{
	return node ? find(node->children, name) : NULL;
}

const xmlNode *xml_next(const xmlNode *node)
{
	return find(node->next, (const char *)node->name);
}

unsigned xml_count(const xmlNode *node, const char *name)
{
	unsigned count = 0;

	for (const xmlNode *child = xml_child(node, name); child; child = xml_next(child))
		count++;
	return count;
}

/* The same text without white space at its ends. */
static const char *trim(xmlChar *text)
{
	char *from = (char *)text;
	size_t length;

	from += strspn(from, " \t\r\n");
	length = strlen(from);
	while (length && isspace((unsigned char)from[length - 1]))
		from[--length] = '\0';
	return from;
}

/* Copy to the tree what libxml2 has allocated. */
static const char *keep(struct tree *tree, xmlChar *text)
{
	const char *from = text ? trim(text) : "", *kept = *from ? tree_format(tree, "%s", from) : NULL;

	xmlFree(text);
	return kept;
}

static xmlChar *attribute_of(const xmlNode *node, const char *child, const char *attribute)
{
	if (child)
		node = xml_child(node, child);
	return node ? xmlGetNoNsProp(node, (const xmlChar *)attribute) : NULL;
}

const char *xml_get(struct tree *tree, const xmlNode *node, const char *child, const char *attribute)
{
	return keep(tree, attribute_of(node, child, attribute));
}

bool xml_has(const xmlNode *node, const char *child, const char *attribute, const char *word)
{
	xmlChar *text = attribute_of(node, child, attribute);
	const bool same = text && strcmp(trim(text), word) == 0;

	xmlFree(text);
	return same;
}

const char *xml_text(struct tree *tree, const xmlNode *node, const char *child)
{
	node = xml_child(node, child);
	return node ? keep(tree, xmlNodeGetContent(node)) : NULL;
}

static int64_t number_of(xmlChar *text)
{
	const char *from = text ? trim(text) : "";
	long long value;
	char *end;

	errno = 0;
	value = strtoll(from, &end, 0);
	if (errno || end == from || *end || value < 0)
		value = HOST_UNKNOWN;
	xmlFree(text);
	return value;
}

int64_t xml_number(const xmlNode *node, const char *child, const char *attribute)
{
	return number_of(attribute_of(node, child, attribute));
}

int64_t xml_text_number(const xmlNode *node, const char *child)
{
	node = xml_child(node, child);
	return node ? number_of(xmlNodeGetContent(node)) : HOST_UNKNOWN;
}

/* "KiB" and "K" are 1024, "KB" is 1000 (libvirt, formatdomain: memory). 0: no unit. */
static int64_t unit_of(const char *unit)
{
	static const char letters[] = "KMGTPE";
	const char *letter = strchr(letters, toupper((unsigned char)*unit));
	int64_t step, bytes = 1;

	if (strcasecmp(unit, "b") == 0 || strcasecmp(unit, "bytes") == 0)
		return 1;
	if (!*unit || !letter || (unit[1] && strcasecmp(unit + 1, "ib") != 0 && strcasecmp(unit + 1, "b") != 0))
		return 0;
	step = tolower((unsigned char)unit[1]) == 'b' ? 1000 : 1024;
	for (const char *at = letters; at <= letter; at++)
		bytes *= step;
	return bytes;
}

int64_t xml_size(const xmlNode *node, const char *attribute, const char *fallback)
{
	xmlChar *unit = attribute_of(node, NULL, "unit");
	const int64_t factor = unit_of(unit ? trim(unit) : fallback);
	int64_t value, bytes;

	xmlFree(unit);
	if (!node)
		return HOST_UNKNOWN;
	value = number_of(attribute ? attribute_of(node, NULL, attribute) : xmlNodeGetContent(node));
	if (value < 0 || !factor || __builtin_mul_overflow(value, factor, &bytes))
		return HOST_UNKNOWN;
	return bytes;
}

host_answer xml_answer(const xmlNode *node, const char *child, const char *attribute)
{
	if (xml_has(node, child, attribute, "yes") || xml_has(node, child, attribute, "on"))
		return 1;
	return xml_has(node, child, attribute, "no") || xml_has(node, child, attribute, "off") ? 0 : HOST_UNKNOWN;
}
