/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_ARRAY_H
#define STRAIT_HOST_ARRAY_H

#include <stddef.h>

/*
 * An array of the tree's memory that grows by one item at a time. array_grow() returns items, moved where
 * there was no room for one more behind the count that it has; the new item is zeroed.
 *
 *	guests->guest = array_grow(tree, guests->guest, guests->count, sizeof(*guests->guest));
 *	guest = &guests->guest[guests->count++];
 */
struct tree;
void *array_grow(struct tree *tree, void *items, unsigned count, size_t size);

#endif
