/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "audit/clean.h"
#include "audit/map.h"
#include "audit/path_build.h"

/* Where what a layer is called begins. */
#define LABEL 16
/* Text is never squeezed into less. */
#define LEAST 24

struct drawing {
	FILE *out;
	struct tree *tree;
	const struct map_style *style;
	const struct path_layer *seen[MAP_LAYERS_MAX];
	unsigned seen_count;
};

/* Characters, not bytes. */
static unsigned columns(const char *text, size_t length)
{
	unsigned count = 0;

	for (size_t i = 0; i < length; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

static void start_colour(const struct drawing *drawing, const char *code)
{
	if (drawing->style->colour && code)
		fprintf(drawing->out, "\033[%sm", code);
}

static void end_colour(const struct drawing *drawing, const char *code)
{
	if (drawing->style->colour && code)
		fputs("\033[0m", drawing->out);
}

/* label, and text beside it; what does not fit goes on below, by words. */
static void print_line(const struct drawing *drawing, const char *first, const char *rest, const char *label,
		       const char *text, const char *code)
{
	const unsigned width = drawing->style->width, begin = columns(rest, strlen(rest)) + LABEL;
	const unsigned room = !width ? ~0u : width > begin + LEAST ? width - begin : LEAST;
	unsigned used = 0;

	/* Nothing beside it: no blanks at the end either. */
	fprintf(drawing->out, "%s%-*s", first, *text ? (int)(begin - columns(first, strlen(first))) : 0, label);
	start_colour(drawing, code);
	while (*text) {
		const size_t length = strcspn(text, " ");

		if (used && used + 1 + columns(text, length) > room) {
			fprintf(drawing->out, "\n%s%*s", rest, LABEL, "");
			used = 0;
		} else if (used) {
			fputc(' ', drawing->out);
			used++;
		}
		fprintf(drawing->out, "%.*s", (int)length, text);
		used += columns(text, length);
		text += length + strspn(text + length, " ");
	}
	end_colour(drawing, code);
	fputc('\n', drawing->out);
}

static const char *describe(const struct drawing *drawing, const struct path_layer *layer)
{
	const char *name = layer->name ? layer->name : "";
	const char *text = tree_format(drawing->tree, "%s%s", name, *name && layer->fact_count ? ": " : "");

	for (unsigned i = 0; i < layer->fact_count; i++) {
		const struct path_fact *fact = &layer->fact[i];

		text = tree_format(drawing->tree, "%s%s%s%s%s", text, i ? ", " : "", fact->bare ? "" : fact->key,
				   fact->bare ? "" : " ", fact->value);
	}
	return audit_clean(drawing->tree, text);
}

static void print_notes(const struct drawing *drawing, const char *rest, const struct path_layer *layer)
{
	/* A line down to what it stands on, where that is more than one. */
	const char *line = layer->below_count < 2 ? "" : drawing->style->unicode ? "│" : "|";
	const char *first = tree_format(drawing->tree, "%s%s", rest, line);

	for (unsigned i = 0; i < layer->note_count; i++) {
		const bool risk = layer->note[i].weight == PATH_RISK;
		const char *text = tree_format(drawing->tree, "%s: %s", risk ? "risk" : "cost", layer->note[i].text);

		print_line(drawing, first, rest, "", audit_clean(drawing->tree, text), risk ? "31" : "33");
	}
}

static bool was_seen(struct drawing *drawing, const struct path_layer *layer)
{
	for (unsigned i = 0; i < drawing->seen_count; i++) {
		if (drawing->seen[i] == layer)
			return true;
	}
	if (drawing->seen_count == MAP_LAYERS_MAX)
		return true;
	drawing->seen[drawing->seen_count++] = layer;
	return false;
}

static void draw(struct drawing *drawing, const char *first, const char *rest, const struct path_layer *layer)
{
	const bool unicode = drawing->style->unicode;
	const bool bare = !layer->name && !layer->fact_count;
	const char *label = tree_format(drawing->tree, bare ? "%s" : "%s ", layer->kind);

	if (was_seen(drawing, layer)) {
		print_line(drawing, first, rest, label,
			   tree_format(drawing->tree, "%s (above)",
				       layer->name ? audit_clean(drawing->tree, layer->name) : ""),
			   NULL);
		return;
	}
	print_line(drawing, first, rest, label, describe(drawing, layer), NULL);
	print_notes(drawing, rest, layer);
	if (layer->below_count == 1) {
		draw(drawing, rest, rest, layer->below[0]);
		return;
	}
	for (unsigned i = 0; i < layer->below_count; i++) {
		const bool last = i + 1 == layer->below_count;

		draw(drawing,
		     tree_format(drawing->tree, "%s%s", rest,
				 unicode ? (last ? "└─ " : "├─ ") : (last ? "`- " : "|- ")),
		     tree_format(drawing->tree, "%s%s", rest,
				 last      ? "   "
				 : unicode ? "│  "
					   : "|  "),
		     layer->below[i]);
	}
}

void map_text(FILE *out, struct tree *tree, const struct path *path, const struct map_style *style)
{
	static const char *const kinds[] = {[PATH_DISK] = "disk", [PATH_NIC] = "NIC", [PATH_HOSTDEV] = "device"};
	struct drawing drawing = {.out = out, .tree = tree, .style = style};
	const struct guest *guest = path->guest;
	const char *head = audit_clean(
		tree, tree_format(tree, "%s, %s %s", guest->name ? guest->name : "?", kinds[path->kind], path->name));

	start_colour(&drawing, "1");
	fputs(head, out);
	end_colour(&drawing, "1");
	if (guest->pid == HOST_UNKNOWN)
		fputs(" (does not run: as defined)", out);
	fputc('\n', out);
	draw(&drawing, "  ", "  ", path->top);
}
