/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_peer.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST_FDS 253 /* what the kernel takes in one message */

int peer_setup(void **state)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	int ends[2];

	if (!peer || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	peer->ours = ends[0];
	peer->theirs = ends[1];
	vhost_reader_init(&peer->reader);
	*state = peer;
	return 0;
}

int peer_teardown(void **state)
{
	struct peer *peer = *state;

	vhost_reader_free(&peer->reader);
	close(peer->ours);
	if (peer->theirs >= 0)
		close(peer->theirs);
	free(peer);
	return 0;
}

void peer_reset(void **state)
{
	assert_int_equal(peer_teardown(state), 0);
	assert_int_equal(peer_setup(state), 0);
}

void peer_write(struct peer *peer, const void *bytes, size_t length, unsigned fds)
{
	char control[CMSG_SPACE(sizeof(int) * MOST_FDS)] = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = length};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	int numbers[MOST_FDS];

	if (fds) {
		struct cmsghdr *rights;

		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
		rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * fds);
		for (unsigned i = 0; i < fds; i++)
			numbers[i] = eventfd(0, EFD_CLOEXEC);
		memcpy(CMSG_DATA(rights), numbers, sizeof(int) * fds);
	}
	assert_int_equal(sendmsg(peer->theirs, &header, 0), length);
	for (unsigned i = 0; i < fds; i++)
		close(numbers[i]);
}

struct vhost_msg peer_message(uint32_t request, uint32_t size, unsigned fds)
{
	struct vhost_msg msg = {
		.header = {.request = request, .flags = VHOST_FLAG_VERSION, .size = size},
		.fd_count = fds,
	};

	for (uint32_t i = 0; i < size; i++)
		((unsigned char *)&msg.payload)[i] = (unsigned char)(request * 7 + i);
	for (unsigned i = 0; i < fds; i++) {
		/* Temporary files: unlike event descriptors they have an identity that survives the journey. */
		char path[] = "/tmp/strait-codec-XXXXXX";

		msg.fds[i] = mkstemp(path);
		assert_true(msg.fds[i] >= 0);
		unlink(path);
	}
	return msg;
}

bool same_file(int a, int b)
{
	struct stat a_status, b_status;

	assert_int_equal(fstat(a, &a_status), 0);
	assert_int_equal(fstat(b, &b_status), 0);
	return a_status.st_dev == b_status.st_dev && a_status.st_ino == b_status.st_ino;
}

unsigned count_open_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}
