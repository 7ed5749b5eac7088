/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "vhost/handlers.h"
#include "vhost/messages.h"

/* The messages that set up one vring and start or stop it. */

void vhost_replace_fd(int *fd, int with)
{
	if (*fd >= 0)
		close(*fd);
	*fd = with;
}

bool vhost_duplicate_fd(int fd, int *copy)
{
	*copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 || *copy >= 0;
}

void vhost_vrings_close(struct vhost_session *session)
{
	for (uint32_t i = 0; i < session->vring_count; i++) {
		vhost_replace_fd(&session->vring[i].kick_fd, -1);
		vhost_replace_fd(&session->vring[i].call_fd, -1);
		vhost_replace_fd(&session->vring[i].err_fd, -1);
	}
}

/* The vring that the message names; its index was checked before anything was stopped. */
static struct vhost_vring *named_vring(struct vhost_session *session)
{
	return &session->vring[vhost_message_vring(session, &session->msg)];
}

bool vhost_vring_size_fits(const struct vhost_session *session, uint32_t size)
{
	return size && size <= VIRTQ_MAX_SIZE &&
	       (vhost_has_feature(session, VIRTIO_F_RING_PACKED) || is_power_of_two(size));
}

int vhost_set_vring_num(struct vhost_session *session, struct error *err)
{
	struct vhost_vring *vring = named_vring(session);
	uint32_t size = session->msg.payload.state.num;

	if (!vhost_vring_size_fits(session, size))
		return error_set(err, -EINVAL, "vring size %" PRIu32 ": expected %s up to %d", size,
				 vhost_has_feature(session, VIRTIO_F_RING_PACKED) ? "1" : "a power of two",
				 VIRTQ_MAX_SIZE);
	vring->size = size;
	vring->rejected = false;
	return 0;
}

int vhost_set_vring_addr(struct vhost_session *session, struct error *err)
{
	const struct vhost_vring_addr_msg *addr = &session->msg.payload.addr;
	struct vhost_vring *vring = named_vring(session);

	(void)err;
	vring->desc = addr->desc_user;
	vring->avail = addr->avail_user;
	vring->used = addr->used_user;
	vring->log = addr->flags & VHOST_VRING_LOG;
	vring->log_guest = addr->log_guest;
	vring->rejected = false;
	return 0;
}

int vhost_set_vring_base(struct vhost_session *session, struct error *err)
{
	struct vhost_vring *vring = named_vring(session);

	/* Whether a packed ring can be there is for virtq_init() to say, which knows the size. */
	if (!vhost_has_feature(session, VIRTIO_F_RING_PACKED) && session->msg.payload.state.num > UINT16_MAX)
		return error_set(err, -EINVAL, "vring base %" PRIu32 ": expected up to %d",
				 session->msg.payload.state.num, UINT16_MAX);
	vring->base = session->msg.payload.state.num;
	vring->based = true;
	vring->was_based = false;
	vring->rejected = false;
	return 0;
}

static bool any_started(const struct vhost_session *session)
{
	for (uint32_t i = 0; i < session->vring_count; i++) {
		if (session->vring[i].started)
			return true;
	}
	return false;
}

int vhost_get_vring_base(struct vhost_session *session, struct error *err)
{
	struct vhost_vring *vring = named_vring(session);

	(void)err;
	vring->started = false;
	vhost_replace_fd(&vring->kick_fd, -1);
	session->msg.payload.state.num = vring->was_based ? vring->base : vhost_vring_base(session, vring);
	/* Before the reply: when it has come, the next back end may begin. */
	if (!any_started(session))
		session->ops->all_stopped(session->device);
	return 1;
}

/* The eventfd of a SET_VRING_KICK, CALL or ERR; -1 where the peer polls instead. */
static int take_eventfd(struct vhost_session *session, int *fd, struct error *err)
{
	bool none = session->msg.payload.u64 & VHOST_VRING_NOFD;

	if (none != (session->msg.fd_count == 0))
		return error_set(err, -EPROTO, "%u file descriptors, expected %s", session->msg.fd_count,
				 none ? "none, as bit 8 says" : "one");
	/*
	 * A descriptor that blocks would stop a worker and all its queues. Of a
	 * front end that means well: the flag is shared with it, and one that
	 * clears it again and fills the counter has its worker wait.
	 */
	if (!none && fcntl(session->msg.fds[0], F_SETFL, O_NONBLOCK) < 0)
		return error_set(err, -errno, "a file descriptor that cannot be made non-blocking: %s",
				 strerror(errno));
	*fd = vhost_msg_take_fd(&session->msg, 0);
	return 0;
}

int vhost_set_vring_kick(struct vhost_session *session, struct error *err)
{
	struct vhost_vring *vring = named_vring(session);
	int fd = -1, ret = take_eventfd(session, &fd, err);

	if (ret < 0)
		return ret;
	vhost_replace_fd(&vring->kick_fd, fd);
	vring->started = true;
	vring->rejected = false;
	return 0;
}

int vhost_set_vring_call(struct vhost_session *session, struct error *err)
{
	int index = vhost_message_vring(session, &session->msg);
	struct vhost_vring *vring = &session->vring[index];
	int fd = -1, own, ret = take_eventfd(session, &fd, err);

	if (ret < 0)
		return ret;
	vhost_replace_fd(&vring->call_fd, fd);
	if (!vring->running)
		return 0;
	if (!vhost_duplicate_fd(fd, &own))
		return error_set(err, -errno, "its file descriptor cannot be duplicated: %s", strerror(errno));
	session->ops->queue_set_call(session->device, (uint32_t)index, own);
	return 0;
}

int vhost_set_vring_err(struct vhost_session *session, struct error *err)
{
	int fd = -1, ret = take_eventfd(session, &fd, err);

	if (ret < 0)
		return ret;
	vhost_replace_fd(&named_vring(session)->err_fd, fd);
	return 0;
}

int vhost_set_vring_enable(struct vhost_session *session, struct error *err)
{
	uint32_t on = session->msg.payload.state.num;

	if (on > 1)
		return error_set(err, -EINVAL, "SET_VRING_ENABLE with %" PRIu32 ", expected 0 or 1", on);
	named_vring(session)->enabled = on;
	return 0;
}
