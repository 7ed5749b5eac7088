/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/log.h"
#include "vhost/handlers.h"
#include "vhost/messages.h"

/*
 * What a front end that migrates its guest says: where the dirty log is, and
 * what we have no part in. Whether there is logging is said by a feature bit
 * and the vrings' addresses (vhost-user.rst, "Migration").
 */

void vhost_log_forget(struct vhost_session *session)
{
	struct vhost_log *log = &session->log;

	if (log->dirty.outside && log_may_say(&session->quota, session->name))
		log_warning("disk %s: %" PRIu64 " writes of the device lay beyond the dirty log of %" PRIu64 " pages",
			    session->name, log->dirty.outside, log->dirty.pages);
	if (log->guard) {
		memguard_unmap(log->guard);
		close(log->fd);
	}
	*log = (struct vhost_log){.dirty = {.event_fd = log->dirty.event_fd}};
}

void vhost_log_clear(struct vhost_session *session)
{
	vhost_log_forget(session);
	vhost_replace_fd(&session->log.dirty.event_fd, -1);
}

/* A file that is too short is refused from the start; one that is shrunk later is memguard's affair. */
static int check_file(const struct vhost_log_msg *msg, int fd, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "dirty log: fstat: %s", strerror(errno));
	if (S_ISREG(st.st_mode) && !range_within(msg->offset, msg->size, (uint64_t)st.st_size))
		return error_set(err, -EINVAL,
				 "dirty log: its file has %" PRId64 " bytes, expected at least 0x%" PRIx64
				 " + 0x%" PRIx64,
				 (int64_t)st.st_size, msg->offset, msg->size);
	return 0;
}

/*
 * The most of a log that is mapped, whatever the front end says: a bit for each
 * page of 2^48 bytes, as many as 48 bits address. Not what memory-max says,
 * since a guest's memory lies as high as its firmware likes, with holes.
 */
#define LOG_BYTES_MAX ((1ull << 48) / DIRTY_LOG_PAGE / 8)

static int map_log(struct vhost_session *session, const struct vhost_log_msg *msg, int fd, struct error *err)
{
	const uint64_t mapped = msg->size < LOG_BYTES_MAX ? msg->size : LOG_BYTES_MAX;
	struct memguard *guard;
	uint64_t end;
	uint8_t *mapping;
	int own_fd, ret;

	if (!msg->size || __builtin_add_overflow(msg->offset, msg->size, &end))
		return error_set(err, -EINVAL,
				 "dirty log of 0x%" PRIx64 " bytes at offset 0x%" PRIx64
				 " of its file: it is empty or the numbers overflow",
				 msg->size, msg->offset);
	ret = check_file(msg, fd, err);
	if (ret < 0)
		return ret;
	mapping = memguard_map_at(fd, msg->offset, mapped, &guard);
	if (!mapping)
		return error_set(err, -errno, "dirty log of 0x%" PRIx64 " bytes: mmap: %s", msg->size, strerror(errno));
	own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own_fd < 0) {
		ret = error_set(err, -errno, "dirty log: its file descriptor: %s", strerror(errno));
		memguard_unmap(guard);
		return ret;
	}
	vhost_log_forget(session);
	session->log.guard = guard;
	session->log.at = *msg;
	session->log.fd = own_fd;
	session->log.dirty.bits = mapping;
	session->log.dirty.pages = mapped * 8;
	return 0;
}

int vhost_set_log_base(struct vhost_session *session, struct error *err)
{
	const struct vhost_log_msg msg = session->msg.payload.log;
	int ret;

	if (!vhost_has_protocol_feature(session, VHOST_PROTOCOL_F_LOG_SHMFD))
		return error_set(err, -EOPNOTSUPP,
				 "without LOG_SHMFD having been negotiated its log cannot be reached");
	if (session->msg.fd_count != 1)
		return error_set(err, -EPROTO, "the dirty log came without a file descriptor");
	ret = map_log(session, &msg, session->msg.fds[0], err);
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < session->vring_count; i++)
		session->vring[i].rejected = false;
	/* With LOG_SHMFD it has a reply ("Communication"), in the form that an acknowledgement has. */
	session->msg.payload.u64 = 0;
	session->msg.header.size = sizeof(uint64_t);
	return 1;
}

int vhost_set_log_fd(struct vhost_session *session, struct error *err)
{
	int fd = vhost_msg_take_fd(&session->msg, 0);

	if (fd < 0)
		return error_set(err, -EPROTO, "SET_LOG_FD came without a file descriptor");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		close(fd);
		return error_set(err, -errno, "a file descriptor that cannot be made non-blocking: %s",
				 strerror(errno));
	}
	vhost_replace_fd(&session->log.dirty.event_fd, fd);
	return 0;
}

/* The first byte behind guest memory; memory->region is sorted. */
static uint64_t memory_end(const struct memmap *memory)
{
	const struct memmap_region *last = &memory->region[memory->count - 1];

	return last->guest + last->size;
}

static bool logs_all(const struct vhost_session *session)
{
	return session->features >> VHOST_USER_F_LOG_ALL & 1;
}

bool vhost_log_ready(struct vhost_session *session, const struct vhost_vring *vring)
{
	struct vhost_log *log = &session->log;
	bool ready = true;

	if (logs_all(session))
		ready = log->guard && dirty_log_covers(&log->dirty, memory_end(&session->memory) - 1, 1);
	else if (vring->log)
		ready = log->guard != NULL;
	if (!ready && !log->missing && log_may_say(&session->quota, session->name))
		log_warning("disk %s: the front end wants a dirty log of guest memory up to 0x%" PRIx64
			    ", and its own covers %" PRIu64 " pages: queues wait for SET_LOG_BASE",
			    session->name, memory_end(&session->memory), log->dirty.pages);
	log->missing = !ready;
	return ready;
}

void vhost_log_setup(struct vhost_session *session, const struct vhost_vring *vring, struct virtq_setup *ring)
{
	ring->log = logs_all(session) ? &session->log.dirty : NULL;
	ring->ring_log = vring->log ? &session->log.dirty : NULL;
	ring->used_log = vring->log_guest;
}

int vhost_refuse_postcopy(struct vhost_session *session, struct error *err)
{
	(void)session;
	return error_set(err, -EOPNOTSUPP,
			 "postcopy is not supported and was not offered: a disk would wait for pages of guest memory "
			 "in the middle of an I/O; use precopy migration");
}

int vhost_refuse_device_state(struct vhost_session *session, struct error *err)
{
	(void)session;
	return error_set(err, -EOPNOTSUPP,
			 "a block device has no state beside its rings, so DEVICE_STATE was not offered");
}
