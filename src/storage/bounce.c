/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/bounce.h"

#include <stdlib.h>
#include <sys/mman.h>

struct storage_bounce {
	char *memory;
	unsigned free_count;
	void *free[STORAGE_BOUNCE_COUNT]; /* a stack: the last one used is warm, the first ones may never be touched */
	struct storage_io *first_waiting;
	struct storage_io *last_waiting;
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

bool storage_bounce_get(struct storage_bounce *bounce, struct storage_io *io)
{
	if (bounce->free_count) {
		io->bounce = bounce->free[--bounce->free_count];
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
	struct storage_io *next = bounce->first_waiting;

	if (!next) {
		bounce->free[bounce->free_count++] = io->bounce;
		return NULL;
	}
	bounce->first_waiting = next->next;
	next->bounce = io->bounce;
	return next;
}
