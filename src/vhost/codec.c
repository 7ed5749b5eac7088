/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/codec.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RULE(name, size, fds)                                                                                          \
	{                                                                                                              \
		name, size, size, fds                                                                                  \
	}

static const struct vhost_msg_rule rules[VHOST_REQUEST_COUNT] = {
	[VHOST_GET_FEATURES] = RULE("GET_FEATURES", 0, 0),
	[VHOST_SET_FEATURES] = RULE("SET_FEATURES", 8, 0),
	[VHOST_SET_OWNER] = RULE("SET_OWNER", 0, 0),
	[VHOST_RESET_OWNER] = RULE("RESET_OWNER", 0, 0),
	[VHOST_SET_MEM_TABLE] = {"SET_MEM_TABLE", 8, sizeof(struct vhost_memory_msg), VHOST_MSG_MAX_REGIONS},
	[VHOST_SET_LOG_BASE] = RULE("SET_LOG_BASE", sizeof(struct vhost_log_msg), 1),
	[VHOST_SET_LOG_FD] = RULE("SET_LOG_FD", 0, 1),
	[VHOST_SET_VRING_NUM] = RULE("SET_VRING_NUM", sizeof(struct vhost_vring_state_msg), 0),
	[VHOST_SET_VRING_ADDR] = RULE("SET_VRING_ADDR", sizeof(struct vhost_vring_addr_msg), 0),
	[VHOST_SET_VRING_BASE] = RULE("SET_VRING_BASE", sizeof(struct vhost_vring_state_msg), 0),
	[VHOST_GET_VRING_BASE] = RULE("GET_VRING_BASE", sizeof(struct vhost_vring_state_msg), 0),
	[VHOST_SET_VRING_KICK] = RULE("SET_VRING_KICK", 8, 1),
	[VHOST_SET_VRING_CALL] = RULE("SET_VRING_CALL", 8, 1),
	[VHOST_SET_VRING_ERR] = RULE("SET_VRING_ERR", 8, 1),
	[VHOST_GET_PROTOCOL_FEATURES] = RULE("GET_PROTOCOL_FEATURES", 0, 0),
	[VHOST_SET_PROTOCOL_FEATURES] = RULE("SET_PROTOCOL_FEATURES", 8, 0),
	[VHOST_GET_QUEUE_NUM] = RULE("GET_QUEUE_NUM", 0, 0),
	[VHOST_SET_VRING_ENABLE] = RULE("SET_VRING_ENABLE", sizeof(struct vhost_vring_state_msg), 0),
	[VHOST_SET_BACKEND_REQ_FD] = RULE("SET_BACKEND_REQ_FD", 0, 1),
	[VHOST_GET_CONFIG] = {"GET_CONFIG", VHOST_CONFIG_HEADER_SIZE, sizeof(struct vhost_config_msg), 0},
	[VHOST_SET_CONFIG] = {"SET_CONFIG", VHOST_CONFIG_HEADER_SIZE, sizeof(struct vhost_config_msg), 0},
	[VHOST_POSTCOPY_ADVISE] = RULE("POSTCOPY_ADVISE", 0, 0),
	[VHOST_POSTCOPY_LISTEN] = RULE("POSTCOPY_LISTEN", 0, 0),
	[VHOST_POSTCOPY_END] = RULE("POSTCOPY_END", 0, 0),
	[VHOST_GET_INFLIGHT_FD] = {"GET_INFLIGHT_FD", VHOST_INFLIGHT_MIN_SIZE, sizeof(struct vhost_inflight_msg), 0},
	[VHOST_SET_INFLIGHT_FD] = {"SET_INFLIGHT_FD", VHOST_INFLIGHT_MIN_SIZE, sizeof(struct vhost_inflight_msg), 1},
	[VHOST_RESET_DEVICE] = RULE("RESET_DEVICE", 0, 0),
	[VHOST_GET_MAX_MEM_SLOTS] = RULE("GET_MAX_MEM_SLOTS", 0, 0),
	[VHOST_ADD_MEM_REG] = RULE("ADD_MEM_REG", sizeof(struct vhost_single_region_msg), 1),
	/* Some front ends send the descriptor here as well; it is closed unused. */
	[VHOST_REM_MEM_REG] = RULE("REM_MEM_REG", sizeof(struct vhost_single_region_msg), 1),
	[VHOST_SET_STATUS] = RULE("SET_STATUS", 8, 0),
	[VHOST_GET_STATUS] = RULE("GET_STATUS", 0, 0),
	[VHOST_SET_DEVICE_STATE_FD] = RULE("SET_DEVICE_STATE_FD", 8, 1),
	[VHOST_CHECK_DEVICE_STATE] = RULE("CHECK_DEVICE_STATE", 0, 0),
};

