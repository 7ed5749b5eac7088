/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/record_format.h"
#include "storage/storage.h"

/*
 * Writes down what changes a disk, and when it was acknowledged, so that each
 * state in which a power cut could have left it can be made from a copy of the
 * image as it was before. Reads pass as they are.
 *
 * For tests of what stands on a disk, not for use: all workers take turns to
 * append, so that the order in the file is the order of events, and every byte
 * written is copied. A SUBMIT is in the file before the storage sees the
 * request and a DONE before the guest hears of it; so what the guest sees
 * happen in turn is found in the file in that order. The file is not synced:
 * it survives the death of the daemon, not that of the machine.
 */
struct record_io {
	struct storage_io lower; /* first: what the storage below gets */
	struct storage_io *upper;
	struct record_io *next; /* while free */
	uint64_t id;
};

struct record_storage {
	struct storage storage; /* first */
	int fd;
	char *path;

	pthread_mutex_t lock; /* for all that follows */
	uint64_t end;         /* of the file */
	uint64_t next_id;
	bool failed; /* the file is incomplete from end on */
	struct record_io *free;
};

static struct record_storage *record_of(struct storage *storage)
{
	return (struct record_storage *)storage;
}

/* With the lock held. *at moves on. */
static int write_at(const struct record_storage *record, uint64_t *at, const void *from, size_t length)
{
	while (length) {
		ssize_t written = pwrite(record->fd, from, length, (off_t)*at);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? -errno : -EIO;
		from = (const char *)from + written;
		length -= (size_t)written;
		*at += (uint64_t)written;
	}
	return 0;
}

/* An entry and the memory of data, if that is given. The file's end moves on only if all of it is there. */
static int append(struct record_storage *record, const struct record_entry *from, const struct storage_io *data)
{
	const struct record_entry entry = {
		.magic = htole32(RECORD_MAGIC),
		.kind = from->kind,
		.op = from->op,
		.flags = htole16(from->flags),
		.id = htole64(from->id),
		.offset = htole64(from->offset),
		.length = htole64(from->length),
		.result = (int64_t)htole64((uint64_t)from->result),
		.time_ns = htole64(clock_monotonic_ns()),
		.data = htole64(data ? data->length : 0),
	};
	uint64_t at = record->end;
	int ret = write_at(record, &at, &entry, sizeof(entry));

	for (uint32_t i = 0; ret == 0 && data && i < data->iov_count; i++)
		ret = write_at(record, &at, data->iov[i].iov_base, data->iov[i].iov_len);
	if (ret == 0)
		record->end = at;
	return ret;
}

/* A recording with a gap would be wrong, so it ends where it cannot go on; the disk does. */
static void write_down(struct record_storage *record, const struct record_entry *entry, const struct storage_io *data)
{
	int ret;

	if (record->failed)
		return;
	ret = append(record, entry, data);
	if (ret == 0)
		return;
	record->failed = true;
	/* A part of an entry is as good as none: a reader goes no further. */
	if (ftruncate(record->fd, (off_t)record->end) < 0)
		log_warning("disk %s: the end of \"%s\" is not to be used", record->storage.name, record->path);
	log_error("disk %s: cannot write to \"%s\": %s; the recording ends here, the disk goes on",
		  record->storage.name, record->path, strerror(-ret));
}

static struct record_io *take(struct record_storage *record)
{
	struct record_io *io = record->free;

	if (io)
		record->free = io->next;
	else
		io = malloc(sizeof(*io));
	return io;
}

static void record_done(struct storage_io *lower, int result)
{
	struct record_io *io = (struct record_io *)lower;
	struct storage_io *upper = io->upper;
	struct record_storage *record = record_of(upper->owner);
	const struct record_entry entry = {.kind = RECORD_DONE,
					   .op = (uint8_t)lower->op,
					   .id = io->id,
					   .offset = upper->offset,
					   .length = upper->length,
					   .result = result};

	pthread_mutex_lock(&record->lock);
	write_down(record, &entry, NULL);
	io->next = record->free;
	record->free = io;
	pthread_mutex_unlock(&record->lock);
	upper->done(upper, result);
}

