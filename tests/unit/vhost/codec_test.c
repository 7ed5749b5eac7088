/* SPDX-License-Identifier: Apache-2.0 */
/* The codec over real socket pairs: what a careless or hostile front end can do to a stream of messages. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec_peer.h"
#include "vhost/codec.h"

#define HEADER sizeof(struct vhost_header)

static void a_table_that_fits(void **state)
{
	(void)state;
	for (uint32_t request = 0; request < VHOST_REQUEST_COUNT; request++) {
		const struct vhost_msg_rule *rule = vhost_msg_rule(request);

		if (!rule->name)
			continue;
		assert_true(rule->size_min <= rule->size_max);
		assert_true(rule->size_max <= sizeof(union vhost_payload));
		assert_true(rule->fds_max <= VHOST_MSG_MAX_FDS);
	}
	assert_string_equal(vhost_msg_rule(VHOST_SET_MEM_TABLE)->name, "SET_MEM_TABLE");
	assert_null(vhost_msg_rule(0)->name);
	assert_null(vhost_msg_rule(22)->name);
	assert_null(vhost_msg_rule(VHOST_REQUEST_COUNT)->name);
	assert_null(vhost_msg_rule(UINT32_MAX)->name);
}

/* Each request with each number of descriptors it may have arrives as it was sent. */
static void round_trips(void **state)
{
	struct peer *peer = *state;

	for (uint32_t request = 0; request < VHOST_REQUEST_COUNT; request++) {
		const struct vhost_msg_rule *rule = vhost_msg_rule(request);

		for (unsigned fds = 0; rule->name && fds <= rule->fds_max; fds++) {
			struct vhost_msg sent = peer_message(request, rule->size_max, fds), got;

			assert_int_equal(vhost_send(peer->theirs, &sent), 0);
			assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), 1);
			assert_memory_equal(&got, &sent, HEADER + rule->size_max);
			assert_int_equal(got.fd_count, fds);
			for (unsigned i = 0; i < fds; i++) {
				assert_true(same_file(got.fds[i], sent.fds[i]));
				/* A child process must not inherit guest memory. */
				assert_int_equal(fcntl(got.fds[i], F_GETFD), FD_CLOEXEC);
			}
			vhost_msg_close_fds(&got);
			/* The sender's stay the sender's. */
			vhost_msg_close_fds(&sent);
		}
	}
	assert_int_equal(vhost_recv(peer->ours, &peer->reader, &(struct vhost_msg){0}), 0);
}

static void in_two_pieces(void **state)
{
	struct peer *peer = *state;
	const struct vhost_msg sent = peer_message(VHOST_SET_VRING_ADDR, sizeof(struct vhost_vring_addr_msg), 0);
	const size_t length = HEADER + sent.header.size;

	for (size_t cut = 1; cut < length; cut++) {
		struct vhost_msg got;

		peer_write(peer, &sent, cut, 0);
		assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), 0);
		/* Asking again before the rest is there does no harm. */
		assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), 0);
		peer_write(peer, (const char *)&sent + cut, length - cut, 0);
		assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), 1);
		assert_memory_equal(&got, &sent, length);
		assert_int_equal(got.fd_count, 0);
	}
}

/* A byte at a time, a descriptor with each of the first eight: all of them belong to the message. */
static void fds_with_each_piece(void **state)
{
	struct peer *peer = *state;
	const struct vhost_msg sent = peer_message(VHOST_SET_MEM_TABLE, 40, 0);
	const size_t length = HEADER + 40;
	struct vhost_msg got;

	for (size_t i = 0; i < length; i++) {
		assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), 0);
		peer_write(peer, (const char *)&sent + i, 1, i < VHOST_MSG_MAX_FDS ? 1 : 0);
	}
	assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), 1);
	assert_memory_equal(&got, &sent, length);
	assert_int_equal(got.fd_count, VHOST_MSG_MAX_FDS);
	for (unsigned i = 0; i < got.fd_count; i++)
		assert_true(fcntl(got.fds[i], F_GETFD) >= 0);
	vhost_msg_close_fds(&got);
}

/* One descriptor more than a message has, although each piece carries only one. */
static void one_too_many_in_pieces(void **state)
{
	struct peer *peer = *state;
	const struct vhost_msg sent = peer_message(VHOST_SET_MEM_TABLE, 40, 0);
	struct vhost_msg got;
	int ret = 0;

	for (size_t i = 0; i <= VHOST_MSG_MAX_FDS && ret == 0; i++) {
		peer_write(peer, (const char *)&sent + i, 1, 1);
		ret = vhost_recv(peer->ours, &peer->reader, &got);
	}
	assert_int_equal(ret, -EPROTO);
	assert_non_null(strstr(peer->reader.reason, "file descriptors"));
}

