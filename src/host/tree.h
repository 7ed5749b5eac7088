/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_TREE_H
#define STRAIT_HOST_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * The files of a machine: the live one, a directory that looks like one
 * (fixtures), or a capture. Readers see no difference, and read nothing of a
 * machine but through here.
 *
 * Whatever was read is kept until the tree is closed, so that all who ask see the same
 * machine, and a capture is no more than what was kept: what is not read for an
 * answer is not in it, and what is cannot be missing.
 *
 * Paths are absolute and without "." and ".."; symbolic links are followed inside the
 * tree and never lead out of it. Text returned is the tree's, ends with a NUL that does not count, and may hold
 * others. Errors are negative errno: -ENOENT where there is no such file, -EACCES and -EPERM where it may not be
 * read, -E2BIG where it is larger than TREE_FILE_MAX, -ETIMEDOUT where its file system does not answer, -EIO... One
 * thread.
 */
/* /proc/interrupts of the largest machines is 10 MiB. */
#define TREE_FILE_MAX (16u << 20)

struct tree;

/* NULL with err set. path of a capture: what "strait capture" wrote, or a directory. */
struct tree *tree_open_live(struct error *err);
struct tree *tree_open_directory(const char *path, struct error *err);
struct tree *tree_open_capture(const char *path, struct error *err);
void tree_close(struct tree *tree);

bool tree_is_live(const struct tree *tree);

/* The length, or an error. Trailing white space is left as it is. */
ssize_t tree_read(struct tree *tree, const char *path, const char **text);
ssize_t tree_readf(struct tree *tree, const char **text, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* One line, without white space at its ends; NULL where it cannot be read (tree_read() tells why). */
const char *tree_line(struct tree *tree, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A number in decimal or 0x...; fallback where there is none. */
int64_t tree_number(struct tree *tree, int64_t fallback, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The line of a text behind this one; NULL: there is none. */
const char *tree_next_line(const char *line);

/* The names in a directory, sorted as strverscmp() does, without "." and "..": how many, or an error. */
ssize_t tree_list(struct tree *tree, const char *path, const char *const **names);
ssize_t tree_listf(struct tree *tree, const char *const **names, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

bool tree_exists(struct tree *tree, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether it lies on a file system that did not answer, which is then among what could not be read. */
bool tree_hangs(struct tree *tree, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where a path leads when all links are followed; NULL where it leads nowhere. */
const char *tree_resolve(struct tree *tree, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a link says, as it is: "/usr/bin/x (deleted)", "socket:[17]". NULL where there is none, or it may not be read.
 */
const char *tree_link(struct tree *tree, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * What is no file: the answer of a socket, an ioctl or a library, as text (mostly JSON or XML). Live, provide() makes
 * it, once: malloc()ed *text and its length, or an error, which is kept likewise. Elsewhere it is the file
 * /.strait/NAME. NAME has slashes like a path: "qmp/1234/query-block".
 */
typedef ssize_t tree_provide(void *context, char **text);
ssize_t tree_ask(struct tree *tree, const char **text, tree_provide *provide, void *context, const char *name, ...)
	__attribute__((format(printf, 5, 6)));

/* The same of what may hang: provide() has PATIENCE_MS, in a child process (host/patience.h), or
 * less, where others of this tree have hung. */
ssize_t tree_ask_patiently(struct tree *tree, const char **text, tree_provide *provide, void *context, const char *name,
			   ...) __attribute__((format(printf, 5, 6)));

/*
 * Samples: what changes all the time is read again. The first one is that in which
 * all else was read. tree_advance() begins the next, interval_ns after the current one began (live: it waits until
 * then); -ENOENT where a capture has no more. tree_reread() and tree_ask_again() are as tree_read() and tree_ask(), in
 * the current sample. tree_sample_ns(): when it began, CLOCK_BOOTTIME of that machine.
 */
int tree_advance(struct tree *tree, uint64_t interval_ns);
unsigned tree_sample(const struct tree *tree);
uint64_t tree_sample_ns(const struct tree *tree);
ssize_t tree_reread(struct tree *tree, const char **text, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
ssize_t tree_ask_again(struct tree *tree, const char **text, tree_provide *provide, void *context, const char *name,
		       ...) __attribute__((format(printf, 5, 6)));

/* Live: whether a capture of it would still be one that can be read if it had one more sample like the current one. */
bool tree_has_room(const struct tree *tree);

/* Everything that was asked for and could not be read although it is there, in the order of asking. */
void tree_unreadable(const struct tree *tree, void (*each)(void *context, const char *path, int error), void *context);

/* Something was too large to be read as a whole: it is among these, too, once. Paths may be patterns. */
void tree_note_too_large(struct tree *tree, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory that lives as long as the tree; both end the program where there is none. */
void *tree_alloc(struct tree *tree, size_t bytes); /* zeroed */
char *tree_format(struct tree *tree, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a library has allocated is released with the tree: the last first. */
void tree_at_close(struct tree *tree, void (*release)(void *what), void *what);

#endif