static void record_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *upper)
{
	struct record_storage *record = record_of(storage);
	struct record_entry entry = {.kind = RECORD_SUBMIT, .op = (uint8_t)upper->op};
	struct record_io *io;

	if (upper->op == STORAGE_READ) {
		storage_submit(storage->lower, thread, upper);
		return;
	}
	pthread_mutex_lock(&record->lock);
	io = take(record);
	if (io) {
		io->id = entry.id = record->next_id++;
		entry.offset = upper->offset;
		entry.length = upper->length;
		entry.flags = (upper->flags & STORAGE_STABLE ? RECORD_STABLE : 0) |
			      (upper->flags & STORAGE_UNMAP ? RECORD_UNMAP : 0);
		write_down(record, &entry, upper->op == STORAGE_WRITE ? upper : NULL);
	}
	pthread_mutex_unlock(&record->lock);
	if (!io) {
		upper->done(upper, -ENOMEM);
		return;
	}
	upper->owner = storage;
	io->upper = upper;
	io->lower = *upper;
	io->lower.done = record_done;
	storage_submit(storage->lower, thread, &io->lower);
}

static void record_close(struct storage *storage)
{
	struct record_storage *record = record_of(storage);

	storage_close(storage->lower);
	while (record->free) {
		struct record_io *io = record->free;

		record->free = io->next;
		free(io);
	}
	if (record->fd >= 0)
		close(record->fd);
	pthread_mutex_destroy(&record->lock);
	free(record->path);
	free(record);
}

static const struct storage_ops record_ops = {
	.name = "record",
	.submit = record_submit,
	.close = record_close,
};

/*
 * Where a recording that is there already ends: after its last whole entry,
 * since a daemon that was killed may have left a part of one.
 */
static int find_end(struct record_storage *record, uint64_t size, struct error *err)
{
	struct record_entry entry;
	uint64_t at = 0;

	while (size - at >= sizeof(entry) &&
	       pread(record->fd, &entry, sizeof(entry), (off_t)at) == (ssize_t)sizeof(entry)) {
		if (entry.magic != htole32(RECORD_MAGIC))
			return error_set(err, -EINVAL,
					 "disk %s: \"%s\" is no recording at byte %" PRIu64
					 "; name a file that does not exist in \"record\"",
					 record->storage.name, record->path, at);
		if (le64toh(entry.data) > size - at - sizeof(entry))
			break;
		at += sizeof(entry) + le64toh(entry.data);
	}
	record->end = at;
	if (at == 0 && size)
		return error_set(err, -EINVAL,
				 "disk %s: \"%s\" is no recording; name a file that does not exist in \"record\"",
				 record->storage.name, record->path);
	return ftruncate(record->fd, (off_t)at) < 0 ? error_set(err, -errno, "disk %s: cannot shorten \"%s\": %s",
								record->storage.name, record->path, strerror(errno))
						    : 0;
}

static int open_file(struct record_storage *record, struct error *err)
{
	const char *name = record->storage.name;
	struct stat st;

	record->fd = open(record->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (record->fd < 0)
		return error_set(err, -errno, "disk %s: cannot record to \"%s\": %s", name, record->path,
				 strerror(errno));
	if (flock(record->fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, -errno,
				 "disk %s: \"%s\" is being written by another recording; name another file", name,
				 record->path);
	if (fstat(record->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "disk %s: \"%s\" is not a regular file, which \"record\" needs", name,
				 record->path);
	return find_end(record, (uint64_t)st.st_size, err);
}

static int begin(struct record_storage *record, struct error *err)
{
	const struct storage_info *info = &record->storage.info;
	const struct record_entry entry = {
		.kind = RECORD_OPEN,
		.flags = info->flush_ignored ? RECORD_FLUSH_IGNORED : 0,
		.length = info->size,
		.result = info->block_size,
	};
	int ret = open_file(record, err);

	if (ret)
		return ret;
	ret = append(record, &entry, NULL);
	if (ret)
		return error_set(err, ret, "disk %s: cannot record to \"%s\": %s", record->storage.name, record->path,
				 strerror(-ret));
	return 0;
}

int storage_record_open(struct storage *lower, const char *path, struct storage **out, struct error *err)
{
	struct record_storage *record = calloc(1, sizeof(*record));
	int ret;

	if (!record) {
		ret = error_set(err, -ENOMEM, "disk %s: out of memory", lower->name);
		storage_close(lower);
		return ret;
	}
	record->storage = (struct storage){.ops = &record_ops, .info = lower->info, .lower = lower};
	memcpy(record->storage.name, lower->name, sizeof(lower->name));
	pthread_mutex_init(&record->lock, NULL);
	record->fd = -1;
	record->path = strdup(path);
	ret = record->path ? begin(record, err) : error_set(err, -ENOMEM, "disk %s: out of memory", lower->name);
	if (ret) {
		record_close(&record->storage);
		return ret;
	}
	*out = &record->storage;
	return 0;
}
