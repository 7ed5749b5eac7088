/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_HOST_SCRATCH_H
#define STRAIT_TESTS_HOST_SCRATCH_H

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/tree.h"

/* A machine that a test writes down file by file, in a directory that goes away with it. */
struct scratch {
	char path[PATH_MAX];
};

static inline void scratch_make(struct scratch *scratch)
{
	snprintf(scratch->path, sizeof(scratch->path), "/tmp/strait-machine-XXXXXX");
	assert_non_null(mkdtemp(scratch->path));
}

/* path from the machine's root, with "/" at its beginning. */
static inline void scratch_put(const struct scratch *scratch, const char *path, const char *text)
{
	char made[2 * PATH_MAX];
	FILE *file;

	snprintf(made, sizeof(made), "%s%s", scratch->path, path);
	for (char *slash = strchr(made + strlen(scratch->path) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(made, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(made, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static inline struct tree *scratch_open(const struct scratch *scratch)
{
	struct error err = {0};
	struct tree *tree = tree_open_directory(scratch->path, &err);

	assert_non_null(tree);
	return tree;
}

static inline void scratch_remove(const struct scratch *scratch)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -r '%s'", scratch->path);
	assert_int_equal(system(command), 0);
}

#endif
