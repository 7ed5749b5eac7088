/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/tree_parts.h"

#define CHUNK_SIZE (64u << 10)
#define LINKS_MAX  40

struct chunk {
	struct chunk *next;
	size_t used, size;
	max_align_t bytes[];
};

static void die(void)
{
	static const char text[] = "no memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		abort();
	_exit(3);
}

void *tree_alloc(struct tree *tree, size_t bytes)
{
	struct chunk *chunk = tree->chunks;
	size_t need;
	void *memory;

	if (bytes > SIZE_MAX / 2)
		die();
	need = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!chunk || chunk->size - chunk->used < need) {
		const size_t size = need > CHUNK_SIZE / 4 ? need : CHUNK_SIZE;

		chunk = calloc(1, sizeof(*chunk) + size);
		if (!chunk)
			die();
		chunk->size = size;
		/* A big one is full at once: what is left in the current one stays in use. */
		if (tree->chunks && size != CHUNK_SIZE) {
			chunk->next = tree->chunks->next;
			tree->chunks->next = chunk;
		} else {
			chunk->next = tree->chunks;
			tree->chunks = chunk;
		}
	}
	memory = (char *)chunk->bytes + chunk->used;
	chunk->used += need;
	return memory;
}

char *tree_format(struct tree *tree, const char *format, ...)
{
	va_list args, again;
	char *text;
	int length;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		die();
	text = tree_alloc(tree, (size_t)length + 1);
	vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	return text;
}

struct tree *tree_new(int root_fd)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		die();
	tree->root_fd = root_fd;
	tree->root = (struct node){.kind = NODE_DIRECTORY, .name = "", .in_memory = root_fd < 0};
	tree->root.parent = &tree->root;
	tree->newest = &tree->root;
	tree->node_max = SIZE_MAX;
	return tree;
}

char *tree_buffer(struct tree *tree)
{
	if (!tree->buffer)
		tree->buffer = malloc(TREE_FILE_MAX + 1);
	if (!tree->buffer)
		die();
	return tree->buffer;
}

static void keep(void *node)
{
	(void)node;
}

/* What is to be done when the tree is closed. */
struct closing {
	void (*release)(void *what);
	void *what;
	struct closing *next;
};

void tree_at_close(struct tree *tree, void (*release)(void *what), void *what)
{
	struct closing *closing = tree_alloc(tree, sizeof(*closing));

	*closing = (struct closing){release, what, tree->closing};
	tree->closing = closing;
}

void tree_close(struct tree *tree)
{
	struct chunk *chunk, *next;

	if (!tree)
		return;
	for (struct closing *closing = tree->closing; closing; closing = closing->next)
		closing->release(closing->what);
	for (struct node *node = &tree->root; node; node = node->next)
		tdestroy(node->by_name, keep);
	for (chunk = tree->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	if (tree->root_fd >= 0)
		close(tree->root_fd);
	free(tree->sample_ns);
	free(tree->buffer);
	free(tree);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->name, ((const struct node *)b)->name);
}

struct node *node_child(struct node *directory, const char *name)
{
	const struct node key = {.name = name};
	struct node *const *found = tfind(&key, &directory->by_name, compare);

	return found ? *found : NULL;
}

struct node *node_add(struct tree *tree, struct node *directory, const char *name)
{
	struct node *node;

	if (tree->node_count >= tree->node_max)
		return NULL;
	tree->node_count++;
	node = tree_alloc(tree, sizeof(*node));
	node->name = tree_format(tree, "%s", name);
	node->parent = directory;
	node->in_memory = directory->in_memory;
	if (!tsearch(node, &directory->by_name, compare))
		die();
	if (directory->last)
		directory->last->next_sibling = node;
	else
		directory->first = node;
	directory->last = node;
	tree->newest->next = node;
	tree->newest = node;
	return node;
}

void node_fill(struct tree *tree, struct node *node, enum node_kind kind, const char *text, size_t length)
{
	char *copy = tree_alloc(tree, length + 1);

	memcpy(copy, text, length);
	tree->bytes += length;
	node_keep(node, kind, copy, length);
}

void node_keep(struct node *node, enum node_kind kind, const char *text, size_t length)
{
	node->kind = kind;
	node->taken = true;
	node->error = 0;
	node->text = text;
	node->length = length;
}

