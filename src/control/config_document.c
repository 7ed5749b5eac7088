/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config_document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_PATH 120 /* of a long path, the end; the message behind it must fit as well */

/* Leaves room for quotes and the dots of what was cut. */
const char *config_quote(const char *text, char buffer[CONFIG_QUOTE_SIZE])
{
	size_t used = 0;

	buffer[used++] = '"';
	for (; *text && used < CONFIG_QUOTE_SIZE - 5; text++) {
		unsigned char c = (unsigned char)*text;

		buffer[used++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	if (*text) {
		/* Do not leave half a UTF-8 character behind. */
		while (used > 1 && ((unsigned char)buffer[used - 1] & 0xc0) == 0x80)
			used--;
		if (used > 1 && (unsigned char)buffer[used - 1] >= 0xc0)
			used--;
		memcpy(buffer + used, "...", 3);
		used += 3;
	}
	buffer[used++] = '"';
	buffer[used] = '\0';
	return buffer;
}

/* line counts from 1; 0 where there is none. */
static int error_at(const struct config_document *doc, size_t line, struct error *err, int code, const char *text)
{
	size_t length = strlen(doc->path);
	const char *tail = doc->path + (length > SHOWN_PATH ? length - SHOWN_PATH : 0);
	const char *dots = length > SHOWN_PATH ? "..." : "";

	if (!length)
		return error_set(err, code, "%s", text);
	if (line)
		return error_set(err, code, "%s%s:%zu: %s", dots, tail, line, text);
	return error_set(err, code, "%s%s: %s", dots, tail, text);
}

int config_document_error(const struct config_document *doc, const yaml_node_t *where, struct error *err,
			  const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_at(doc, where ? where->start_mark.line + 1 : 0, err, -EINVAL, text);
}

static int read_all(int fd, struct config_document *doc)
{
	doc->text = malloc(CONFIG_MAX_FILE_SIZE + 1);
	if (!doc->text)
		return -ENOMEM;
	for (;;) {
		ssize_t got = read(fd, doc->text + doc->length, CONFIG_MAX_FILE_SIZE + 1 - doc->length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		doc->length += (size_t)got;
		if (doc->length > CONFIG_MAX_FILE_SIZE)
			return -EFBIG;
	}
	doc->text[doc->length] = '\0';
	return 0;
}

static int read_file(struct config_document *doc, struct error *err)
{
	int fd = open(doc->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char text[160];
	int ret;

	ret = fd < 0 ? -errno : read_all(fd, doc);
	if (fd >= 0)
		close(fd);
	switch (ret) {
	case 0:
		return 0;
	case -EISDIR:
		return error_at(doc, 0, err, ret, "is a directory: expected a YAML file");
	case -EFBIG:
		snprintf(text, sizeof(text), "is too large: a configuration has at most %zu bytes",
			 CONFIG_MAX_FILE_SIZE);
		return error_at(doc, 0, err, ret, text);
	default:
		snprintf(text, sizeof(text), "cannot be read (%s): expected a YAML file that this user may read",
			 strerror(-ret));
		return error_at(doc, 0, err, ret, text);
	}
}

/* The line of a byte: the reader of libyaml counts bytes, not lines. */
static size_t line_of(const struct config_document *doc, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset && i < doc->length; i++)
		line += doc->text[i] == '\n';
	return line;
}

/* A line, counted from 1; "" where the file is shorter. */
static const char *line_text(const struct config_document *doc, size_t line)
{
	const char *at = doc->text;

	while (--line && (at = strchr(at, '\n')))
		at++;
	return at ? at : "";
}

static const char *quote_line(const char *at, char buffer[CONFIG_QUOTE_SIZE])
{
	char text[CONFIG_QUOTE_SIZE + 1];
	size_t length;

	at += strspn(at, " \t");
	length = strcspn(at, "\r\n");
	if (length >= sizeof(text))
		length = sizeof(text) - 1;
	memcpy(text, at, length);
	text[length] = '\0';
	return config_quote(text, buffer);
}

static int syntax_error(const struct config_document *doc, const yaml_parser_t *parser, struct error *err)
{
	const char *problem = parser->problem ? parser->problem : "unknown problem";
	char quoted[CONFIG_QUOTE_SIZE], text[sizeof(err->text)];
	const char *at;
	size_t line;

	switch (parser->error) {
	case YAML_MEMORY_ERROR:
		return error_at(doc, 0, err, -ENOMEM, "out of memory while it was parsed");
	case YAML_READER_ERROR:
		line = line_of(doc, parser->problem_offset);
		snprintf(text, sizeof(text), "is not a text file in UTF-8: %s (byte 0x%02x at offset %zu)", problem,
			 (unsigned)(unsigned char)
				 doc->text[parser->problem_offset < doc->length ? parser->problem_offset : doc->length],
			 parser->problem_offset);
		return error_at(doc, line, err, -EINVAL, text);
	default:
		line = parser->problem_mark.line + 1;
		at = line_text(doc, line);
		snprintf(text, sizeof(text), "is not valid YAML near %s, column %zu: %s%s%s%s", quote_line(at, quoted),
			 parser->problem_mark.column + 1, parser->context ? parser->context : "",
			 parser->context ? ", " : "", problem,
			 at[strspn(at, " ")] == '\t' ? " (a tab: indent with spaces)" : "");
		return error_at(doc, line, err, -EINVAL, text);
	}
}

struct scan {
	unsigned depth;
	unsigned documents;
};

static const char *property_objection(const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return "an anchor (&): anchors and aliases are not allowed, write the value out";
	return tag ? "a tag (!): tags are not allowed, write the plain value" : NULL;
}

/* What is wrong with an event although it is YAML; NULL: nothing. */
static const char *objection(struct scan *scan, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++scan->documents > 1)
			return "a second document (---): a configuration is one document";
		return NULL;
	case YAML_ALIAS_EVENT:
		return "an alias (*): anchors and aliases are not allowed, write the value out";
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++scan->depth > CONFIG_MAX_DEPTH)
			return "lists and mappings nested too deep: nothing in a configuration is";
		if (event->type == YAML_SEQUENCE_START_EVENT)
			return property_objection(event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return property_objection(event->data.mapping_start.anchor, event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		scan->depth--;
		return NULL;
	case YAML_SCALAR_EVENT:
		if (memchr(event->data.scalar.value, '\0', event->data.scalar.length))
			return "a NUL character in a text: expected printable characters";
		return property_objection(event->data.scalar.anchor, event->data.scalar.tag);
	default:
		return NULL;
	}
}

static int start_parser(yaml_parser_t *parser, const struct config_document *doc)
{
	if (!yaml_parser_initialize(parser))
		return -ENOMEM;
	/* Not guessed from the first bytes: places in messages count in bytes of UTF-8. */
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(parser, (const unsigned char *)doc->text, doc->length);
	return 0;
}

/*
 * libyaml compares each %TAG line with all before it before anyone is asked:
 * a megabyte of them would take seconds. A configuration has none.
 */
static int refuse_tag_directives(const struct config_document *doc, struct error *err)
{
	const char *at = doc->text;

	for (size_t line = 1; at; line++) {
		if (strncmp(at, "%TAG", 4) == 0)
			return error_at(doc, line, err, -EINVAL, "a %TAG line: tags are not allowed");
		at = strchr(at, '\n');
		if (at)
			at++;
	}
	return 0;
}

/* A pass over the events, which have no depth and expand nothing, before a tree is built. */
static int scan_events(struct config_document *doc, struct error *err)
{
	struct scan scan = {0};
	yaml_parser_t parser;
	bool more = true;
	int ret = start_parser(&parser, doc);

	if (ret < 0)
		return error_at(doc, 0, err, ret, "out of memory while it was parsed");
	while (more && ret == 0) {
		yaml_event_t event;
		const char *reason;

		if (!yaml_parser_parse(&parser, &event)) {
			ret = syntax_error(doc, &parser, err);
			break;
		}
		reason = objection(&scan, &event);
		if (reason)
			ret = error_at(doc, event.start_mark.line + 1, err, -EINVAL, reason);
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return ret;
}

static int build_tree(struct config_document *doc, struct error *err)
{
	yaml_parser_t parser;
	int ret = start_parser(&parser, doc);

	if (ret < 0)
		return error_at(doc, 0, err, ret, "out of memory while it was parsed");
	if (yaml_parser_load(&parser, &doc->tree))
		doc->has_tree = true;
	else
		ret = syntax_error(doc, &parser, err);
	yaml_parser_delete(&parser);
	return ret;
}

static int parse(struct config_document *doc, struct error *err)
{
	int ret = refuse_tag_directives(doc, err);

	if (ret == 0)
		ret = scan_events(doc, err);
	if (ret == 0)
		ret = build_tree(doc, err);
	if (ret == 0 && !config_document_root(doc))
		ret = error_at(doc, 1, err, -EINVAL, "is empty: expected at least a list of \"disks\"");
	return ret;
}

int config_document_load(const char *path, struct config_document *doc, struct error *err)
{
	int ret;

	memset(doc, 0, sizeof(*doc));
	doc->path = path;
	ret = read_file(doc, err);
	return ret < 0 ? ret : parse(doc, err);
}

int config_document_parse(const char *path, const char *text, size_t length, struct config_document *doc,
			  struct error *err)
{
	memset(doc, 0, sizeof(*doc));
	doc->path = path;
	if (length > CONFIG_MAX_FILE_SIZE)
		return error_set(err, -EFBIG, "a configuration of %zu bytes is too large: expected at most %zu", length,
				 CONFIG_MAX_FILE_SIZE);
	doc->text = malloc(length + 1);
	if (!doc->text)
		return error_set(err, -ENOMEM, "out of memory for the configuration");
	memcpy(doc->text, text, length);
	doc->text[length] = '\0';
	doc->length = length;
	return parse(doc, err);
}

void config_document_free(struct config_document *doc)
{
	if (doc->has_tree)
		yaml_document_delete(&doc->tree);
	free(doc->text);
	memset(doc, 0, sizeof(*doc));
}

yaml_node_t *config_document_root(struct config_document *doc)
{
	return yaml_document_get_root_node(&doc->tree);
}

struct config_place config_document_key(struct config_document *doc, const yaml_node_t *mapping, const char *key)
{
	struct config_place place = {0};

	if (!mapping || mapping->type != YAML_MAPPING_NODE)
		return place;
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
	     pair++) {
		yaml_node_t *name = yaml_document_get_node(&doc->tree, pair->key);

		if (name->type == YAML_SCALAR_NODE && strcmp((char *)name->data.scalar.value, key) == 0) {
			place.where = name;
			place.value = yaml_document_get_node(&doc->tree, pair->value);
			break;
		}
	}
	return place;
}

struct config_place config_document_item(struct config_document *doc, const yaml_node_t *sequence, size_t index)
{
	struct config_place place = {0};

	if (sequence && sequence->type == YAML_SEQUENCE_NODE &&
	    index < (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start)) {
		place.value = yaml_document_get_node(&doc->tree, sequence->data.sequence.items.start[index]);
		place.where = place.value;
	}
	return place;
}
