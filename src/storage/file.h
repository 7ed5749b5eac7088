/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_STORAGE_FILE_H
#define STRAIT_STORAGE_FILE_H

#include <sys/stat.h>

#include "storage/storage.h"

/*
 * What the parts of the file back end share. Nothing outside file*.c includes
 * this.
 *
 *   file.c         the way of a request: reads, writes, flushes
 *   file_bounce.c  requests that go through an aligned copy
 *   file_zero.c    discard and write zeroes
 *   file_open.c    the object: open, size, close
 *   file_image.c   the file descriptor, and sentences for what can be wrong with an image
 *   file_align.c   block sizes and alignment
 *   file_fixed.c   the image registered with the rings
 *   file_sysfs.c   what the kernel says about a block device
 *   file_dioalign.c  what the kernel says about direct I/O on a file
 *   file_lock.c    image locks
 *   file_active.c  holding them only while queues run
 *   file_holder.c  who holds one
 *   file_watch.c   changes of size
 *   file_change.c  what an operator changes while the disk is served
 */

struct udev;
struct udev_monitor;

enum file_fixed {
	FILE_FIXED_UNTRIED,
	FILE_FIXED_USED,    /* registered with the rings of all workers that have requests */
	FILE_FIXED_REFUSED, /* by the kernel, for one of them */
};

struct file_storage {
	struct storage storage; /* first: the contract's pointer is ours */
	int fd;
	bool direct;           /* O_DIRECT: memory_mask and block_size bind guest memory too */
	bool in_memory;        /* on tmpfs or ramfs, whatever the cache mode: the file is its page cache */
	bool flush;            /* false: cache mode unsafe */
	bool trust_dsync;      /* RWF_DSYNC makes a write stable; else a sync has to follow it */
	bool punch_hole;       /* deallocating is wanted, and has not been refused yet */
	bool zero_range;       /* FALLOC_FL_ZERO_RANGE has not been refused yet */
	enum file_fixed fixed; /* atomic, relaxed: workers write it */
	int place;             /* in the rings' tables of files; -1: none left */
	uint32_t memory_mask;  /* alignment of memory for O_DIRECT, less 1 */

	/* control thread only */
	bool is_block;
	bool lock_running; /* locked only between activate and deactivate */
	bool active;       /* we may write: nobody else does */
	bool inherited;    /* fd is an open file that we share with a predecessor, */
	int own_fd;        /* and this one is not; -1: the path is not that file's any more */
	dev_t device;      /* of a block device, its own number; else that of its file system */
	char *path;
	int watch_fd; /* -1: changes of size go unnoticed */
	struct udev *udev;
	struct udev_monitor *monitor;
};

static inline struct file_storage *file_of(struct storage *storage)
{
	return (struct file_storage *)storage;
}

/* file.c */

void file_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io);

/*
 * Judge the result of a transfer: how many bytes of it count (then io->retries
 * is reset), 0 to try the same again, a negative errno to give up.
 */
int32_t file_progress(struct file_storage *file, struct storage_io *io, int32_t result);

/* True where result is worth the same attempt again and there have not been too many. */
bool file_retry(struct storage_io *io, int32_t result);

/* IORING_OP_FSYNC, whose result becomes that of io. */
void file_sync_then_done(struct file_storage *file, struct storage_io *io);

/* The entry is complete but for what all entries of an image have in common. */
static inline void file_finish_sqe(struct io_uring_sqe *sqe, const struct file_storage *file, struct storage_io *io)
{
	io_uring_sqe_set_data(sqe, io);
	if (__atomic_load_n(&file->fixed, __ATOMIC_RELAXED) == FILE_FIXED_USED) {
		sqe->fd = file->place;
		sqe->flags |= IOSQE_FIXED_FILE;
	}
}

static inline bool file_must_be_stable(const struct file_storage *file, const struct storage_io *io)
{
	return (io->flags & STORAGE_STABLE) && file->flush;
}

/* RWF_* for a write of io. */
static inline int file_write_flags(const struct file_storage *file, const struct storage_io *io)
{
	return file_must_be_stable(file, io) && file->trust_dsync ? RWF_DSYNC : 0;
}

