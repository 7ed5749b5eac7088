/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine of any files is read, measured and judged without harm. An input is files, one after another: the path
 * up to a line's end, the length of the text in two bytes, and the text; "->" before a path makes it a link.
 */
#include "input.h"

#include "audit/audit.h"
#include "host/tree_parts.h"

/* Up to a line's end, as a string; false at the end of the input. */
static bool take_path(struct input *input, char *path, size_t size)
{
	const uint8_t *end = input->left ? memchr(input->at, '\n', input->left) : NULL;
	const size_t length = end ? (size_t)(end - input->at) : 0;

	if (!end || length >= size)
		return false;
	input_bytes(input, path, length);
	path[length] = '\0';
	input_u8(input);
	return true;
}

static void add_file(struct tree *tree, const char *path, const struct input *text)
{
	const bool link = strncmp(path, "->", 2) == 0;
	struct node *node;

	if (node_make(tree, link ? path + 2 : path, &node) < 0 || node == &tree->root || node->kind != NODE_ABSENT)
		return;
	/* A link's target is a string, and none is empty. */
	if (!link)
		node_fill(tree, node, NODE_FILE, (const char *)text->at, text->left);
	else if (text->left)
		node_fill(tree, node, NODE_LINK, (const char *)text->at, strnlen((const char *)text->at, text->left));
}

static struct tree *make_machine(const uint8_t *data, size_t size)
{
	struct input input = {.at = data, .left = size};
	struct tree *tree = tree_new(-1);
	char path[256];

	tree->node_max = TREE_NODES_MAX;
	while (take_path(&input, path, sizeof(path))) {
		const struct input text = input_cut(&input);

		add_file(tree, path, &text);
	}
	return tree;
}

static void check(const struct audit *audit)
{
	for (size_t i = 0; i < audit->count; i++) {
		MUST(audit->finding[i].rule && audit->finding[i].rule->id);
		MUST(audit->finding[i].status <= FINDING_FAIL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct audit_options all = {.contexts = CONTEXT_ALL};
	struct tree *tree = make_machine(data, size);
	struct error err = {0};

	if (manifest_load(tree, "machine", &err) == 0) {
		struct host *host = host_read(tree);

		for (unsigned i = 0; i < 4 && host_measure(host, 0, &err) == 0; i++)
			;
		check(audit_run(host, &all));
	}
	tree_close(tree);
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}
