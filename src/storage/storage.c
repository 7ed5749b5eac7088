/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/storage.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

const char *const storage_op_names[STORAGE_OP_COUNT] = {"read", "write", "flush", "discard", "write-zeroes"};

int storage_poll(struct storage *storage, struct storage_thread *thread)
{
	int found = 0;

	for (; storage; storage = storage->lower)
		if (storage->ops->poll)
			found += storage->ops->poll(storage, thread);
	return found;
}

bool storage_needs_poll(const struct storage *storage)
{
	for (; storage; storage = storage->lower)
		if (storage->ops->poll)
			return true;
	return false;
}

void storage_attach(struct storage *storage, struct storage_thread *thread)
{
	for (; storage; storage = storage->lower)
		if (storage->ops->attach)
			storage->ops->attach(storage, thread);
}

void storage_detach(struct storage *storage, struct storage_thread *thread)
{
	for (; storage; storage = storage->lower)
		if (storage->ops->detach)
			storage->ops->detach(storage, thread);
}

void storage_memory_changed(struct storage *storage, void *base, uint64_t length, bool added)
{
	for (; storage; storage = storage->lower)
		if (storage->ops->memory_changed)
			storage->ops->memory_changed(storage, base, length, added);
}

int storage_watch_fd(struct storage *storage)
{
	for (; storage; storage = storage->lower)
		if (storage->ops->watch_fd)
			return storage->ops->watch_fd(storage);
	return -1;
}

int storage_image_fd(const struct storage *storage)
{
	for (; storage; storage = storage->lower)
		if (storage->ops->image_fd)
			return storage->ops->image_fd(storage);
	return -1;
}

int storage_reclaim(struct storage *storage, struct error *err)
{
	for (; storage; storage = storage->lower)
		if (storage->ops->reclaim)
			return storage->ops->reclaim(storage, err);
	return 0;
}

int storage_refresh(struct storage *storage, struct error *err)
{
	int ret;

	if (storage->ops->refresh)
		return storage->ops->refresh(storage, err);
	if (!storage->lower)
		return 0;
	ret = storage_refresh(storage->lower, err);
	/* Also where nothing changed just now: another wrapper may have asked first. */
	storage_set_size(storage, storage_size(storage->lower));
	return ret;
}

int storage_resize(struct storage *storage, uint64_t size, struct error *err)
{
	int ret;

	if (storage->ops->resize)
		return storage->ops->resize(storage, size, err);
	if (!storage->lower)
		return error_set(err, -EOPNOTSUPP, "disk %s: a back end of kind %s has a fixed size", storage->name,
				 storage->ops->name);
	ret = storage_resize(storage->lower, size, err);
	storage_set_size(storage, storage_size(storage->lower));
	return ret;
}

int storage_set_cache(struct storage *storage, int cache, struct error *err)
{
	const struct storage_info *info;
	int ret;

	if (storage->ops->set_cache)
		return storage->ops->set_cache(storage, cache, err);
	if (!storage->lower)
		return error_set(err, -EOPNOTSUPP, "disk %s: a back end of kind %s has no cache modes", storage->name,
				 storage->ops->name);
	ret = storage_set_cache(storage->lower, cache, err);
	info = &storage->lower->info;
	storage->info.volatile_cache = info->volatile_cache;
	storage->info.writeback = info->writeback;
	storage->info.flush_ignored = info->flush_ignored;
	return ret;
}

int storage_activate(struct storage *storage, struct error *err)
{
	for (; storage; storage = storage->lower)
		if (storage->ops->activate)
			return storage->ops->activate(storage, err);
	return 0;
}

void storage_deactivate(struct storage *storage)
{
	for (; storage; storage = storage->lower)
		if (storage->ops->deactivate)
			storage->ops->deactivate(storage);
}

void storage_close(struct storage *storage)
{
	if (storage)
		storage->ops->close(storage);
}

/*
 * Hand the full queue to the kernel. What fails for want of memory passes; a
 * ring that takes nothing for ten seconds, or that is no ring of this thread's,
 * never will, and a worker without one serves nobody.
 */
static void make_room(struct storage_thread *thread)
{
	const unsigned pause_us = 100, attempts = 100000;
	int ret = 0;

	for (unsigned i = 0; i < attempts; i++) {
		thread->submits++;
		ret = io_uring_submit(thread->ring);
		if (ret > 0)
			return;
		if (ret != 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			break;
		usleep(pause_us);
	}
	log_error("io_uring accepts no more requests from a worker: %s", strerror(-ret));
	abort();
}

struct io_uring_sqe *storage_sqe(struct storage_thread *thread)
{
	struct io_uring_sqe *sqe;

	while (__builtin_expect(!(sqe = io_uring_get_sqe(thread->ring)), 0))
		make_room(thread);
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

/* A Weyl sequence through a 64-bit mixer: any state will do, 0 too. */
uint64_t storage_random(struct storage_thread *thread)
{
	uint64_t value = thread->random += 0x9e3779b97f4a7c15u;

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
	return value ^ (value >> 31);
}
