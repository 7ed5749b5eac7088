/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_HOST_FIXTURE_H
#define STRAIT_TESTS_HOST_FIXTURE_H

#include <stdio.h>

#include "host/tree.h"

/* A machine of tests/fixtures, by its name. */
static inline struct tree *fixture_open(const char *name)
{
	struct error err = {0};
	char path[4096];
	struct tree *tree;

	snprintf(path, sizeof(path), "%s/%s", FIXTURES, name);
	tree = tree_open_directory(path, &err);
	if (!tree)
		fprintf(stderr, "%s\n", err.text);
	return tree;
}

/* What was read is this; NULL: nothing was. Behind cmocka.h. */
static inline void same(const char *text, const char *expected)
{
	if (!expected) {
		assert_null(text);
		return;
	}
	assert_non_null(text);
	assert_string_equal(text, expected);
}

#endif
