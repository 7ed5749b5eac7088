/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "audit/clean.h"
#include "audit/map.h"
#include "audit/path_build.h"
#include "host/array.h"

/* A layer, and the first one that is the same thing. */
struct node {
	const struct path_layer *layer;
	const struct guest *guest;
	unsigned same;
};

struct graph {
	FILE *out;
	struct tree *tree;
	struct node *node;
	unsigned count;
};

static bool is_same(const struct node *a, const struct node *b)
{
	if (a->layer == b->layer)
		return true;
	/* Layers of the host are made anew for each guest. */
	return !a->layer->of_guest && !b->layer->of_guest && a->layer->name && b->layer->name &&
	       strcmp(a->layer->kind, b->layer->kind) == 0 && strcmp(a->layer->name, b->layer->name) == 0;
}

static void add_path(struct graph *graph, const struct path *path)
{
	const struct path_layer *layer[MAP_LAYERS_MAX];
	const unsigned count = map_layers(path, layer);

	for (unsigned i = 0; i < count; i++) {
		struct node node = {layer[i], path->guest, graph->count};

		for (unsigned k = 0; k < graph->count && node.same == graph->count; k++) {
			if (is_same(&graph->node[k], &node))
				node.same = k;
		}
		graph->node = array_grow(graph->tree, graph->node, graph->count, sizeof(node));
		graph->node[graph->count++] = node;
	}
}

/* As a part of a quoted string; lines are separated by \n. */
static void print_text(const struct graph *graph, const char *text)
{
	for (text = audit_clean(graph->tree, text); *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', graph->out);
		fputc(*text, graph->out);
	}
}

static void print_node(const struct graph *graph, unsigned id)
{
	const struct path_layer *layer = graph->node[id].layer;
	bool risk = false;

	fprintf(graph->out, "\tn%u [label=\"", id);
	print_text(graph, tree_format(graph->tree, "%s %s", layer->kind, layer->name ? layer->name : ""));
	for (unsigned i = 0; i < layer->fact_count; i++) {
		fputs("\\n", graph->out);
		print_text(graph, tree_format(graph->tree, "%s: %s", layer->fact[i].key, layer->fact[i].value));
	}
	for (unsigned i = 0; i < layer->note_count; i++) {
		risk |= layer->note[i].weight == PATH_RISK;
		fputs("\\n! ", graph->out);
		print_text(graph, layer->note[i].text);
	}
	fprintf(graph->out, "\"%s];\n",
		risk                ? ", color=\"#c0392b\", penwidth=2"
		: layer->note_count ? ", color=\"#d68910\""
				    : "");
}

static void print_guest(const struct graph *graph, const struct guest *guest, unsigned number)
{
	fprintf(graph->out, "\tsubgraph cluster%u {\n\tlabel=\"", number);
	print_text(graph, guest->name ? guest->name : "?");
	fputs("\";\n", graph->out);
	for (unsigned i = 0; i < graph->count; i++) {
		if (graph->node[i].guest == guest && graph->node[i].layer->of_guest && graph->node[i].same == i)
			print_node(graph, i);
	}
	fputs("\t}\n", graph->out);
}

/* The number of a layer's node; it is there. */
static unsigned find(const struct graph *graph, const struct path_layer *layer)
{
	for (unsigned i = 0; i < graph->count; i++) {
		if (graph->node[i].layer == layer)
			return graph->node[i].same;
	}
	return graph->count;
}

static void print_edges(const struct graph *graph, unsigned id)
{
	const struct path_layer *layer = graph->node[id].layer;

	for (unsigned i = 0; i < layer->below_count; i++) {
		const unsigned to = find(graph, layer->below[i]);

		if (to < graph->count)
			fprintf(graph->out, "\tn%u -> n%u;\n", id, to);
	}
}

void map_dot(FILE *out, struct tree *tree, const struct path *path, unsigned count)
{
	struct graph graph = {.out = out, .tree = tree};
	const struct guest *guest = NULL;
	unsigned clusters = 0;

	for (unsigned i = 0; i < count; i++)
		add_path(&graph, &path[i]);
	fputs("digraph strait {\n\tnode [shape=box, fontname=\"sans-serif\", fontsize=10];\n", out);
	for (unsigned i = 0; i < count; i++) {
		if (path[i].guest != guest)
			print_guest(&graph, path[i].guest, clusters++);
		guest = path[i].guest;
	}
	for (unsigned i = 0; i < graph.count; i++) {
		if (graph.node[i].same == i && !graph.node[i].layer->of_guest)
			print_node(&graph, i);
	}
	for (unsigned i = 0; i < graph.count; i++) {
		if (graph.node[i].same == i)
			print_edges(&graph, i);
	}
	fputs("}\n", out);
}
