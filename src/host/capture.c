/* SPDX-License-Identifier: Apache-2.0 */
#include "host/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>

#include "host/tree_parts.h"

struct packing {
	struct tree *tree;
	struct capture *capture;
	struct archive *archive;
	json_t *errors, *absent, *listed;
	unsigned left_out_room;
	time_t now;
	size_t room; /* of capture->bytes */
};

static la_ssize_t grow(struct archive *archive, void *context, const void *bytes, size_t length)
{
	struct packing *packing = context;
	struct capture *capture = packing->capture;

	if (packing->room - capture->length < length) {
		const size_t room = (capture->length + length) * 2;
		char *more = realloc(capture->bytes, room);

		if (!more) {
			archive_set_error(archive, ENOMEM, "no memory");
			return -1;
		}
		capture->bytes = more;
		packing->room = room;
	}
	memcpy(capture->bytes + capture->length, bytes, length);
	capture->length += length;
	return (la_ssize_t)length;
}

static int put(struct packing *packing, const char *path, mode_t type, const char *text, size_t length)
{
	struct archive_entry *entry = archive_entry_new2(packing->archive);
	int ret;

	if (!entry)
		return -ENOMEM;
	archive_entry_set_pathname(entry, path + 1);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, type == AE_IFDIR ? 0755 : 0644);
	archive_entry_set_mtime(entry, packing->now, 0);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(entry, text);
	archive_entry_set_size(entry, type == AE_IFREG ? (la_int64_t)length : 0);
	ret = archive_write_header(packing->archive, entry);
	archive_entry_free(entry);
	if (ret == ARCHIVE_OK && type == AE_IFREG && length &&
	    archive_write_data(packing->archive, text, length) != (la_ssize_t)length)
		ret = ARCHIVE_FATAL;
	packing->capture->files += type == AE_IFREG;
	return ret == ARCHIVE_OK ? 0 : -EIO;
}

static void left_out(struct packing *packing, const char *path, const char *what)
{
	struct capture *capture = packing->capture;
	struct capture_left_out *more;

	if (capture->left_out_count == packing->left_out_room) {
		packing->left_out_room = packing->left_out_room ? packing->left_out_room * 2 : 16;
		more = tree_alloc(packing->tree, packing->left_out_room * sizeof(*more));
		if (capture->left_out_count)
			memcpy(more, capture->left_out, capture->left_out_count * sizeof(*more));
		capture->left_out = more;
	}
	capture->left_out[capture->left_out_count++] = (struct capture_left_out){.path = path, .what = what};
}

static void put_error(struct packing *packing, const char *path, int error)
{
	const char *name = strerrorname_np(-error);

	json_object_set_new(packing->errors, path, json_string(name ? name : "EIO"));
}

static int put_file(struct packing *packing, const struct node *node, const char *path)
{
	const char *text = node->text, *what = NULL;
	size_t length = node->length;

	if (!node->taken || node->error) {
		put_error(packing, path, node->taken ? node->error : -ENODATA);
		return put(packing, path, AE_IFREG, NULL, 0);
	}
	text = capture_clean(packing->tree, path, text, &length, &what);
	if (what)
		left_out(packing, path, what);
	return put(packing, path, AE_IFREG, text, length);
}

static int put_link(struct packing *packing, struct node *node, const char *path)
{
	/* One of a directory that was listed, and that nobody has followed yet. */
	if (!node->taken)
		disk_find_out(packing->tree, node);
	if (node->kind == NODE_LINK && !node->error)
		return put(packing, path, AE_IFLNK, node->text, node->length);
	if (node->kind != NODE_ABSENT)
		put_error(packing, path, node->error ? node->error : -ENODATA);
	return 0;
}

static int put_directory(struct packing *packing, const struct node *node, const char *path)
{
	if (node->error)
		put_error(packing, path, node->error);
	else if (node->taken)
		json_array_append_new(packing->listed, json_string(path));
	return node == &packing->tree->root ? 0 : put(packing, path, AE_IFDIR, NULL, 0);
}

/* JSON has no other names, and anybody can give a file such a one. */
static bool is_text(const char *path)
{
	json_t *text = json_string(path);

	json_decref(text);
	return text;
}

