/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parcel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(offsetof(struct parcel, data) == sizeof(uint32_t), "data must follow the kind as on the wire");

void parcel_init(struct parcel *parcel, uint32_t kind)
{
	parcel->kind = kind;
	parcel->length = 0;
	parcel->fd_count = 0;
}

int parcel_add(struct parcel *parcel, const void *data, size_t length)
{
	if (length > sizeof(parcel->data) - parcel->length)
		return -ENOSPC;
	memcpy(parcel->data + parcel->length, data, length);
	parcel->length += (uint32_t)length;
	return 0;
}

int parcel_add_fd(struct parcel *parcel, int fd)
{
	if (parcel->fd_count == PARCEL_MAX_FDS)
		return -ENOSPC;
	parcel->fds[parcel->fd_count++] = fd;
	return 0;
}

int parcel_send(int socket, const struct parcel *parcel)
{
	char control[CMSG_SPACE(sizeof(parcel->fds))] = {0};
	const size_t length = offsetof(struct parcel, data) + parcel->length;
	struct iovec iov = {.iov_base = (void *)parcel, .iov_len = length};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (parcel->fd_count) {
		const size_t bytes = sizeof(int) * parcel->fd_count;
		struct cmsghdr *rights;

		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(bytes);
		rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(rights), parcel->fds, bytes);
	}
	do {
		sent = sendmsg(socket, &header, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == length ? 0 : -EIO;
}

static void collect_fds(struct parcel *parcel, struct msghdr *header)
{
	struct cmsghdr *control;

	for (control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
		size_t bytes;

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		/* One of these is all that fits into the buffer. */
		bytes = control->cmsg_len - CMSG_LEN(0);
		memcpy(parcel->fds, CMSG_DATA(control), bytes);
		parcel->fd_count = (unsigned)(bytes / sizeof(int));
	}
}

int parcel_receive(int socket, struct parcel *parcel)
{
	char control[CMSG_SPACE(sizeof(parcel->fds))];
	struct iovec iov = {.iov_base = parcel, .iov_len = offsetof(struct parcel, data) + sizeof(parcel->data)};
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t got;

	parcel_init(parcel, 0);
	do {
		got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
	collect_fds(parcel, &header);
	if (got == 0 && !parcel->fd_count)
		return -ECONNRESET;
	if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || (size_t)got < offsetof(struct parcel, data)) {
		parcel_close(parcel);
		return -EPROTO;
	}
	parcel->length = (uint32_t)((size_t)got - offsetof(struct parcel, data));
	return 1;
}

int parcel_take_fd(struct parcel *parcel, unsigned i)
{
	int fd;

	if (i >= parcel->fd_count)
		return -1;
	fd = parcel->fds[i];
	parcel->fds[i] = -1;
	return fd;
}

void parcel_close(struct parcel *parcel)
{
	for (unsigned i = 0; i < parcel->fd_count; i++) {
		if (parcel->fds[i] >= 0)
			close(parcel->fds[i]);
	}
	parcel->fd_count = 0;
}
