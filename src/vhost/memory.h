/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VHOST_MEMORY_H
#define STRAIT_VHOST_MEMORY_H

#include "vhost/codec.h"
#include "virtio/memmap.h"

/*
 * Map one region of the front end's memory and add it to map. fd stays the
 * caller's. On success *region is what was added. Negative errno with err set:
 * the file is too short, the numbers overflow, the region overlaps another.
 */
int vhost_memory_map(struct memmap *map, const struct vhost_region_msg *msg, int fd, struct memmap_region *region,
		     struct error *err);

/* Undo the mapping of a region that is no longer in a map. */
void vhost_memory_unmap(const struct memmap_region *region);

#endif