static int put_node(struct packing *packing, struct node *node)
{
	const char *path = node_path(packing->tree, node);

	/* Of an unpacked capture; the new one gets its own. */
	if (strcmp(path, TREE_MANIFEST) == 0)
		return 0;
	/* What cannot be told in the manifest is unknown. */
	if (node->kind != NODE_DIRECTORY && (node->error || !node->taken) && !is_text(path))
		return 0;
	switch (node->kind) {
	case NODE_ABSENT:
		if (node->error != -ENODATA)
			json_array_append_new(packing->absent, json_string(path));
		return 0;
	case NODE_DIRECTORY:
		return put_directory(packing, node, path);
	case NODE_FILE:
		return put_file(packing, node, path);
	case NODE_LINK:
		return put_link(packing, node, path);
	case NODE_OTHER:
		put_error(packing, path, -EINVAL);
		return put(packing, path, AE_IFREG, NULL, 0);
	case NODE_HIDDEN:
		put_error(packing, path, node->error);
		return 0;
	}
	return 0;
}

static int put_manifest(struct packing *packing)
{
	const struct tree *tree = packing->tree;
	json_t *manifest, *samples = json_array();
	char taken[32] = "", *text;
	struct tm tm;
	int ret;

	for (unsigned i = 0; i < tree->sample_count; i++)
		json_array_append_new(samples, json_integer((json_int_t)tree->sample_ns[i]));
	if (gmtime_r(&packing->now, &tm))
		strftime(taken, sizeof(taken), "%Y-%m-%dT%H:%M:%SZ", &tm);
	manifest = json_pack("{s:i,s:s,s:s,s:o,s:O,s:O,s:O}", "version", 1, "strait", STRAIT_VERSION, "taken", taken,
			     "samples", samples, "errors", packing->errors, "absent", packing->absent, "listed",
			     packing->listed);
	text = manifest ? json_dumps(manifest, JSON_COMPACT) : NULL;
	json_decref(manifest);
	if (!text)
		return -ENOMEM;
	ret = strlen(text) > TREE_FILE_MAX ? -E2BIG : put(packing, TREE_MANIFEST, AE_IFREG, text, strlen(text));
	free(text);
	return ret;
}

static int open_archive(struct packing *packing)
{
	packing->archive = archive_write_new();
	if (!packing->archive)
		return -ENOMEM;
	/* Of the formats the one in which names are bytes, whatever the locale. */
	if (archive_write_set_format_gnutar(packing->archive) != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(packing->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(packing->archive, 0) != ARCHIVE_OK ||
	    archive_write_open2(packing->archive, packing, NULL, grow, NULL, NULL) != ARCHIVE_OK)
		return -EIO;
	return 0;
}

static int pack(struct packing *packing)
{
	int ret = open_archive(packing);

	/* The manifest comes last, but who reads the archive has all of it before he asks for anything. */
	for (struct node *node = &packing->tree->root; node && ret == 0; node = node->next)
		ret = put_node(packing, node);
	if (ret == 0)
		ret = put_manifest(packing);
	if (ret == 0 && archive_write_close(packing->archive) != ARCHIVE_OK)
		ret = -EIO;
	return ret;
}

int capture_pack(struct tree *tree, struct capture *capture, struct error *err)
{
	struct packing packing = {
		.tree = tree,
		.capture = capture,
		.errors = json_object(),
		.absent = json_array(),
		.listed = json_array(),
		.now = time(NULL),
	};
	int ret;

	*capture = (struct capture){0};
	ret = packing.errors && packing.absent && packing.listed ? pack(&packing) : -ENOMEM;
	if (ret < 0) {
		const char *why = packing.archive ? archive_error_string(packing.archive) : NULL;

		error_set(err, ret, "the capture cannot be packed: %s", why ? why : strerror(-ret));
		capture_free(capture);
	}
	archive_write_free(packing.archive);
	json_decref(packing.errors);
	json_decref(packing.absent);
	json_decref(packing.listed);
	return ret;
}

void capture_free(struct capture *capture)
{
	free(capture->bytes);
	capture->bytes = NULL;
	capture->length = 0;
}
