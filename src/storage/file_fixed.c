/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/file.h"

/*
 * An image registered with the rings of the workers that serve it saves the
 * kernel looking the descriptor up, and counting its users, for each request.
 * An image has one place in the tables of all rings, so that a request needs
 * to know nothing about its worker.
 */

static uint64_t used[STORAGE_RING_FILES / 64]; /* places; control thread */

void file_fixed_take(struct file_storage *file)
{
	file->place = -1;
	for (int i = 0; i < STORAGE_RING_FILES && file->place < 0; i++)
		if (!(used[i / 64] >> i % 64 & 1))
			file->place = i;
	if (file->place >= 0)
		used[file->place / 64] |= 1ull << file->place % 64;
}

void file_fixed_release(struct file_storage *file)
{
	if (file->place >= 0)
		used[file->place / 64] &= ~(1ull << file->place % 64);
}

/* Files in memory are read by calls, which have no use for it. */
static bool wanted(const struct file_storage *file)
{
	return file->place >= 0 && !file->in_memory;
}

void file_attach(struct storage *storage, struct storage_thread *thread)
{
	struct file_storage *file = file_of(storage);
	enum file_fixed untried = FILE_FIXED_UNTRIED;

	if (!wanted(file))
		return;
	if (io_uring_register_files_update(thread->ring, (unsigned)file->place, &file->fd, 1) == 1) {
		thread->fixed_files++;
		/* Not where another worker could not: its requests must go without. */
		__atomic_compare_exchange_n(&file->fixed, &untried, FILE_FIXED_USED, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	} else {
		__atomic_store_n(&file->fixed, FILE_FIXED_REFUSED, __ATOMIC_RELAXED);
	}
}

void file_detach(struct storage *storage, struct storage_thread *thread)
{
	struct file_storage *file = file_of(storage);
	int none = -1;

	if (wanted(file) && io_uring_register_files_update(thread->ring, (unsigned)file->place, &none, 1) == 1 &&
	    thread->fixed_files)
		thread->fixed_files--;
}