const char *node_path(struct tree *tree, const struct node *node)
{
	const char *names[PATH_MAX / 2];
	char path[PATH_MAX + NAME_MAX], *end = path;
	unsigned depth = 0;

	for (; node != &tree->root && depth < sizeof(names) / sizeof(names[0]); node = node->parent)
		names[depth++] = node->name;
	if (!depth)
		return "/";
	while (depth && end < path + PATH_MAX)
		end += snprintf(end, (size_t)(path + sizeof(path) - end), "/%s", names[--depth]);
	return tree_format(tree, "%s", path);
}

/* In what was captured only the names of directories that were listed are all there are. */
static int not_there(const struct tree *tree, const struct node *directory)
{
	return tree->partial && !directory->listed ? -ENODATA : -ENOENT;
}

int node_find(struct tree *tree, struct node *directory, const char *name, struct node **found)
{
	struct node *node = NULL;

	*found = directory;
	if (directory->kind != NODE_DIRECTORY)
		return directory->kind == NODE_HIDDEN ? directory->error : -ENOENT;
	node = node_child(directory, name);
	*found = NULL;
	if (!node) {
		if (directory->in_memory)
			return not_there(tree, directory);
		node = node_add(tree, directory, name);
		if (!node)
			return -ENOSPC;
		disk_find_out(tree, node);
		if (node->kind == NODE_ABSENT)
			node->error = not_there(tree, directory);
	}
	*found = node;
	if (node->kind == NODE_LINK && !node->taken)
		disk_find_out(tree, node);
	if (node->kind == NODE_ABSENT)
		return node->error ? node->error : -ENOENT;
	return node->kind == NODE_HIDDEN ? node->error : 0;
}

/* Cut the next name off; NULL at the end. */
static char *next_name(char **rest)
{
	char *name = *rest + strspn(*rest, "/");
	const size_t length = strcspn(name, "/");

	if (!length)
		return NULL;
	*rest = name + length + (name[length] != '\0');
	name[length] = '\0';
	return name;
}

/* Put a link's target before what is left of a path. */
static int put_target(char **rest, char buffer[PATH_MAX], const struct node *link)
{
	char old[PATH_MAX];

	snprintf(old, sizeof(old), "%s", *rest);
	*rest = buffer;
	if (snprintf(buffer, PATH_MAX, "%s/%s", link->text, old) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

int node_walk(struct tree *tree, const char *path, bool follow, struct node **found)
{
	char buffer[PATH_MAX], *rest = buffer, *name;
	struct node *at = &tree->root, *next;
	unsigned links = 0;
	int ret;

	*found = NULL;
	if (path[0] != '/' || strlen(path) >= sizeof(buffer))
		return path[0] != '/' ? -EINVAL : -ENAMETOOLONG;
	snprintf(buffer, sizeof(buffer), "%s", path);
	while ((name = next_name(&rest))) {
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			at = at->parent;
			continue;
		}
		ret = node_find(tree, at, name, &next);
		*found = next;
		if (ret < 0)
			return ret;
		if (next->kind != NODE_LINK || (!follow && !rest[strspn(rest, "/")])) {
			at = next;
			continue;
		}
		if (next->error)
			return next->error;
		if (++links > LINKS_MAX)
			return -ELOOP;
		if (next->text[0] == '/')
			at = &tree->root;
		ret = put_target(&rest, buffer, next);
		if (ret < 0)
			return ret;
	}
	*found = at;
	return 0;
}

int node_make(struct tree *tree, const char *path, struct node **made)
{
	char buffer[PATH_MAX], *rest = buffer, *name;
	struct node *at = &tree->root, *next;

	if (strlen(path) >= sizeof(buffer))
		return -ENAMETOOLONG;
	snprintf(buffer, sizeof(buffer), "%s", path);
	while ((name = next_name(&rest))) {
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0)
			return -EINVAL;
		if (at->kind == NODE_ABSENT) {
			at->kind = NODE_DIRECTORY;
			at->error = 0;
		}
		if (at->kind != NODE_DIRECTORY)
			return -ENOTDIR;
		next = node_child(at, name);
		if (!next)
			next = node_add(tree, at, name);
		if (!next)
			return -ENOSPC;
		at = next;
	}
	*made = at;
	return 0;
}