/* Messages written at once stay apart, and so do their descriptors. */
static void back_to_back(void **state)
{
	struct peer *peer = *state;
	struct vhost_msg sent[3] = {
		peer_message(VHOST_SET_FEATURES, 8, 0),
		peer_message(VHOST_SET_VRING_KICK, 8, 1),
		peer_message(VHOST_GET_FEATURES, 0, 0),
	};
	char both[2 * HEADER + 8];

	assert_int_equal(vhost_send(peer->theirs, &sent[0]), 0);
	assert_int_equal(vhost_send(peer->theirs, &sent[1]), 0);
	/* A header without a payload and the next message in one write: where one ends is told by the header alone. */
	memcpy(both, &sent[2], HEADER);
	memcpy(both + HEADER, &sent[0], HEADER + 8);
	peer_write(peer, both, sizeof(both), 0);
	for (unsigned i = 0; i < 4; i++) {
		const struct vhost_msg *expected = &sent[i % 3];
		struct vhost_msg got;

		assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), 1);
		assert_memory_equal(&got, expected, HEADER + expected->header.size);
		assert_int_equal(got.fd_count, expected->fd_count);
		vhost_msg_close_fds(&got);
	}
	vhost_msg_close_fds(&sent[1]);
}

/* However many descriptors come at once, none stays open. */
static void surplus_fds(void **state)
{
	static const unsigned counts[] = {VHOST_MSG_MAX_FDS + 1, VHOST_MSG_MAX_FDS + 2, 20, 100, 253};
	const unsigned open_before = count_open_fds();

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct peer *peer;
		struct vhost_msg msg = peer_message(VHOST_SET_MEM_TABLE, 8, 0), got;

		peer_reset(state);
		peer = *state;
		peer_write(peer, &msg, HEADER + 8, counts[i]);
		assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), -EPROTO);
		assert_non_null(strstr(peer->reader.reason, "file descriptors"));
		vhost_reader_free(&peer->reader);
		assert_int_equal(count_open_fds(), open_before);
	}
}

/* Refused by its header alone: nothing of the payload has been read. */
static void oversize_payload(void **state)
{
	static const uint32_t sizes[] = {sizeof(union vhost_payload) + 1, 4096, 1u << 31, UINT32_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vhost_header header = {.request = VHOST_SET_MEM_TABLE, .flags = 1, .size = sizes[i]};
		char payload[512] = {0};
		struct peer *peer;
		struct vhost_msg got;
		int left = 0;

		peer_reset(state);
		peer = *state;
		peer_write(peer, &header, HEADER, 1);
		peer_write(peer, payload, sizeof(payload), 0);
		assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), -EPROTO);
		assert_non_null(strstr(peer->reader.reason, "payload"));
		assert_int_equal(ioctl(peer->ours, FIONREAD, &left), 0);
		assert_int_equal(left, sizeof(payload));
	}
}

static void largest_payload(void **state)
{
	struct peer *peer = *state;
	struct vhost_msg sent = peer_message(VHOST_SET_CONFIG, sizeof(union vhost_payload), 0), got;

	assert_int_equal(vhost_send(peer->theirs, &sent), 0);
	assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), 1);
	assert_memory_equal(&got, &sent, HEADER + sizeof(union vhost_payload));
}

/* After every byte of a message: the end of the stream is told, and what came with the piece is not lost. */
static void peer_closes(void **state)
{
	const struct vhost_msg msg = peer_message(VHOST_SET_MEM_TABLE, 40, 0);
	const unsigned open_before = count_open_fds();

	for (size_t sent = 0; sent < HEADER + 40; sent++) {
		struct peer *peer;
		struct vhost_msg got;

		peer_reset(state);
		peer = *state;
		if (sent)
			peer_write(peer, &msg, sent, 3);
		close(peer->theirs);
		peer->theirs = -1;
		assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), -ECONNRESET);
		assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), -ECONNRESET);
		vhost_reader_free(&peer->reader);
		peer_reset(state);
		assert_int_equal(count_open_fds(), open_before);
	}
}

