/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/patience.h"
#include "host/tree_parts.h"

#define DOCUMENTS "/.strait/"

static int format_path(char path[PATH_MAX], const char *prefix, const char *format, va_list args)
{
	const size_t before = strlen(prefix);
	int length;

	memcpy(path, prefix, before + 1);
	length = vsnprintf(path + before, PATH_MAX - before, format, args);
	return length < 0 || (size_t)length >= PATH_MAX - before ? -ENAMETOOLONG : 0;
}

/* format_path() of what stands behind format in the function that calls it. */
#define FORMAT_PATH(path, prefix, format)                                                                              \
	({                                                                                                             \
		va_list args_;                                                                                         \
		int ret_;                                                                                              \
		va_start(args_, format);                                                                               \
		ret_ = format_path(path, prefix, format, args_);                                                       \
		va_end(args_);                                                                                         \
		ret_;                                                                                                  \
	})

/* What could not be read is remembered once, where it was. */
static int note(struct tree *tree, struct node *node, int error)
{
	if (!node || node->told || error == -ENOENT)
		return error;
	node->told = true;
	node->error = error;
	if (tree->last_told)
		tree->last_told->next_told = node;
	else
		tree->first_told = node;
	tree->last_told = node;
	return error;
}

struct too_large {
	const char *path;
	struct too_large *next;
};

