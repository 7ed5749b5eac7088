/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_FUZZ_FILES_H
#define STRAIT_TESTS_FUZZ_FILES_H

#include <stddef.h>

/* Files of a machine in an input: each after a line "@/path", up to the next such line. */
struct tree;

/* One that is a directory already, or has no place, is left out, as a capture does. */
void files_add(struct tree *tree, const char *path, const char *text, size_t length);

/* The next line that begins with "@/", or the end. */
const char *files_find(const char *at, const char *end);

/* Those from such a line on. */
void files_add_all(struct tree *tree, const char *text, const char *end);

#endif