/* A peer that goes with our reply unread resets the connection. */
static void peer_resets(void **state)
{
	struct peer *peer = *state;
	const struct vhost_msg msg = peer_message(VHOST_GET_FEATURES, 8, 0);
	struct vhost_msg got;

	assert_int_equal(vhost_send(peer->ours, &msg), 0);
	close(peer->theirs);
	peer->theirs = -1;
	assert_int_equal(vhost_recv(peer->ours, &peer->reader, &got), -ECONNRESET);
}

static void send_to_a_full_socket(void **state)
{
	struct peer *peer = *state;
	struct vhost_msg msg = peer_message(VHOST_GET_CONFIG, sizeof(struct vhost_config_msg), 1), got;
	unsigned queued = 0, received = 0;
	struct vhost_reader reader;
	int ret;

	/* Whose flags others may change: it does not wait all the same. */
	assert_int_equal(fcntl(peer->ours, F_SETFL, 0), 0);
	while ((ret = vhost_send(peer->ours, &msg)) == 0)
		queued++;
	assert_int_equal(ret, -EAGAIN);
	assert_int_equal(vhost_send(peer->ours, &msg), -EAGAIN);
	/* All that was accepted arrives whole: the refused ones have left nothing behind. */
	vhost_reader_init(&reader);
	while (vhost_recv(peer->theirs, &reader, &got) == 1) {
		assert_memory_equal(&got, &msg, HEADER + msg.header.size);
		assert_int_equal(got.fd_count, 1);
		vhost_msg_close_fds(&got);
		received++;
	}
	assert_int_equal(received, queued);
	assert_int_equal(vhost_send(peer->ours, &msg), 0);
	vhost_msg_close_fds(&msg);
}

/* The process is still here afterwards: no SIGPIPE. */
static void send_to_nobody(void **state)
{
	struct peer *peer = *state;
	const struct vhost_msg msg = peer_message(VHOST_GET_FEATURES, 8, 0);

	close(peer->theirs);
	peer->theirs = -1;
	assert_int_equal(vhost_send(peer->ours, &msg), -EPIPE);
}

static void taking_fds(void **state)
{
	const unsigned open_before = count_open_fds();
	struct vhost_msg msg = peer_message(VHOST_SET_MEM_TABLE, 8, 3);
	int taken = vhost_msg_take_fd(&msg, 1);

	(void)state;
	assert_true(taken >= 0);
	assert_int_equal(vhost_msg_take_fd(&msg, 1), -1);
	assert_int_equal(vhost_msg_take_fd(&msg, 3), -1);
	assert_int_equal(vhost_msg_take_fd(&msg, UINT32_MAX), -1);
	vhost_msg_close_fds(&msg);
	assert_true(fcntl(taken, F_GETFD) >= 0);
	assert_int_equal(vhost_msg_take_fd(&msg, 0), -1);
	vhost_msg_close_fds(&msg);
	close(taken);
	assert_int_equal(count_open_fds(), open_before);
}

/* Noise in pieces of any size, with descriptors anywhere: always an end, never a leak. */
static void noise(void **state)
{
	const unsigned open_before = count_open_fds();

	srand(1);
	for (unsigned round = 0; round < 3000; round++) {
		struct peer *peer;
		struct vhost_msg got;
		int ret = 0;

		peer_reset(state);
		peer = *state;
		for (unsigned piece = 0; piece < 20 && ret >= 0; piece++) {
			unsigned char bytes[300];
			const size_t length = 1 + (size_t)rand() % sizeof(bytes);

			for (size_t i = 0; i < length; i++)
				bytes[i] = rand() % 4 ? 0 : (unsigned char)rand();
			peer_write(peer, bytes, length, rand() % 3 ? 0 : (unsigned)(rand() % 12));
			while ((ret = vhost_recv(peer->ours, &peer->reader, &got)) == 1)
				vhost_msg_close_fds(&got);
		}
		vhost_reader_free(&peer->reader);
	}
	peer_reset(state);
	assert_int_equal(count_open_fds(), open_before);
}

#define WITH_PEER(test) cmocka_unit_test_setup_teardown(test, peer_setup, peer_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_that_fits),
		WITH_PEER(round_trips),
		WITH_PEER(in_two_pieces),
		WITH_PEER(fds_with_each_piece),
		WITH_PEER(one_too_many_in_pieces),
		WITH_PEER(back_to_back),
		WITH_PEER(surplus_fds),
		WITH_PEER(oversize_payload),
		WITH_PEER(largest_payload),
		WITH_PEER(peer_closes),
		WITH_PEER(peer_resets),
		WITH_PEER(send_to_a_full_socket),
		WITH_PEER(send_to_nobody),
		WITH_PEER(taking_fds),
		WITH_PEER(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
