/* SPDX-License-Identifier: Apache-2.0 */
/* The in-flight region (vhost-user.rst, "Inflight I/O tracking") as messages have it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/memguard.h"
#include "vhost/handlers.h"
#include "vhost/messages.h"
#include "virtio/inflight.h"

/* Whether the front end will use packed rings may not be settled yet when it asks: room for either. */
static uint64_t region_size(uint32_t queues, uint32_t entries)
{
	const uint64_t split = inflight_bytes(false, entries), packed = inflight_bytes(true, entries);

	return queues * (split > packed ? split : packed);
}

static int check_counts(const struct vhost_session *session, struct error *err)
{
	const struct vhost_inflight_msg *msg = &session->msg.payload.inflight;

	if (!msg->num_queues || msg->num_queues > session->vring_count || !msg->queue_size ||
	    msg->queue_size > VIRTQ_MAX_SIZE)
		return error_set(err, -EINVAL,
				 "an in-flight region for %u queues of %u entries, expected 1 to %" PRIu32
				 " queues of 1 to %d",
				 msg->num_queues, msg->queue_size, session->vring_count, VIRTQ_MAX_SIZE);
	return 0;
}

/* Nobody can take it away from under us: it neither shrinks nor grows. */
static int create_region(uint64_t size)
{
	int fd = memfd_create("strait-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

int vhost_get_inflight_fd(struct vhost_session *session, struct error *err)
{
	struct vhost_inflight_msg *msg = &session->msg.payload.inflight;
	int fd, ret = check_counts(session, err);

	if (ret < 0)
		return ret;
	msg->mmap_size = region_size(msg->num_queues, msg->queue_size);
	msg->mmap_offset = 0;
	fd = create_region(msg->mmap_size);
	if (fd < 0)
		return error_set(err, fd, "an in-flight region of %" PRIu64 " bytes cannot be made: %s", msg->mmap_size,
				 strerror(-fd));
	session->reply_fd = fd;
	return 1;
}

static int check_file(const struct vhost_inflight_msg *msg, int fd, struct error *err)
{
	struct stat st;

	if (fd < 0)
		return error_set(err, -EPROTO, "it came without a file descriptor");
	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "an in-flight region that is no file: %s", strerror(errno));
	/* Entries have 64-bit fields that are written in one go. */
	if (!S_ISREG(st.st_mode) || !msg->mmap_size || !is_aligned(msg->mmap_offset, sizeof(uint64_t)) ||
	    !range_within(msg->mmap_offset, msg->mmap_size, (uint64_t)st.st_size))
		return error_set(err, -EINVAL,
				 "an in-flight region of 0x%" PRIx64 " bytes at offset 0x%" PRIx64
				 ", expected a multiple of 8 as offset and both inside the file, which has %" PRId64
				 " bytes",
				 msg->mmap_size, msg->mmap_offset, (int64_t)st.st_size);
	return 0;
}

int vhost_set_inflight_fd(struct vhost_session *session, struct error *err)
{
	const struct vhost_inflight_msg *msg = &session->msg.payload.inflight;
	struct vhost_inflight *inflight = &session->inflight;
	int ret = check_counts(session, err);
	struct memguard *guard;
	uint64_t needed;
	char *mapping;

	if (ret == 0)
		ret = check_file(msg, session->msg.fd_count ? session->msg.fds[0] : -1, err);
	if (ret < 0)
		return ret;
	/* Not all that is said to be there, since a sparse file is as long as one likes: what can be used of it. */
	needed = region_size(msg->num_queues, msg->queue_size);
	mapping = memguard_map_at(session->msg.fds[0], msg->mmap_offset,
				  msg->mmap_size < needed ? msg->mmap_size : needed, &guard);
	if (!mapping)
		return error_set(err, -errno, "an in-flight region of 0x%" PRIx64 " bytes: mmap: %s", msg->mmap_size,
				 strerror(errno));
	vhost_inflight_clear(session);
	*inflight = (struct vhost_inflight){
		.as = *msg, .fd = vhost_msg_take_fd(&session->msg, 0), .at = mapping, .guard = guard};
	for (uint32_t i = 0; i < session->vring_count; i++)
		session->vring[i].rejected = false;
	return 0;
}

void vhost_inflight_clear(struct vhost_session *session)
{
	if (session->inflight.at)
		memguard_unmap(session->inflight.guard);
	vhost_replace_fd(&session->inflight.fd, -1);
	session->inflight = (struct vhost_inflight){.fd = -1};
}

int vhost_inflight_area(const struct vhost_session *session, uint32_t index, bool packed, struct inflight_area *area,
			struct error *err)
{
	const struct vhost_inflight *inflight = &session->inflight;
	const uint64_t bytes = inflight_bytes(packed, inflight->as.queue_size);

	*area = (struct inflight_area){0};
	if (!inflight->at)
		return 0;
	if (index >= inflight->as.num_queues || !range_within(index * bytes, bytes, inflight->as.mmap_size))
		return error_set(err, -EINVAL,
				 "the in-flight region has no place for it: it is for %u queues of %u entries and has "
				 "%" PRIu64 " bytes, expected %" PRIu64 " for each queue",
				 inflight->as.num_queues, inflight->as.queue_size, inflight->as.mmap_size, bytes);
	area->at = inflight->at + index * bytes;
	area->entries = inflight->as.queue_size;
	return 0;
}
