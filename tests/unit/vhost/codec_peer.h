/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_VHOST_CODEC_PEER_H
#define STRAIT_TESTS_VHOST_CODEC_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/codec.h"

/* A connected pair of non-blocking sockets, one end the back end's (ours), one the front end's (theirs). */
struct peer {
	int ours;
	int theirs; /* -1 once closed */
	struct vhost_reader reader;
};

int peer_setup(void **state);
int peer_teardown(void **state);

/* A new pair in place of the old one. */
void peer_reset(void **state);

/* Send bytes as they are, with so many descriptors of their own, which are gone here afterwards. */
void peer_write(struct peer *peer, const void *bytes, size_t length, unsigned fds);

/* A message with a recognisable payload and descriptors that the caller closes. */
struct vhost_msg peer_message(uint32_t request, uint32_t size, unsigned fds);

bool same_file(int a, int b);
unsigned count_open_fds(void);

#endif
