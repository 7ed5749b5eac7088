/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/bounce.h"

#include <stdlib.h>
#include <sys/mman.h>

struct storage_bounce {
	char *memory;
	unsigned free_count;
	void *free[STORAGE_BOUNCE_COUNT]; /* a stack: the last one used is warm, the first ones may never be touched */
	const struct storage_io *holder[STORAGE_BOUNCE_COUNT]; /* of each buffer, in the order of memory; NULL: free */
	struct storage_io *first_waiting;
	struct storage_io *last_waiting; /* where there is a first */
};

static const size_t pool_size = (size_t)STORAGE_BOUNCE_SIZE * STORAGE_BOUNCE_COUNT;

int storage_bounce_create(struct storage_bounce **out, struct error *err)
{
	struct storage_bounce *bounce = calloc(1, sizeof(*bounce));

	if (!bounce)
		return error_set(err, -ENOMEM, "out of memory for a worker's bounce buffers");
	bounce->memory =
		mmap(NULL, pool_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bounce->memory == MAP_FAILED) {
		free(bounce);
		return error_set(err, -ENOMEM, "out of memory for a worker's bounce buffers (%zu KiB)",
				 pool_size / 1024);
	}
	/* A huge page would make all buffers resident when one is used. Without huge pages the call fails, rightly. */
	madvise(bounce->memory, pool_size, MADV_NOHUGEPAGE);
	for (unsigned i = STORAGE_BOUNCE_COUNT; i-- > 0;)
		bounce->free[bounce->free_count++] = bounce->memory + (size_t)i * STORAGE_BOUNCE_SIZE;
	*out = bounce;
	return 0;
}

void storage_bounce_destroy(struct storage_bounce *bounce)
{
	if (!bounce)
		return;
	munmap(bounce->memory, pool_size);
	free(bounce);
}

/* No disk has more than are left for the others: one that hangs does not take them all. */
static bool may_have_one(const struct storage_bounce *bounce, const struct storage *owner)
{
	unsigned held = 0;

	for (unsigned i = 0; i < STORAGE_BOUNCE_COUNT; i++)
		held += bounce->holder[i] && bounce->holder[i]->owner == owner;
	return held < bounce->free_count;
}

static const struct storage_io **holder_of(struct storage_bounce *bounce, const void *buffer)
{
	return &bounce->holder[(size_t)((const char *)buffer - bounce->memory) / STORAGE_BOUNCE_SIZE];
}

static void lend(struct storage_bounce *bounce, struct storage_io *io)
{
	io->bounce = bounce->free[--bounce->free_count];
	*holder_of(bounce, io->bounce) = io;
}

bool storage_bounce_get(struct storage_bounce *bounce, struct storage_io *io)
{
	if (may_have_one(bounce, io->owner)) {
		lend(bounce, io);
		return true;
	}
	io->next = NULL;
	if (bounce->first_waiting)
		bounce->last_waiting->next = io;
	else
		bounce->first_waiting = io;
	bounce->last_waiting = io;
	return false;
}

struct storage_io *storage_bounce_put(struct storage_bounce *bounce, struct storage_io *io)
{
	struct storage_io *before = NULL, *next = bounce->first_waiting;

	*holder_of(bounce, io->bounce) = NULL;
	bounce->free[bounce->free_count++] = io->bounce;
	while (next && !may_have_one(bounce, next->owner)) {
		before = next;
		next = next->next;
	}
	if (!next)
		return NULL;
	if (before)
		before->next = next->next;
	else
		bounce->first_waiting = next->next;
	if (bounce->last_waiting == next)
		bounce->last_waiting = before;
	lend(bounce, next);
	return next;
}
