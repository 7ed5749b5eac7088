/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/file.h"

/*
 * Image locks as QEMU has them, so that neither opens what the other has open.
 * Permission p is held by a read lock on byte HELD + p, and denied to others by
 * one on byte DENIED + p. Each takes its locks first and then looks whether
 * anybody has one on the opposite byte: of two who come at once, one or both
 * are refused, never neither.
 *
 * The locks belong to the open file description: a second open in this process
 * conflicts too, and they go when the descriptor is closed, however the process
 * ends.
 */
#define HELD   100
#define DENIED 200

/*
 * A process that was killed has its image locked until the kernel is through
 * with the I/O that it had in flight, when the process itself is long gone. So
 * is whoever takes its place sure that nothing of it comes after his own
 * writes; he only has to wait: a little, or as long as a device takes that
 * hangs.
 */
#define LEFTOVER_UNUSUAL_NS   1000000000u
#define LEFTOVER_PAUSE_NS     1000000
#define LEFTOVER_PAUSE_MAX_NS 64000000

enum permission {
	CONSISTENT_READ,
	WRITE,
	WRITE_UNCHANGED,
	RESIZE,
	PERMISSION_COUNT,
};

static struct flock byte_lock(short type, int byte)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

static int take(int fd, int byte)
{
	struct flock lock = byte_lock(F_RDLCK, byte);

	return fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

/* 0, or -EBUSY where anybody else has a lock on byte; *pid is then its process if the kernel tells, else not above 0.
 */
static int look(int fd, int byte, int *pid)
{
	struct flock lock = byte_lock(F_WRLCK, byte);

	if (fcntl(fd, F_OFD_GETLK, &lock))
		return -errno;
	*pid = lock.l_pid;
	return lock.l_type == F_UNLCK ? 0 : -EBUSY;
}

/* -EBUSY; -EAGAIN where nobody can be found who has the lock. err is set in either case. */
static int conflict(struct file_storage *file, int byte, int pid, struct error *err)
{
	bool writes = byte == HELD + WRITE;
	char holder[64];
	const bool known = file_holder(file->fd, pid, holder, sizeof(holder));

	if (file->storage.info.read_only && writes)
		error_set(err, -EBUSY,
			  "disk %s: \"%s\" is open for writing by %s, so what is read from it would not be "
			  "consistent: stop that first",
			  file->storage.name, file->path, holder);
	else
		error_set(err, -EBUSY,
			  "disk %s: \"%s\" is in use by %s: only one may have it open for writing; stop the other, or "
			  "open it read-only in both",
			  file->storage.name, file->path, holder);
	return known ? -EBUSY : -EAGAIN;
}

static int lock_image(struct file_storage *file, struct error *err)
{
	unsigned held = 1u << CONSISTENT_READ, denied = 1u << WRITE;
	int pid = 0, ret;

	if (!file->storage.info.read_only)
		held |= 1u << WRITE;
	for (int i = 0; i < PERMISSION_COUNT; i++) {
		ret = held & (1u << i) ? take(file->fd, HELD + i) : 0;
		if (!ret && (denied & (1u << i)))
			ret = take(file->fd, DENIED + i);
		/* A lock of another kind over these bytes, of the whole file perhaps. */
		if (ret == -EAGAIN || ret == -EACCES) {
			if (look(file->fd, HELD + i, &pid) != -EBUSY)
				look(file->fd, DENIED + i, &pid);
			return conflict(file, HELD + i, pid, err);
		}
		if (ret)
			return ret;
	}
	for (int i = 0; i < PERMISSION_COUNT; i++) {
		ret = denied & (1u << i) ? look(file->fd, HELD + i, &pid) : 0;
		if (ret == -EBUSY)
			return conflict(file, HELD + i, pid, err);
		if (!ret && (held & (1u << i)))
			ret = look(file->fd, DENIED + i, &pid);
		if (ret == -EBUSY)
			return conflict(file, DENIED + i, pid, err);
		if (ret)
			return ret;
	}
	return 0;
}

void file_unlock(struct file_storage *file)
{
	struct flock lock = {
		.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = HELD, .l_len = DENIED + PERMISSION_COUNT - HELD};

	fcntl(file->fd, F_OFD_SETLK, &lock);
}

/* -EAGAIN where nobody could be found who has the lock, for all of the time. */
static int wait_for_leftover(struct file_storage *file, uint64_t patience_ns, struct error *err)
{
	struct timespec pause = {.tv_nsec = LEFTOVER_PAUSE_NS};
	const uint64_t start = clock_monotonic_ns();
	bool told = false;
	uint64_t waited;
	int ret;

	do {
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < LEFTOVER_PAUSE_MAX_NS)
			pause.tv_nsec *= 2;
		ret = lock_image(file, err);
		waited = clock_monotonic_ns() - start;
		if (ret == -EAGAIN && waited > LEFTOVER_UNUSUAL_NS && !told) {
			log_warning("disk %s: \"%s\" is still locked and nobody can be found who has it: waiting for "
				    "I/O that a process left behind",
				    file->storage.name, file->path);
			told = true;
		}
	} while (ret == -EAGAIN && waited < patience_ns);
	return ret;
}

int file_lock(struct file_storage *file, uint64_t patience_ns, struct error *err)
{
	int ret = lock_image(file, err);

	if (ret == -EAGAIN && patience_ns)
		ret = wait_for_leftover(file, patience_ns, err);
	if (ret == -EAGAIN)
		ret = -EBUSY;
	if (ret && ret != -EBUSY) {
		log_warning("disk %s: \"%s\" cannot be locked (%s): nothing keeps another program from writing to it",
			    file->storage.name, file->path, strerror(-ret));
		return 0;
	}
	return ret;
}
