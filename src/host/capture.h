/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_CAPTURE_H
#define STRAIT_HOST_CAPTURE_H

#include <stddef.h>

#include "host/tree.h"

/*
 * A capture: all that a tree was asked for, as a tar that is compressed with zstd, which tree_open_capture() reads,
 * and which makes a directory for tree_open_directory() when it is unpacked.
 *
 * Files are where they were, links stay links. Next to them, in /.strait: documents, samples/N/PATH (what was read
 * again in sample N), and manifest.json: "version" 1, "strait" (its version), "taken" (when), "samples" (when each
 * began, ns of CLOCK_BOOTTIME), "errors" (path: name of the errno; ENODATA: nobody asked for it), "absent" (paths that
 * were asked for and not there), "listed" (directories of which all names are known). What is in none of these is
 * unknown.
 */
struct capture_left_out {
	const char *path;
	const char *what; /* "2 secrets", "its arguments" */
};

struct capture {
	char *bytes; /* the archive; malloc()ed */
	size_t length;
	unsigned files;
	struct capture_left_out *left_out; /* the tree's */
	unsigned left_out_count;
};

/* Write down what tree was asked for so far; secrets are left out. Negative errno with err set. */
int capture_pack(struct tree *tree, struct capture *capture, struct error *err);
void capture_free(struct capture *capture);

/*
 * A file's text without what is not for others: values of passwords, keys and secrets in command lines, documents and
 * configuration, arguments of processes that are neither a hypervisor nor one of those that rules look at.
 * Returns it, or the same text; *what: what was left out, or NULL. For capture_pack(), and its tests.
 */
const char *capture_clean(struct tree *tree, const char *path, const char *text, size_t *length, const char **what);

#endif