/* What io changes has been changed: make it stable if it must be, then done(). */
static inline void file_changed(struct file_storage *file, struct storage_io *io)
{
	if (file_must_be_stable(file, io))
		file_sync_then_done(file, io);
	else
		io->done(io, 0);
}

/* The same for a write that was made with file_write_flags(). */
static inline void file_written(struct file_storage *file, struct storage_io *io)
{
	if (io->op == STORAGE_READ || file->trust_dsync)
		io->done(io, 0);
	else
		file_changed(file, io);
}

/* file_bounce.c */

/* The event and the buffer are seen to; io is as file_submit() leaves it. */
void file_bounce(struct storage_io *io);

/* file_fixed.c */

/* Control thread: a place in the rings' tables, if there is one left, and its end. */
void file_fixed_take(struct file_storage *file);
void file_fixed_release(struct file_storage *file);

void file_attach(struct storage *storage, struct storage_thread *thread);
void file_detach(struct storage *storage, struct storage_thread *thread);

/* file_zero.c */

void file_discard(struct file_storage *file, struct storage_io *io);
void file_write_zeroes(struct file_storage *file, struct storage_io *io);

/* file_image.c */

/* Open options->path into file->fd; fills is_block, device, direct and *st. 0 or negative errno with err set. */
int file_image_open(struct file_storage *file, const struct storage_file_options *options, struct stat *st,
		    struct error *err);

/* Whether direct I/O is what a cache mode means. */
static inline bool file_cache_is_direct(enum storage_cache cache)
{
	return cache == STORAGE_CACHE_NONE || cache == STORAGE_CACHE_DIRECTSYNC;
}

/* Have the open file do direct I/O, or not, as file->direct says, and wait. Negative errno with err set. */
int file_image_set_direct(struct file_storage *file, enum storage_cache cache, struct error *err);

/* What the file system's kind says; fd, is_block and direct are set. */
void file_learn_file_system(struct file_storage *file);

/* What a cache mode says beside O_DIRECT. */
void file_take_cache(struct file_storage *file, enum storage_cache cache);

/* Bytes, as the kernel has it: not rounded. 0 or negative errno. */
int file_image_size(const struct file_storage *file, uint64_t *size);

/* file_align.c */

/* Fill info's block sizes and memory_mask. fd and direct are set, storage.name too. */
int file_align(struct file_storage *file, const struct stat *st, struct error *err);

/* file_sysfs.c */

/* A number from queue/NAME of a disk or of the disk a partition is on. 0 or negative errno. */
int file_sysfs_queue(dev_t device, const char *name, uint64_t *value);

/* file_lock.c */

/*
 * On failure some may be held: file_unlock() follows, or closing the file.
 * Where nobody can be found who has the lock it waits so long at most: for one
 * that a dead process left.
 */
int file_lock(struct file_storage *file, uint64_t patience_ns, struct error *err);
#define FILE_LOCK_START_NS   10000000000u
#define FILE_LOCK_RUNNING_NS 1000000000u /* others are waiting, too */
void file_unlock(struct file_storage *file);

/* file_active.c: see storage_ops */

int file_activate(struct storage *storage, struct error *err);
void file_deactivate(struct storage *storage);
int file_reclaim(struct storage *storage, struct error *err);

/* file_holder.c */

/*
 * Name the process that has a lock on the file behind fd, other than by fd
 * itself, as "process 12 (qemu-img)". pid is used if > 0, else looked for.
 * "another process", and false, where it cannot be told.
 */
bool file_holder(int fd, int pid, char *text, size_t size);

/* file_change.c: see storage_ops */

int file_resize(struct storage *storage, uint64_t size, struct error *err);
int file_set_cache(struct storage *storage, int cache, struct error *err);

/* file_watch.c */

/* Failure leaves watch_fd at -1 and is logged. */
void file_watch_start(struct file_storage *file);
void file_watch_drain(struct file_storage *file);
void file_watch_stop(struct file_storage *file);

#endif
