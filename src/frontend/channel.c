/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static const char *request_name(uint32_t request)
{
	const struct vhost_msg_rule *rule = vhost_msg_rule(request);

	return rule->name ? rule->name : "an unknown request";
}

int driver_channel_connect(struct driver_channel *channel, const char *path, int timeout_ms, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, ret;

	channel->fd = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG, "%s: the path of a UNIX socket has at most %zu bytes", path,
				 sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, -errno, "%s: cannot create a socket: %s", path, strerror(errno));
	do {
		ret = connect(fd, (struct sockaddr *)&address, sizeof(address));
	} while (ret < 0 && errno == EINTR);
	if (ret < 0) {
		ret = error_set(err, -errno, "%s: cannot connect: %s%s", path, strerror(errno),
				errno == ECONNREFUSED ? " (no back end is listening there)" : "");
		close(fd);
		return ret;
	}
	driver_channel_adopt(channel, fd, path, timeout_ms);
	return 0;
}

void driver_channel_adopt(struct driver_channel *channel, int fd, const char *name, int timeout_ms)
{
	memset(channel, 0, sizeof(*channel));
	channel->fd = fd;
	channel->timeout_ms = timeout_ms;
	snprintf(channel->path, sizeof(channel->path), "%s", name);
	vhost_reader_init(&channel->reader);
	/* Waits go through poll(2), so that none is without an end. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void driver_channel_close(struct driver_channel *channel)
{
	if (channel->fd < 0)
		return;
	vhost_reader_free(&channel->reader);
	close(channel->fd);
	channel->fd = -1;
}

pid_t driver_channel_peer(const struct driver_channel *channel)
{
	struct ucred credentials;
	socklen_t length = sizeof(credentials);

	if (getsockopt(channel->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
		return 0;
	return credentials.pid;
}

bool driver_channel_alive(const struct driver_channel *channel)
{
	struct pollfd poller = {.fd = channel->fd, .events = POLLRDHUP};

	return channel->fd >= 0 && (poll(&poller, 1, 0) <= 0 || !(poller.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

/* Wait for events on the socket. 0, -ETIMEDOUT or another negative errno. */
static int wait_socket(struct driver_channel *channel, short events, int timeout_ms)
{
	const uint64_t deadline = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;

	for (;;) {
		struct pollfd poller = {.fd = channel->fd, .events = events};
		const uint64_t now = clock_monotonic_ns();
		const int left = now < deadline ? (int)((deadline - now) / 1000000u) + 1 : 0;
		const int ready = poll(&poller, 1, left);

		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (!left)
			return -ETIMEDOUT;
	}
}

static int closed_error(struct driver_channel *channel, const char *request, struct error *err)
{
	return error_set(err, -ECONNRESET,
			 "%s: the back end closed the connection at %s (it may have died or refused the message: "
			 "see its log)",
			 channel->path, request);
}

static int send_failed(struct driver_channel *channel, const char *request, int ret, struct error *err)
{
	if (ret == -ETIMEDOUT)
		return error_set(err, ret, "%s: the back end does not read its socket: %s was not sent within %d ms",
				 channel->path, request, channel->timeout_ms);
	if (ret == -EPIPE || ret == -ECONNRESET)
		return closed_error(channel, request, err);
	return error_set(err, ret, "%s: cannot send %s: %s", channel->path, request, strerror(-ret));
}

static int send_msg(struct driver_channel *channel, const struct vhost_msg *msg, struct error *err)
{
	int ret;

	for (;;) {
		ret = vhost_send(channel->fd, msg);
		if (ret != -EAGAIN)
			break;
		ret = wait_socket(channel, POLLOUT, channel->timeout_ms);
		if (ret < 0)
			break;
	}
	return ret < 0 ? send_failed(channel, request_name(msg->header.request), ret, err) : 0;
}

/* Wait for the next message; what names the question in errors. */
static int receive_for(struct driver_channel *channel, struct vhost_msg *msg, int timeout_ms, const char *what,
		       struct error *err)
{
	int ret;

	for (;;) {
		ret = vhost_recv(channel->fd, &channel->reader, msg);
		if (ret == 1)
			return 0;
		if (ret < 0)
			break;
		ret = wait_socket(channel, POLLIN, timeout_ms);
		if (ret == -ETIMEDOUT)
			return error_set(err, ret, "%s: no answer to %s within %d ms", channel->path, what, timeout_ms);
		if (ret < 0)
			break;
	}
	if (ret == -ECONNRESET)
		return closed_error(channel, what, err);
	if (ret == -EPROTO)
		return error_set(err, ret, "%s: the back end answered %s with %s", channel->path, what,
				 channel->reader.reason);
	return error_set(err, ret, "%s: cannot receive the answer to %s: %s", channel->path, what, strerror(-ret));
}

int driver_channel_receive(struct driver_channel *channel, struct vhost_msg *msg, int timeout_ms, struct error *err)
{
	return receive_for(channel, msg, timeout_ms, "the last message", err);
}

static int receive_reply(struct driver_channel *channel, uint32_t request, struct vhost_msg *msg, struct error *err)
{
	const int ret = receive_for(channel, msg, channel->timeout_ms, request_name(request), err);

	if (ret < 0)
		return ret;
	if (msg->header.request == request && (msg->header.flags & VHOST_FLAG_REPLY))
		return 0;
	vhost_msg_close_fds(msg);
	return error_set(err, -EPROTO, "%s: expected the reply to %s, got message %u with flags %#x", channel->path,
			 request_name(request), msg->header.request, msg->header.flags);
}

void driver_msg_init(struct vhost_msg *msg, uint32_t request, uint32_t payload_size)
{
	memset(msg, 0, sizeof(*msg));
	msg->header.request = request;
	msg->header.flags = VHOST_FLAG_VERSION;
	msg->header.size = payload_size;
}

int driver_channel_command(struct driver_channel *channel, struct vhost_msg *msg, struct error *err)
{
	const uint32_t request = msg->header.request;
	struct vhost_msg reply;
	int ret;

	if (channel->reply_ack)
		msg->header.flags |= VHOST_FLAG_NEED_REPLY;
	ret = send_msg(channel, msg, err);
	if (ret < 0 || !channel->reply_ack)
		return ret;
	ret = receive_reply(channel, request, &reply, err);
	if (ret < 0)
		return ret;
	vhost_msg_close_fds(&reply);
	if (reply.header.size != sizeof(uint64_t))
		return error_set(err, -EPROTO, "%s: the acknowledgement of %s has %u bytes instead of 8", channel->path,
				 request_name(request), reply.header.size);
	if (reply.payload.u64)
		return error_set(err, -EREMOTEIO, "%s: the back end refused %s (it answered %lld): see its log",
				 channel->path, request_name(request), (long long)reply.payload.u64);
	return 0;
}

int driver_channel_query(struct driver_channel *channel, struct vhost_msg *msg, struct error *err)
{
	const uint32_t request = msg->header.request;
	const int ret = send_msg(channel, msg, err);

	return ret < 0 ? ret : receive_reply(channel, request, msg, err);
}

int driver_channel_get_u64(struct driver_channel *channel, uint32_t request, uint64_t *value, struct error *err)
{
	struct vhost_msg msg;
	int ret;

	driver_msg_init(&msg, request, 0);
	ret = driver_channel_query(channel, &msg, err);
	if (ret < 0)
		return ret;
	vhost_msg_close_fds(&msg);
	if (msg.header.size != sizeof(uint64_t))
		return error_set(err, -EPROTO, "%s: the reply to %s has %u bytes instead of 8", channel->path,
				 request_name(request), msg.header.size);
	*value = msg.payload.u64;
	return 0;
}

int driver_channel_set_u64(struct driver_channel *channel, uint32_t request, uint64_t value, struct error *err)
{
	struct vhost_msg msg;

	driver_msg_init(&msg, request, sizeof(uint64_t));
	msg.payload.u64 = value;
	return driver_channel_command(channel, &msg, err);
}

int driver_channel_send_raw(struct driver_channel *channel, const void *bytes, size_t length, const int *fds,
			    unsigned fd_count, struct error *err)
{
	char control[CMSG_SPACE(sizeof(int) * 64)] = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = length};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;
	int ret = 0;

	if (fd_count) {
		struct cmsghdr *rights = (struct cmsghdr *)control;

		if (fd_count > 64)
			return error_set(err, -EINVAL, "%u descriptors are more than one raw message takes", fd_count);
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_count);
	}
	do {
		sent = sendmsg(channel->fd, &header, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			ret = wait_socket(channel, POLLOUT, channel->timeout_ms);
	} while (!ret && sent < 0 && (errno == EINTR || errno == EAGAIN));
	if (!ret && sent < 0)
		ret = -errno;
	if (!ret && (size_t)sent != length)
		ret = -EMSGSIZE;
	return ret < 0 ? send_failed(channel, "a raw message", ret, err) : 0;
}