const struct vhost_msg_rule *vhost_msg_rule(uint32_t request)
{
	return &rules[request < VHOST_REQUEST_COUNT ? request : 0];
}

void vhost_msg_close_fds(struct vhost_msg *msg)
{
	for (unsigned i = 0; i < msg->fd_count; i++) {
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	}
	msg->fd_count = 0;
}

int vhost_msg_take_fd(struct vhost_msg *msg, unsigned i)
{
	int fd;

	if (i >= msg->fd_count)
		return -1;
	fd = msg->fds[i];
	msg->fds[i] = -1;
	return fd;
}

void vhost_reader_init(struct vhost_reader *reader)
{
	memset(reader, 0, sizeof(*reader));
}

void vhost_reader_free(struct vhost_reader *reader)
{
	vhost_msg_close_fds(&reader->msg);
}

static int broken(struct vhost_reader *reader, const char *reason)
{
	reader->reason = reason;
	return -EPROTO;
}

/* Keep the descriptors of a received piece; close what exceeds the message's share. */
static int collect_fds(struct vhost_reader *reader, struct msghdr *header)
{
	struct cmsghdr *control;
	int surplus = 0;

	for (control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
		size_t count;
		int fd;

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(fd));
			if (reader->msg.fd_count < VHOST_MSG_MAX_FDS) {
				reader->msg.fds[reader->msg.fd_count++] = fd;
			} else {
				close(fd);
				surplus = 1;
			}
		}
	}
	if (surplus || header->msg_flags & MSG_CTRUNC)
		return broken(reader, "more file descriptors than any message has");
	return 0;
}

/* Receive up to length bytes to the reader's position. Bytes read, 0 if none are there yet, or an error. */
static ssize_t receive_some(int socket, struct vhost_reader *reader, size_t length)
{
	char control[CMSG_SPACE(sizeof(int) * (VHOST_MSG_MAX_FDS + 1))];
	struct iovec iov;
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t got;
	int ret;

	/* Header and payload follow each other in struct vhost_msg as on the wire. */
	iov.iov_base = (char *)&reader->msg + reader->received;
	iov.iov_len = length;
	do {
		got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
	ret = collect_fds(reader, &header);
	if (ret < 0)
		return ret;
	if (got == 0)
		return -ECONNRESET;
	reader->received += (size_t)got;
	return got;
}

_Static_assert(offsetof(struct vhost_msg, payload) == sizeof(struct vhost_header),
	       "the payload must follow the header as on the wire");

int vhost_recv(int socket, struct vhost_reader *reader, struct vhost_msg *msg)
{
	const size_t header_size = sizeof(struct vhost_header);

	for (;;) {
		size_t wanted = header_size;
		ssize_t got;

		if (reader->received >= header_size) {
			if (reader->msg.header.size > sizeof(union vhost_payload))
				return broken(reader, "a payload larger than any message has");
			wanted += reader->msg.header.size;
			if (reader->received == wanted)
				break;
		}
		got = receive_some(socket, reader, wanted - reader->received);
		if (got <= 0)
			return (int)got;
	}
	*msg = reader->msg;
	vhost_reader_init(reader);
	return 1;
}

int vhost_send(int socket, const struct vhost_msg *msg)
{
	char control[CMSG_SPACE(sizeof(int) * VHOST_MSG_MAX_FDS)];
	const size_t length = sizeof(msg->header) + msg->header.size;
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = length};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (msg->fd_count) {
		struct cmsghdr *rights;

		memset(control, 0, sizeof(control));
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * msg->fd_count);
		rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * msg->fd_count);
		memcpy(CMSG_DATA(rights), msg->fds, sizeof(int) * msg->fd_count);
	}
	/* Not by O_NONBLOCK alone: who sent us the socket (SET_BACKEND_REQ_FD) shares that flag and may clear it. */
	do {
		sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	/* A message is far smaller than a socket buffer: part of one means the peer does not read. */
	return (size_t)sent == length ? 0 : -EPIPE;
}
