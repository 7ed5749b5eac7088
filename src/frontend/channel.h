/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_CHANNEL_H
#define STRAIT_FRONTEND_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/error.h"
#include "vhost/codec.h"

/*
 * The socket to a back end and the messages on it (QEMU
 * docs/interop/vhost-user.rst, "Communication"). The front end asks, the back
 * end answers, in order, so a call here sends one message and, where one is
 * due, waits for its reply.
 *
 * Errors are sentences that begin with the socket's path. -ECONNRESET: the
 * back end closed the connection; -ETIMEDOUT: it did not answer in time;
 * -EPROTO: it answered nonsense; -EREMOTEIO: it refused (REPLY_ACK). Any error
 * but -EREMOTEIO leaves the channel of use only for closing.
 */
struct driver_channel {
	int fd; /* -1 while closed */
	int timeout_ms;
	bool reply_ack; /* ask for, and wait for, an acknowledgement of each message without a reply */
	struct vhost_reader reader;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Connect to the UNIX socket at path. timeout_ms bounds each later wait for the peer. */
int driver_channel_connect(struct driver_channel *channel, const char *path, int timeout_ms, struct error *err);

/* Use a connected socket, which the channel owns from now on, under name. */
void driver_channel_adopt(struct driver_channel *channel, int fd, const char *name, int timeout_ms);

void driver_channel_close(struct driver_channel *channel);

/* The process that listens on the other side (SO_PEERCRED), 0 where the kernel cannot say. */
pid_t driver_channel_peer(const struct driver_channel *channel);

/* False once the back end has closed its side; never waits. */
bool driver_channel_alive(const struct driver_channel *channel);

/* Start a message: everything zero, header and payload size set. */
void driver_msg_init(struct vhost_msg *msg, uint32_t request, uint32_t payload_size);

/*
 * Send msg, whose descriptors stay the caller's, and wait for the
 * acknowledgement if reply_ack is on.
 */
int driver_channel_command(struct driver_channel *channel, struct vhost_msg *msg, struct error *err);

/* Send msg and wait for its reply, which replaces it. Descriptors in the reply are the caller's. */
int driver_channel_query(struct driver_channel *channel, struct vhost_msg *msg, struct error *err);

/* The commonest shapes: no payload and a u64 back; a u64 and nothing back. */
int driver_channel_get_u64(struct driver_channel *channel, uint32_t request, uint64_t *value, struct error *err);
int driver_channel_set_u64(struct driver_channel *channel, uint32_t request, uint64_t value, struct error *err);

/*
 * For tests of back ends: send any bytes with any descriptors, expecting
 * nothing; wait for whatever message comes next. A header may so promise more
 * or less than is sent. receive() waits timeout_ms at most: 0 or an error as above.
 */
int driver_channel_send_raw(struct driver_channel *channel, const void *bytes, size_t length, const int *fds,
			    unsigned fd_count, struct error *err);
int driver_channel_receive(struct driver_channel *channel, struct vhost_msg *msg, int timeout_ms, struct error *err);

#endif
