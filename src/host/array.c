/* SPDX-License-Identifier: Apache-2.0 */
#include "host/array.h"

#include <string.h>

#include "host/tree.h"

void *array_grow(struct tree *tree, void *items, unsigned count, size_t size)
{
	void *moved;

	/* Room is a power of two: it is used up where the count is one. */
	if (count & (count - 1))
		return items;
	moved = tree_alloc(tree, (count ? 2 * (size_t)count : 1) * size);
	if (count)
		memcpy(moved, items, count * size);
	return moved;
}
