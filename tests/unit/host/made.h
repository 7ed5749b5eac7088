/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_HOST_MADE_H
#define STRAIT_TESTS_HOST_MADE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/qemu_option.h"
#include "host/tree.h"

/* A machine made of a few files in a directory of its own, which goes with made_close(). */
struct made {
	char path[64];
	struct tree *tree;
};

static inline void made_begin(struct made *made)
{
	*made = (struct made){.path = "/tmp/strait-made-XXXXXX"};
	if (!mkdtemp(made->path))
		abort();
}

static inline void made_directories(const struct made *made, char *path)
{
	for (char *slash = path + strlen(made->path) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		mkdir(path, 0777);
	}
}

static inline void made_link(const struct made *made, const char *name, const char *target)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s%s", made->path, name);
	made_directories(made, path);
	if (symlink(target, path) < 0)
		abort();
}

static inline void made_bytes(const struct made *made, const char *name, const void *bytes, size_t length)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", made->path, name);
	made_directories(made, path);
	file = fopen(path, "wbe");
	if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
		abort();
}

static inline void made_file(const struct made *made, const char *name, const char *text)
{
	made_bytes(made, name, text, strlen(text));
}

static inline void made_open(struct made *made)
{
	struct error err;

	made->tree = tree_open_directory(made->path, &err);
	if (!made->tree)
		abort();
}

static inline void made_close(struct made *made)
{
	char command[128];

	if (made->tree)
		tree_close(made->tree);
	made->tree = NULL;
	snprintf(command, sizeof(command), "rm -r %s", made->path);
	if (system(command) != 0)
		abort();
}

/* QEMU's command line of process 7. Words are parted by one blank. */
static inline struct qemu_command *made_command(const struct made *made, const char *line)
{
	char *words = tree_format(made->tree, "qemu-system-x86_64 %s", line);
	const size_t length = strlen(words) + 1;

	for (char *at = words; *at; at++)
		*at = *at == ' ' ? '\0' : *at;
	return qemu_command_read(made->tree, 7, words, length);
}

#endif
