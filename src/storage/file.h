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
 *   file_sysfs.c   what the kernel says about a block device
 *   file_dioalign.c  what the kernel says about direct I/O on a file
 *   file_lock.c    image locks
 *   file_holder.c  who holds one
 *   file_watch.c   changes of size
 */

struct udev;
struct udev_monitor;

struct file_storage {
	struct storage storage; /* first: the contract's pointer is ours */
	int fd;
	bool direct;          /* O_DIRECT: memory_mask and block_size bind guest memory too */
	bool in_memory;       /* on tmpfs or ramfs, whatever the cache mode: the file is its page cache */
	bool flush;           /* false: cache mode unsafe */
	bool punch_hole;      /* deallocating is wanted, and has not been refused yet */
	bool zero_range;      /* FALLOC_FL_ZERO_RANGE has not been refused yet */
	uint32_t memory_mask; /* alignment of memory for O_DIRECT, less 1 */

	/* control thread only */
	bool is_block;
	dev_t device; /* of a block device, its own number; else that of its file system */
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

/* IORING_OP_FSYNC for io; the caller has set io->event. */
void file_queue_sync(struct file_storage *file, struct storage_io *io);

/* The event of a flush, or of what is done once it is stable. */
void file_sync_event(struct storage_io *io, int32_t result);

/* RWF_* for a write of io. */
static inline int file_write_flags(const struct file_storage *file, const struct storage_io *io)
{
	return (io->flags & STORAGE_STABLE) && file->flush ? RWF_DSYNC : 0;
}

/* file_bounce.c */

/* The event and the buffer are seen to; io is as file_submit() leaves it. */
void file_bounce(struct storage_io *io);

/* file_zero.c */

void file_discard(struct file_storage *file, struct storage_io *io);
void file_write_zeroes(struct file_storage *file, struct storage_io *io);

/* file_image.c */

/* Open options->path into file->fd; fills is_block, device, direct and *st. 0 or negative errno with err set. */
int file_image_open(struct file_storage *file, const struct storage_file_options *options, struct stat *st,
		    struct error *err);

/* Bytes, as the kernel has it: not rounded. 0 or negative errno. */
int file_image_size(const struct file_storage *file, uint64_t *size);

/* file_align.c */

/* Fill info's block sizes and memory_mask. fd and direct are set, storage.name too. */
int file_align(struct file_storage *file, const struct stat *st, struct error *err);

/* file_sysfs.c */

/* A number from queue/NAME of a disk or of the disk a partition is on. 0 or negative errno. */
int file_sysfs_queue(dev_t device, const char *name, uint64_t *value);

/* file_lock.c */

int file_lock(struct file_storage *file, struct error *err);

/* file_holder.c */

/*
 * Name the process that has a lock on the file behind fd, other than by fd
 * itself, as "process 12 (qemu-img)". pid is used if > 0, else looked for.
 * "another process" where it cannot be told.
 */
void file_holder(int fd, int pid, char *text, size_t size);

/* file_watch.c */

/* Failure leaves watch_fd at -1 and is logged. */
void file_watch_start(struct file_storage *file);
void file_watch_drain(struct file_storage *file);
void file_watch_stop(struct file_storage *file);

#endif
