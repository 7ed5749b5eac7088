/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/parcel.h"

static struct parcel sent, got;

static int make_ends(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

/* The number that the next descriptor will have: with all closed again it is the same. */
static int lowest_free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void carries_bytes_and_descriptors(void **state)
{
	const int before = lowest_free_fd();
	eventfd_t count;
	int ends[2], fd;

	(void)state;
	assert_int_equal(make_ends(ends), 0);
	parcel_init(&sent, 42);
	assert_int_equal(parcel_add(&sent, "hello", 6), 0);
	assert_int_equal(parcel_add_fd(&sent, eventfd(7, EFD_NONBLOCK)), 0);
	assert_int_equal(parcel_add_fd(&sent, eventfd(8, EFD_NONBLOCK)), 0);
	assert_int_equal(parcel_send(ends[0], &sent), 0);
	parcel_close(&sent);
	assert_int_equal(parcel_receive(ends[1], &got), 1);
	assert_int_equal(got.kind, 42);
	assert_int_equal(got.length, 6);
	assert_string_equal((char *)got.data, "hello");
	assert_int_equal(got.fd_count, 2);
	fd = parcel_take_fd(&got, 1);
	assert_int_equal(eventfd_read(fd, &count), 0);
	assert_int_equal(count, 8);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(parcel_take_fd(&got, 1), -1);
	assert_int_equal(parcel_take_fd(&got, 2), -1);
	/* What was taken is not closed, what was not is. */
	parcel_close(&got);
	assert_int_equal(eventfd_write(fd, 1), 0);
	close(fd);
	assert_int_equal(parcel_receive(ends[1], &got), 0);
	close(ends[0]);
	assert_int_equal(parcel_receive(ends[1], &got), -ECONNRESET);
	close(ends[1]);
	assert_int_equal(lowest_free_fd(), before);
}

static void the_largest_parcel(void **state)
{
	const int before = lowest_free_fd();
	int ends[2];

	(void)state;
	assert_int_equal(make_ends(ends), 0);
	parcel_init(&sent, 1);
	for (size_t i = 0; i < PARCEL_MAX_DATA; i++)
		assert_int_equal(parcel_add(&sent, &(uint8_t){(uint8_t)i}, 1), 0);
	assert_int_equal(parcel_add(&sent, "x", 1), -ENOSPC);
	for (unsigned i = 0; i < PARCEL_MAX_FDS; i++)
		assert_int_equal(parcel_add_fd(&sent, 0), 0);
	assert_int_equal(parcel_add_fd(&sent, 0), -ENOSPC);
	assert_int_equal(parcel_send(ends[0], &sent), 0);
	assert_int_equal(parcel_receive(ends[1], &got), 1);
	assert_int_equal(got.length, PARCEL_MAX_DATA);
	assert_int_equal(got.fd_count, PARCEL_MAX_FDS);
	assert_memory_equal(got.data, sent.data, PARCEL_MAX_DATA);
	parcel_close(&got);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(lowest_free_fd(), before);
}

/* Too short for a kind, or longer than any parcel: refused, descriptors closed. */
static void datagrams_that_are_no_parcels(void **state)
{
	static char bytes[PARCEL_MAX_DATA + 5];
	const size_t lengths[] = {1, 3, sizeof(bytes)};
	const int before = lowest_free_fd();

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(sizeof(int))];
		} control = {.align = {.cmsg_len = CMSG_LEN(sizeof(int)),
				       .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS}};
		struct iovec iov = {.iov_base = bytes, .iov_len = lengths[i]};
		const struct msghdr header = {.msg_iov = &iov,
					      .msg_iovlen = 1,
					      .msg_control = control.space,
					      .msg_controllen = sizeof(control.space)};
		int ends[2];

		assert_int_equal(make_ends(ends), 0);
		memcpy(CMSG_DATA(&control.align), &ends[0], sizeof(int));
		assert_int_equal(sendmsg(ends[0], &header, 0), lengths[i]);
		assert_int_equal(parcel_receive(ends[1], &got), -EPROTO);
		assert_int_equal(got.fd_count, 0);
		close(ends[0]);
		close(ends[1]);
	}
	assert_int_equal(lowest_free_fd(), before);
}

static void a_peer_that_does_not_read_or_is_gone(void **state)
{
	int ends[2], ret;

	(void)state;
	assert_int_equal(make_ends(ends), 0);
	parcel_init(&sent, 1);
	sent.length = PARCEL_MAX_DATA;
	while ((ret = parcel_send(ends[0], &sent)) == 0)
		continue;
	assert_int_equal(ret, -EAGAIN);
	/* It has left without reading. */
	close(ends[1]);
	assert_int_equal(parcel_send(ends[0], &sent), -ECONNRESET);
	assert_int_equal(parcel_send(ends[0], &sent), -EPIPE);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_bytes_and_descriptors),
		cmocka_unit_test(the_largest_parcel),
		cmocka_unit_test(datagrams_that_are_no_parcels),
		cmocka_unit_test(a_peer_that_does_not_read_or_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
