/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_PEER_H
#define STRAIT_TESTS_PEER_H

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/device.h"

/*
 * The other end of the socket without a thread: replies are written before
 * the front end asks, and its messages are read afterwards.
 */
struct peer {
	int fd;
	int front_fd;
	struct vhost_reader reader;
};

static inline void peer_open(struct peer *peer)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	peer->fd = pair[0];
	peer->front_fd = pair[1];
	vhost_reader_init(&peer->reader);
}

static inline void peer_close(struct peer *peer)
{
	vhost_reader_free(&peer->reader);
	close(peer->fd);
}

static inline void reply_u64(struct peer *peer, uint32_t request, uint64_t value)
{
	struct vhost_msg msg;

	driver_msg_init(&msg, request, sizeof(uint64_t));
	msg.header.flags |= VHOST_FLAG_REPLY;
	msg.payload.u64 = value;
	assert_int_equal(vhost_send(peer->fd, &msg), 0);
}

static inline void reply_config(struct peer *peer, const struct virtio_blk_config *config)
{
	const uint32_t size = offsetof(struct virtio_blk_config, max_secure_erase_sectors);
	struct vhost_msg msg;

	driver_msg_init(&msg, VHOST_GET_CONFIG, VHOST_CONFIG_HEADER_SIZE + size);
	msg.header.flags |= VHOST_FLAG_REPLY;
	msg.payload.config.size = size;
	memcpy(msg.payload.config.data, config, size);
	assert_int_equal(vhost_send(peer->fd, &msg), 0);
}

/* The next message of the front end, which must be this request. */
static inline struct vhost_msg expect(struct peer *peer, uint32_t request)
{
	struct vhost_msg msg;

	assert_int_equal(vhost_recv(peer->fd, &peer->reader, &msg), 1);
	assert_int_equal(msg.header.request, request);
	assert_int_equal(msg.header.flags & VHOST_FLAG_VERSION_MASK, VHOST_FLAG_VERSION);
	return msg;
}

static inline void expect_nothing(struct peer *peer)
{
	struct vhost_msg msg;

	assert_int_equal(vhost_recv(peer->fd, &peer->reader, &msg), 0);
}

#endif
