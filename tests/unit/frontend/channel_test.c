/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "peer.h"

/* Raw messages go out as they are, however wrong. */
static void test_raw(void **state)
{
	const struct vhost_header lie = {.request = 99, .flags = VHOST_FLAG_VERSION, .size = 8};
	struct driver_channel channel;
	struct vhost_msg msg;
	struct error err;
	struct peer peer;

	(void)state;
	peer_open(&peer);
	driver_channel_adopt(&channel, peer.front_fd, "disk.sock", 50);
	assert_int_equal(driver_channel_send_raw(&channel, &lie, sizeof(lie), (int[]){0, 1}, 2, &err), 0);
	assert_int_equal(vhost_recv(peer.fd, &peer.reader, &msg), 0);
	assert_int_equal(driver_channel_send_raw(&channel, "12345678", 8, NULL, 0, &err), 0);
	assert_int_equal(vhost_recv(peer.fd, &peer.reader, &msg), 1);
	assert_int_equal(msg.header.request, 99);
	assert_int_equal(msg.fd_count, 2);
	vhost_msg_close_fds(&msg);
	assert_int_equal(driver_channel_receive(&channel, &msg, 1, &err), -ETIMEDOUT);
	reply_u64(&peer, VHOST_GET_STATUS, 4);
	assert_int_equal(driver_channel_receive(&channel, &msg, 1, &err), 0);
	assert_int_equal(msg.payload.u64, 4);
	driver_channel_close(&channel);
	peer_close(&peer);
}

static void test_connect_errors(void **state)
{
	char path[200];
	struct driver_channel channel;
	struct error err;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(driver_channel_connect(&channel, path, 50, &err), -ENAMETOOLONG);
	assert_int_equal(driver_channel_connect(&channel, "/nonexistent/socket", 50, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/socket: cannot connect"));
}

/* A peer that does not read is waited for, and not for ever. */
static void test_peer_that_does_not_read(void **state)
{
	struct driver_channel channel;
	struct error err = {0};
	struct peer peer;
	int ret = 0;

	(void)state;
	peer_open(&peer);
	driver_channel_adopt(&channel, peer.front_fd, "disk.sock", 20);
	for (unsigned i = 0; i < 100000 && !ret; i++)
		ret = driver_channel_set_u64(&channel, VHOST_SET_FEATURES, i, &err);
	assert_int_equal(ret, -ETIMEDOUT);
	assert_non_null(strstr(err.text, "does not read its socket"));
	driver_channel_close(&channel);
	peer_close(&peer);
}

static void test_acknowledgements(void **state)
{
	struct driver_channel channel;
	struct error err = {0};
	struct peer peer;

	(void)state;
	peer_open(&peer);
	driver_channel_adopt(&channel, peer.front_fd, "disk.sock", 20);
	channel.reply_ack = true;
	reply_u64(&peer, VHOST_SET_FEATURES, 0);
	assert_int_equal(driver_channel_set_u64(&channel, VHOST_SET_FEATURES, 1, &err), 0);
	/* Refused: the channel is still good. */
	reply_u64(&peer, VHOST_SET_FEATURES, (uint64_t)-22);
	assert_int_equal(driver_channel_set_u64(&channel, VHOST_SET_FEATURES, 1, &err), -EREMOTEIO);
	assert_non_null(strstr(err.text, "-22"));
	reply_u64(&peer, VHOST_SET_FEATURES, 0);
	assert_int_equal(driver_channel_set_u64(&channel, VHOST_SET_FEATURES, 1, &err), 0);
	assert_true(driver_channel_alive(&channel));
	peer_close(&peer);
	assert_false(driver_channel_alive(&channel));
	assert_int_equal(driver_channel_set_u64(&channel, VHOST_SET_FEATURES, 1, &err), -ECONNRESET);
	driver_channel_close(&channel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_connect_errors),
		cmocka_unit_test(test_peer_that_does_not_read),
		cmocka_unit_test(test_acknowledgements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
