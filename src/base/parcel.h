/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_PARCEL_H
#define STRAIT_BASE_PARCEL_H

#include <stddef.h>
#include <stdint.h>

/*
 * A datagram with file descriptors between two processes of one host, over a
 * SOCK_SEQPACKET socket: a kind, up to PARCEL_MAX_DATA bytes, up to
 * PARCEL_MAX_FDS descriptors. It arrives whole or not at all.
 */
#define PARCEL_MAX_DATA 32768
#define PARCEL_MAX_FDS  253 /* the kernel's SCM_MAX_FD */

struct parcel {
	uint32_t kind; /* kind and data follow each other as on the wire */
	uint8_t data[PARCEL_MAX_DATA];
	uint32_t length; /* of data */
	unsigned fd_count;
	int fds[PARCEL_MAX_FDS]; /* one being made: the maker's; one received: the parcel's, -1 once taken */
};

void parcel_init(struct parcel *parcel, uint32_t kind);

/* Add bytes, or a descriptor. -ENOSPC where they do not fit: nothing is added. */
int parcel_add(struct parcel *parcel, const void *data, size_t length);
int parcel_add_fd(struct parcel *parcel, int fd);

/*
 * 0, or a negative errno: -EAGAIN where the peer does not read, -EPIPE or
 * -ECONNRESET where it is gone. Descriptors stay the maker's.
 */
int parcel_send(int socket, const struct parcel *parcel);

/*
 * 1: *parcel is there, to be given to parcel_close(). 0: nothing has come yet
 * (a non-blocking socket, or its SO_RCVTIMEO). -ECONNRESET: the peer is gone.
 * -EPROTO: a datagram that no parcel_send() makes. Other negative errno.
 */
int parcel_receive(int socket, struct parcel *parcel);

/* Take descriptor i out; -1 where there is none. The caller owns it then. */
int parcel_take_fd(struct parcel *parcel, unsigned i);

/* Close what was not taken of a received parcel. */
void parcel_close(struct parcel *parcel);

#endif
