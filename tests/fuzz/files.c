/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <string.h>

#include "host/tree_parts.h"

void files_add(struct tree *tree, const char *path, const char *text, size_t length)
{
	struct node *node;

	if (node_make(tree, path, &node) == 0 && node->kind == NODE_ABSENT)
		node_fill(tree, node, NODE_FILE, text, length);
}

const char *files_find(const char *at, const char *end)
{
	while (at < end && !(end - at > 3 && memcmp(at, "\n@/", 3) == 0))
		at++;
	return at;
}

void files_add_all(struct tree *tree, const char *text, const char *end)
{
	while (text < end) {
		const char *path = text + 2, *line = memchr(path, '\n', (size_t)(end - path)), *next;
		char name[256];

		if (!line || (size_t)(line - path) >= sizeof(name))
			return;
		memcpy(name, path, (size_t)(line - path));
		name[line - path] = '\0';
		next = files_find(line, end);
		files_add(tree, name, line + 1, next > line ? (size_t)(next - line - 1) : 0);
		text = next;
	}
}
