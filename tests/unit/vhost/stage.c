/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/checked.h"

/* The front end's side. */

void put_message(struct stage *stage, const struct vhost_msg *msg)
{
	assert_int_equal(vhost_send(stage->front, msg), 0);
}

void say_message(struct stage *stage, const struct vhost_msg *msg)
{
	put_message(stage, msg);
	assert_true(stage->alive && !vhost_session_busy(stage->session));
	stage->alive = vhost_session_readable(stage->session);
}

struct vhost_msg message(uint32_t request, const void *payload, uint32_t size)
{
	struct vhost_msg msg = {.header = {.request = request, .flags = VHOST_FLAG_VERSION, .size = size}};

	if (size)
		memcpy(&msg.payload, payload, size);
	return msg;
}

struct vhost_msg message_u64(uint32_t request, uint64_t value)
{
	return message(request, &value, sizeof(value));
}

struct vhost_msg message_state(uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhost_vring_state_msg state = {.index = index, .num = num};

	return message(request, &state, sizeof(state));
}

struct vhost_msg message_addr(uint32_t index)
{
	const uint64_t ring = RAM_USER + index % 64 * 0x1000;
	const struct vhost_vring_addr_msg addr = {
		.index = index, .desc_user = ring, .avail_user = ring + 0x400, .used_user = ring + 0x800};

	return message(VHOST_SET_VRING_ADDR, &addr, sizeof(addr));
}

struct vhost_msg message_region(uint32_t request, uint64_t guest, uint64_t size, uint64_t user, uint64_t offset, int fd)
{
	const struct vhost_single_region_msg region = {
		.region = {.guest_address = guest, .size = size, .user_address = user, .mmap_offset = offset}};
	struct vhost_msg msg = message(request, &region, sizeof(region));

	msg.fds[0] = fd;
	msg.fd_count = fd >= 0;
	return msg;
}

void say(struct stage *stage, uint32_t request)
{
	const struct vhost_msg msg = message(request, NULL, 0);

	say_message(stage, &msg);
}

void say_u64(struct stage *stage, uint32_t request, uint64_t value)
{
	const struct vhost_msg msg = message_u64(request, value);

	say_message(stage, &msg);
}

void say_state(struct stage *stage, uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhost_msg msg = message_state(request, index, num);

	say_message(stage, &msg);
}

void say_fd(struct stage *stage, uint32_t request, uint64_t value)
{
	struct vhost_msg msg = message_u64(request, value);

	msg.fds[0] = eventfd(0, EFD_CLOEXEC);
	msg.fd_count = 1;
	put_message(stage, &msg);
	/* Not ours any more: what is open from here on is the session's. */
	close(msg.fds[0]);
	assert_true(stage->alive && !vhost_session_busy(stage->session));
	stage->alive = vhost_session_readable(stage->session);
}

void say_memory(struct stage *stage)
{
	const struct vhost_memory_msg table = {
		.count = 1,
		.region = {{.guest_address = RAM_GUEST, .size = RAM_SIZE, .user_address = RAM_USER}},
	};
	struct vhost_msg msg = message(VHOST_SET_MEM_TABLE, &table,
				       offsetof(struct vhost_memory_msg, region) + sizeof(table.region[0]));

	msg.fds[0] = stage->ram_fd;
	msg.fd_count = 1;
	say_message(stage, &msg);
}

struct vhost_msg hear(struct stage *stage, uint32_t request)
{
	struct vhost_reader reader;
	struct vhost_msg msg = {.header = {.request = 0}};

	vhost_reader_init(&reader);
	assert_int_equal(vhost_recv(stage->front, &reader, &msg), 1);
	assert_int_equal(msg.header.request, request);
	assert_int_equal(msg.header.flags, VHOST_FLAG_VERSION | VHOST_FLAG_REPLY);
	assert_int_equal(msg.fd_count, request == VHOST_GET_INFLIGHT_FD);
	return msg;
}

uint64_t hear_u64(struct stage *stage, uint32_t request)
{
	const struct vhost_msg msg = hear(stage, request);

	assert_int_equal(msg.header.size, sizeof(uint64_t));
	return msg.payload.u64;
}

void hear_nothing(struct stage *stage)
{
	char byte;

	assert_int_equal(recv(stage->front, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

uint64_t say_and_ask(struct stage *stage, struct vhost_msg msg)
{
	uint64_t answer;

	msg.header.flags |= VHOST_FLAG_NEED_REPLY;
	say_message(stage, &msg);
	assert_true(stage->alive);
	answer = hear_u64(stage, msg.header.request);
	hear_nothing(stage);
	return answer;
}

void stage_negotiate(struct stage *stage)
{
	say(stage, VHOST_GET_PROTOCOL_FEATURES);
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, hear_u64(stage, VHOST_GET_PROTOCOL_FEATURES));
	say(stage, VHOST_GET_FEATURES);
	say_u64(stage, VHOST_SET_FEATURES, hear_u64(stage, VHOST_GET_FEATURES) & ~STAGE_LOG_ALL);
}

void stage_set_up_ring(struct stage *stage, uint32_t index)
{
	const struct vhost_msg addr = message_addr(index);

	say_state(stage, VHOST_SET_VRING_NUM, index, RING_SIZE);
	say_state(stage, VHOST_SET_VRING_BASE, index, 0);
	say_message(stage, &addr);
	say_fd(stage, VHOST_SET_VRING_KICK, index);
	say_fd(stage, VHOST_SET_VRING_CALL, index);
}

void stage_run(struct stage *stage)
{
	stage_negotiate(stage);
	say_memory(stage);
	for (uint32_t i = 0; i < stage->queue_count; i++) {
		stage_set_up_ring(stage, i);
		say_state(stage, VHOST_SET_VRING_ENABLE, i, 1);
		assert_true(stage->queue[i].running);
	}
	stage->trace[0] = '\0';
}
