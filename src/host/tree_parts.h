/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_TREE_PARTS_H
#define STRAIT_HOST_TREE_PARTS_H

#include <stddef.h>

#include "host/tree.h"

/*
 * Inside of trees. A tree is nodes in memory, which a live one and a directory make
 * when they are asked for, and a capture all at once. Links are followed here, node by node, and never by the
 * kernel: that keeps them inside, and makes the three the same.
 */
enum node_kind {
	NODE_ABSENT,
	NODE_DIRECTORY,
	NODE_FILE,
	NODE_LINK,
	NODE_OTHER, /* a device, a socket */
	NODE_HIDDEN /* it may be there, but error says why it cannot be looked at */
};

struct node {
	struct node *parent; /* the root's is itself */
	const char *name;
	enum node_kind kind;
	bool in_memory; /* what is not below it here is nowhere */
	bool taken;     /* text (of a file or a link) or names is here, or error */
	bool listed;    /* all its names are known; means something in a capture only */
	bool told;      /* is in the list of what could not be read */
	int error;      /* negative errno: of reading, or of listing */
	const char *text;
	size_t length;
	const char *const *names;
	size_t name_count;
	void *by_name; /* tsearch(3) */
	struct node *first, *last, *next_sibling, *next, *next_told;
};

struct chunk;
struct closing;
struct too_large;
struct tree_mount;

struct tree {
	bool live;
	bool partial; /* a capture: not all that was there */
	int root_fd;  /* -1: all is in memory */
	struct node root;
	struct node *newest; /* of all nodes, by next: parents come before their children */
	size_t node_count, node_max;
	struct node *first_told, *last_told;
	struct too_large *too_large;
	struct chunk *chunks;
	struct closing *closing;
	char *buffer; /* tree_buffer() */
	uint64_t *sample_ns;
	unsigned sample_count, sample;
	size_t bytes;                      /* of text that was read, live */
	size_t sample_nodes, sample_bytes; /* when the sample began: node_count, bytes */
	struct tree_mount *mounts;         /* live, once one was looked for */
	size_t mount_count;
	unsigned timeouts; /* of tree_wait() */
};

/* An empty tree. */
struct tree *tree_new(int root_fd);

/* Room for a file of any size that is read, and one byte more. It is one for all. */
char *tree_buffer(struct tree *tree);

/* A child that is known already, or a new one of kind absent. NULL: node_child(): not known; node_add(): too many. */
struct node *node_child(struct node *directory, const char *name);
struct node *node_add(struct tree *tree, struct node *directory, const char *name);

/* Its child, which is looked for on disk where it is not known. 0, or an error. */
int node_find(struct tree *tree, struct node *directory, const char *name, struct node **found);

/*
 * The node of a path; links on the way, and with follow at the end, are followed. On an error, found is the node that
 * has it, or NULL.
 */
int node_walk(struct tree *tree, const char *path, bool follow, struct node **found);

/* Make the node of a path in memory, and all directories before it. -ENOTDIR, -EINVAL (".."), -ENOSPC. */
int node_make(struct tree *tree, const char *path, struct node **made);

/* Its path, in arena memory. */
const char *node_path(struct tree *tree, const struct node *node);

/* Give it contents, which are copied; node_keep(): which are the tree's already, and end with a NUL that does not
 * count. */
void node_fill(struct tree *tree, struct node *node, enum node_kind kind, const char *text, size_t length);
void node_keep(struct node *node, enum node_kind kind, const char *text, size_t length);

/* On disk (tree_disk.c): find out what a node is; read a file into tree_buffer(); list a directory. */
void disk_find_out(struct tree *tree, struct node *node);
ssize_t disk_read_file(struct tree *tree, struct node *node);
int disk_read_names(struct tree *tree, struct node *node);

/*
 * patience_ask() for PATIENCE_MS, until that was in vain a few times: what is asked then has hardly any time. Else
 * as much would be waited for as there are disks that hang, in the file systems of as many guests.
 */
ssize_t tree_wait(struct tree *tree, tree_provide *provide, void *context, char **text);

/* Live: whether a path without links is on a file system that does not answer. Each is asked once (tree_mounts.c). */
bool disk_hangs(struct tree *tree, const char *path);

/* Read /.strait/manifest.json, where there is one (tree_manifest.c). */
#define TREE_MANIFEST "/.strait/manifest.json"
int manifest_load(struct tree *tree, const char *name, struct error *err);

/* Read an archive into an empty tree (tree_archive.c). */
#define TREE_NODES_MAX (256u << 10)
#define TREE_TOTAL_MAX (256u << 20)
int archive_load(struct tree *tree, int fd, const char *name, struct error *err);

#endif
