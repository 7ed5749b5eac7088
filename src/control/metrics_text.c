/* SPDX-License-Identifier: Apache-2.0 */
#include "control/metrics_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 65536

static void append(struct metrics_text *text, const char *bytes, size_t length)
{
	if (text->failed)
		return;
	if (text->room - text->length < length) {
		size_t room = text->room ? text->room : FIRST_ROOM;
		char *grown;

		while (room - text->length < length)
			room *= 2;
		grown = realloc(text->at, room);
		if (!grown) {
			text->failed = true;
			return;
		}
		text->at = grown;
		text->room = room;
	}
	memcpy(text->at + text->length, bytes, length);
	text->length += length;
}

static void append_string(struct metrics_text *text, const char *string)
{
	append(text, string, strlen(string));
}

/* printf(3) is most of the time otherwise: there are tens of thousands of numbers. */
static void append_uint(struct metrics_text *text, uint64_t value, unsigned digits)
{
	char number[20];
	unsigned at = sizeof(number);

	do {
		number[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value || sizeof(number) - at < digits);
	append(text, number + at, sizeof(number) - at);
}

static void append_seconds(struct metrics_text *text, uint64_t ns)
{
	uint64_t fraction = ns % 1000000000;
	unsigned digits = 9;

	append_uint(text, ns / 1000000000, 1);
	if (!fraction)
		return;
	while (fraction % 10 == 0) {
		fraction /= 10;
		digits--;
	}
	append(text, ".", 1);
	append_uint(text, fraction, digits);
}

void metrics_text_family(struct metrics_text *text, const char *name, const char *type, const char *help)
{
	const char *const parts[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		append_string(text, parts[i]);
}

/* NAMEsuffix{a="b",c="d" without the end, which is "}", or another label. True where a label is there already. */
static bool begin_sample(struct metrics_text *text, const char *name, const char *suffix,
			 const struct metrics_labels *labels)
{
	unsigned i;

	append_string(text, name);
	append_string(text, suffix);
	for (i = 0; labels && i < 3 && labels->name[i]; i++) {
		append(text, i ? "," : "{", 1);
		append_string(text, labels->name[i]);
		append(text, "=\"", 2);
		append_string(text, labels->value[i]);
		append(text, "\"", 1);
	}
	return i > 0;
}

static void begin_value(struct metrics_text *text, const char *name, const char *suffix,
			const struct metrics_labels *labels)
{
	if (begin_sample(text, name, suffix, labels))
		append(text, "}", 1);
	append(text, " ", 1);
}

void metrics_text_uint(struct metrics_text *text, const char *name, const struct metrics_labels *labels, uint64_t value)
{
	begin_value(text, name, "", labels);
	append_uint(text, value, 1);
	append(text, "\n", 1);
}

void metrics_text_seconds(struct metrics_text *text, const char *name, const struct metrics_labels *labels, uint64_t ns)
{
	begin_value(text, name, "", labels);
	append_seconds(text, ns);
	append(text, "\n", 1);
}

void metrics_text_double(struct metrics_text *text, const char *name, const struct metrics_labels *labels, double value)
{
	char number[40];

	begin_value(text, name, "", labels);
	append(text, number, (size_t)snprintf(number, sizeof(number), "%.15g\n", value));
}

void metrics_text_histogram(struct metrics_text *text, const char *name, const struct metrics_labels *labels,
			    const char *const *ends, const uint64_t *cumulative, unsigned count, uint64_t sum_ns)
{
	const size_t from = text->length;
	size_t head;

	append(text, begin_sample(text, name, "_bucket", labels) ? "," : "{", 1);
	append_string(text, "le=\"");
	head = text->length - from;
	for (unsigned i = 0; i <= count; i++) {
		if (i && !text->failed) {
			char copy[512];

			/* What the first one began with. */
			if (head > sizeof(copy)) {
				text->failed = true;
				return;
			}
			memcpy(copy, text->at + from, head);
			append(text, copy, head);
		}
		append_string(text, i < count ? ends[i] : "+Inf");
		append_string(text, "\"} ");
		append_uint(text, cumulative[i], 1);
		append(text, "\n", 1);
	}
	begin_value(text, name, "_sum", labels);
	append_seconds(text, sum_ns);
	append(text, "\n", 1);
	begin_value(text, name, "_count", labels);
	append_uint(text, cumulative[count], 1);
	append(text, "\n", 1);
}