void tree_note_too_large(struct tree *tree, const char *format, ...)
{
	struct too_large **at = &tree->too_large;
	char path[PATH_MAX];

	if (FORMAT_PATH(path, "", format) < 0)
		return;
	while (*at && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	if (*at)
		return;
	*at = tree_alloc(tree, sizeof(**at));
	(*at)->path = tree_format(tree, "%s", path);
}

void tree_unreadable(const struct tree *tree, void (*each)(void *context, const char *path, int error), void *context)
{
	for (const struct node *node = tree->first_told; node; node = node->next_told)
		each(context, node_path((struct tree *)tree, node), node->error);
	for (const struct too_large *at = tree->too_large; at; at = at->next)
		each(context, at->path, -E2BIG);
}

/* What the file holds, read from disk where it has not been. */
static ssize_t read_node(struct tree *tree, struct node *node, const char **text)
{
	ssize_t got;

	if (node->kind == NODE_DIRECTORY)
		return -EISDIR;
	if (node->kind != NODE_FILE)
		return note(tree, node, -EINVAL);
	if (!node->taken) {
		got = disk_read_file(tree, node);
		if (got >= 0)
			node_fill(tree, node, NODE_FILE, tree_buffer(tree), (size_t)got);
		else
			node->error = (int)got;
		node->taken = true;
	}
	if (node->error)
		return note(tree, node, node->error);
	*text = node->text;
	return (ssize_t)node->length;
}

ssize_t tree_read(struct tree *tree, const char *path, const char **text)
{
	struct node *node;
	const int ret = node_walk(tree, path, true, &node);

	*text = NULL;
	return ret < 0 ? note(tree, node, ret) : read_node(tree, node, text);
}

ssize_t tree_readf(struct tree *tree, const char **text, const char *format, ...)
{
	char path[PATH_MAX];
	int ret;

	*text = NULL;
	ret = FORMAT_PATH(path, "", format);
	return ret < 0 ? ret : tree_read(tree, path, text);
}

static const char *first_line(struct tree *tree, const char *path)
{
	const char *text;
	size_t length;

	if (tree_read(tree, path, &text) < 0)
		return NULL;
	text += strspn(text, " \t\r\n");
	length = strcspn(text, "\r\n");
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	return tree_format(tree, "%.*s", (int)length, text);
}

const char *tree_line(struct tree *tree, const char *format, ...)
{
	char path[PATH_MAX];
	int ret;

	ret = FORMAT_PATH(path, "", format);
	return ret < 0 ? NULL : first_line(tree, path);
}

int64_t tree_number(struct tree *tree, int64_t fallback, const char *format, ...)
{
	char path[PATH_MAX], *end;
	const char *line;
	long long number;
	int ret;

	ret = FORMAT_PATH(path, "", format);
	line = ret < 0 ? NULL : first_line(tree, path);
	if (!line)
		return fallback;
	errno = 0;
	number = strtoll(line, &end, strncmp(line, "0x", 2) == 0 ? 16 : 10);
	return errno || end == line || (*end && !isspace((unsigned char)*end)) ? fallback : number;
}

static int by_version(const void *a, const void *b)
{
	return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

/* Children that are there, in order. */
static void collect_names(struct tree *tree, struct node *node)
{
	const char **names;
	size_t count = 0;

	for (const struct node *child = node->first; child; child = child->next_sibling)
		count += child->kind != NODE_ABSENT;
	names = tree_alloc(tree, (count + 1) * sizeof(*names));
	count = 0;
	for (const struct node *child = node->first; child; child = child->next_sibling) {
		if (child->kind != NODE_ABSENT)
			names[count++] = child->name;
	}
	qsort(names, count, sizeof(*names), by_version);
	node->names = names;
	node->name_count = count;
	node->taken = true;
}

static ssize_t list_node(struct tree *tree, struct node *node, const char *const **names)
{
	if (node->kind != NODE_DIRECTORY)
		return -ENOTDIR;
	if (!node->taken) {
		node->error = node->in_memory ? 0 : disk_read_names(tree, node);
		if (!node->error && tree->partial && !node->listed)
			node->error = -ENODATA;
		node->listed = !node->error;
		collect_names(tree, node);
	}
	if (node->error)
		return note(tree, node, node->error);
	*names = node->names;
	return (ssize_t)node->name_count;
}

ssize_t tree_list(struct tree *tree, const char *path, const char *const **names)
{
	struct node *node;
	const int ret = node_walk(tree, path, true, &node);

	*names = NULL;
	return ret < 0 ? note(tree, node, ret) : list_node(tree, node, names);
}

ssize_t tree_listf(struct tree *tree, const char *const **names, const char *format, ...)
{
	char path[PATH_MAX];
	int ret;

	*names = NULL;
	ret = FORMAT_PATH(path, "", format);
	return ret < 0 ? ret : tree_list(tree, path, names);
}

/* The node of a path that FORMAT_PATH() made, or did not make. On an error, found is the node that has it, or NULL. */
static int find(struct tree *tree, struct node **found, const char *path, int formatted)
{
	*found = NULL;
	return formatted < 0 ? formatted : node_walk(tree, path, true, found);
}

bool tree_exists(struct tree *tree, const char *format, ...)
{
	char path[PATH_MAX];
	struct node *node;

	return find(tree, &node, path, FORMAT_PATH(path, "", format)) == 0;
}

const char *tree_next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end && end[1] ? end + 1 : NULL;
}

bool tree_hangs(struct tree *tree, const char *format, ...)
{
	char path[PATH_MAX];
	struct node *node;
	const int ret = find(tree, &node, path, FORMAT_PATH(path, "", format));

	return ret == -ETIMEDOUT && note(tree, node, ret);
}

const char *tree_resolve(struct tree *tree, const char *format, ...)
{
	char path[PATH_MAX];
	struct node *node;

	return find(tree, &node, path, FORMAT_PATH(path, "", format)) == 0 ? node_path(tree, node) : NULL;
}

const char *tree_link(struct tree *tree, const char *format, ...)
{
	char path[PATH_MAX];
	struct node *node = NULL;
	int ret;

	ret = FORMAT_PATH(path, "", format);
	if (ret < 0)
		return NULL;
	ret = node_walk(tree, path, false, &node);
	if (ret == 0 && node->kind == NODE_LINK)
		ret = node->error;
	if (ret < 0)
		note(tree, node, ret);
	return ret == 0 && node->kind == NODE_LINK ? node->text : NULL;
}

/* Keep what was provided: got is a length, or an error. */
static ssize_t keep(struct tree *tree, const char *path, const char *provided, ssize_t got, const char **text)
{
	struct node *node;
	const int ret = node_make(tree, path, &node);

	if (ret < 0)
		return ret;
	if (got > (ssize_t)TREE_FILE_MAX)
		got = -E2BIG;
	if (got >= 0) {
		node_fill(tree, node, NODE_FILE, provided, (size_t)got);
		*text = node->text;
		return got;
	}
	node->kind = got == -ENOENT ? NODE_ABSENT : NODE_HIDDEN;
	node->error = (int)got;
	return note(tree, node, (int)got);
}

static ssize_t ask(struct tree *tree, const char *path, const char **text, tree_provide *provide, void *context)
{
	char *provided = NULL;
	struct node *node;
	ssize_t got;

	if (tree->live && node_walk(tree, path, true, &node) == -ENOENT && !(node && node->error)) {
		got = provide(context, &provided);
		got = keep(tree, path, provided, got, text);
		free(provided);
		return got;
	}
	return tree_read(tree, path, text);
}

ssize_t tree_ask(struct tree *tree, const char **text, tree_provide *provide, void *context, const char *name, ...)
{
	char path[PATH_MAX];
	int ret;

	*text = NULL;
	ret = FORMAT_PATH(path, DOCUMENTS, name);
	return ret < 0 ? ret : ask(tree, path, text, provide, context);
}

/* After so many times it is so many ms: far more than what does not hang takes. */
#define TIMEOUTS_MAX 3u
#define IMPATIENCE   200

ssize_t tree_wait(struct tree *tree, tree_provide *provide, void *context, char **text)
{
	const ssize_t got =
		patience_ask(tree->timeouts < TIMEOUTS_MAX ? PATIENCE_MS : IMPATIENCE, provide, context, text);

	tree->timeouts += got == -ETIMEDOUT;
	return got;
}

struct patient {
	struct tree *tree;
	tree_provide *provide;
	void *context;
};

static ssize_t provide_patiently(void *context, char **text)
{
	const struct patient *patient = context;

	return tree_wait(patient->tree, patient->provide, patient->context, text);
}

ssize_t tree_ask_patiently(struct tree *tree, const char **text, tree_provide *provide, void *context, const char *name,
			   ...)
{
	struct patient patient = {tree, provide, context};
	char path[PATH_MAX];
	int ret;

	*text = NULL;
	ret = FORMAT_PATH(path, DOCUMENTS, name);
	return ret < 0 ? ret : ask(tree, path, text, provide_patiently, &patient);
}

static int sample_path(const struct tree *tree, char path[PATH_MAX], const char *prefix, const char *format,
		       va_list args)
{
	char before[64] = "";

	if (tree->sample)
		snprintf(before, sizeof(before), DOCUMENTS "samples/%u", tree->sample);
	snprintf(before + strlen(before), sizeof(before) - strlen(before), "%s", prefix);
	return format_path(path, before, format, args);
}

struct rereading {
	struct tree *tree;
	const char *path;
};

/* A file of the live machine as it is now. */
static ssize_t provide_again(void *context, char **text)
{
	const struct rereading *rereading = context;
	struct node *node;
	ssize_t got = node_walk(rereading->tree, rereading->path, true, &node);

	if (got == 0)
		got = node->kind == NODE_FILE ? disk_read_file(rereading->tree, node) : -EINVAL;
	if (got < 0)
		return got;
	*text = malloc((size_t)got + 1);
	if (!*text)
		return -ENOMEM;
	memcpy(*text, tree_buffer(rereading->tree), (size_t)got);
	return got;
}

ssize_t tree_reread(struct tree *tree, const char **text, const char *format, ...)
{
	char kept[PATH_MAX], path[PATH_MAX];
	struct rereading rereading = {.tree = tree, .path = path};
	va_list args, again;
	int ret;

	*text = NULL;
	va_start(args, format);
	va_copy(again, args);
	ret = sample_path(tree, kept, "", format, args);
	va_end(args);
	if (ret == 0)
		ret = format_path(path, "", format, again);
	va_end(again);
	if (ret < 0)
		return ret;
	return tree->sample ? ask(tree, kept, text, provide_again, &rereading) : tree_read(tree, path, text);
}

ssize_t tree_ask_again(struct tree *tree, const char **text, tree_provide *provide, void *context, const char *name,
		       ...)
{
	char path[PATH_MAX];
	va_list args;
	int ret;

	*text = NULL;
	va_start(args, name);
	ret = sample_path(tree, path, DOCUMENTS, name, args);
	va_end(args);
	return ret < 0 ? ret : ask(tree, path, text, provide, context);
}
