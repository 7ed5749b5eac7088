/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "host/tree_parts.h"

#define VERSION     1
#define SAMPLES_MAX 100000u
#define ERRNO_END   4096

/* "EACCES" and the like; of what nobody knows, -EIO. */
static int error_of(const char *name)
{
	for (int i = 1; name && i < ERRNO_END; i++) {
		const char *known = strerrorname_np(i);

		if (known && strcmp(known, name) == 0)
			return -i;
	}
	return -EIO;
}

/*
 * The node of a path, made where it is not there. NULL: that leads nowhere, or over a link, which no path of ours does.
 * In a directory on disk, what is there is looked at first.
 */
static struct node *place(struct tree *tree, const char *path)
{
	struct node *node;

	if (!path || path[0] != '/')
		return NULL;
	node_walk(tree, path, false, &node);
	return node_make(tree, path, &node) < 0 ? NULL : node;
}

static void take_errors(struct tree *tree, const json_t *errors)
{
	const char *path;
	json_t *name;

	json_object_foreach((json_t *)errors, path, name)
	{
		struct node *node = place(tree, path);

		if (!node || node == &tree->root)
			continue;
		if (node->kind == NODE_ABSENT)
			node->kind = NODE_HIDDEN;
		node->error = error_of(json_string_value(name));
		node->taken = true;
	}
}

static void take_absent(struct tree *tree, const json_t *paths)
{
	const json_t *path;
	size_t i;

	json_array_foreach(paths, i, path)
	{
		struct node *node = place(tree, json_string_value(path));

		if (node && node->kind == NODE_ABSENT)
			node->error = -ENOENT;
	}
}

static void take_listed(struct tree *tree, const json_t *paths)
{
	const json_t *path;
	size_t i;

	json_array_foreach(paths, i, path)
	{
		struct node *node = place(tree, json_string_value(path));

		if (node && node->kind == NODE_DIRECTORY)
			node->listed = true;
	}
}

/* When each sample began. */
static int take_samples(struct tree *tree, const json_t *samples)
{
	const size_t count = json_array_size(samples);

	if (count > SAMPLES_MAX)
		return -E2BIG;
	if (!count)
		return 0;
	tree->sample_ns = calloc(count, sizeof(*tree->sample_ns));
	if (!tree->sample_ns)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const json_int_t ns = json_integer_value(json_array_get(samples, i));

		if (ns < 0 || (i && (uint64_t)ns < tree->sample_ns[i - 1]))
			return -EINVAL;
		tree->sample_ns[i] = (uint64_t)ns;
		tree->sample_count++;
	}
	return 0;
}

static int refuse(const char *name, struct error *err, const char *what)
{
	return error_set(err, -EINVAL, "%s: " TREE_MANIFEST ": %s: take a new capture with this version of strait",
			 name, what);
}

static int take(struct tree *tree, const char *name, const json_t *manifest, struct error *err)
{
	const json_t *version = json_object_get(manifest, "version");

	if (!json_is_integer(version))
		return refuse(name, err, "\"version\" is missing: expected a capture's manifest");
	if (json_integer_value(version) != VERSION)
		return refuse(name, err, "\"version\" is not 1, which is all that this strait reads");
	if (take_samples(tree, json_object_get(manifest, "samples")) < 0)
		return refuse(name, err, "\"samples\": expected at most 100000 ascending times in nanoseconds");
	take_errors(tree, json_object_get(manifest, "errors"));
	take_absent(tree, json_object_get(manifest, "absent"));
	take_listed(tree, json_object_get(manifest, "listed"));
	tree->partial = json_is_array(json_object_get(manifest, "listed"));
	return 0;
}

int manifest_load(struct tree *tree, const char *name, struct error *err)
{
	const char *text;
	const ssize_t length = tree_read(tree, TREE_MANIFEST, &text);
	json_error_t where;
	json_t *manifest;
	int ret;

	if (length == -ENOENT)
		return 0;
	if (length < 0)
		return error_set(err, (int)length, "%s: " TREE_MANIFEST ": cannot be read: %s", name,
				 strerror((int)-length));
	manifest = json_loadb(text, (size_t)length, 0, &where);
	if (!manifest)
		return error_set(err, -EINVAL, "%s: " TREE_MANIFEST ": is no JSON: %s: the capture is damaged", name,
				 where.text);
	ret = take(tree, name, manifest, err);
	json_decref(manifest);
	return ret;
}
