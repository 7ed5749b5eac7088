/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_STORAGE_BOUNCE_H
#define STRAIT_STORAGE_BOUNCE_H

#include "storage/storage.h"

/*
 * A worker's buffers for requests whose memory the device cannot take as it
 * lies: aligned to a page, as many as a worker is likely to need at once, and
 * a queue for who comes when too many are lent: a disk (io->owner) gets one only
 * while it holds fewer than are free. One thread uses a pool; nothing on
 * the way of a request allocates. Only buffers that have been used take memory.
 */
#define STORAGE_BOUNCE_SIZE  (128u * 1024)
#define STORAGE_BOUNCE_COUNT 32u

struct storage_bounce;

/* For storage_thread.bounce, when a worker starts. 0 or -ENOMEM with err set. */
int storage_bounce_create(struct storage_bounce **out, struct error *err);

/* All buffers must be back. NULL is allowed. */
void storage_bounce_destroy(struct storage_bounce *bounce);

/*
 * Lend a buffer to io, in io->bounce. False where its disk may have no more: io
 * then waits (by io->next) for storage_bounce_put() to return it.
 */
bool storage_bounce_get(struct storage_bounce *bounce, struct storage_io *io);

/*
 * Take io's buffer back. Of those that wait and may have one, who has waited
 * longest gets it and is returned, to be started; else NULL.
 */
struct storage_io *storage_bounce_put(struct storage_bounce *bounce, struct storage_io *io);

#endif
