/* SPDX-License-Identifier: Apache-2.0 */
/* A session is paused, told to a second one over a real socket, and goes on there. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost/handover.h"
#include "vhost/messages.h"

enum { KIND = 7 };

struct two {
	struct stage *old, *new;
	int ends[2];
	unsigned fds_before;
};

static int set_up(void **state)
{
	struct two *two = malloc(sizeof(*two));

	two->fds_before = count_open_fds();
	two->old = malloc(sizeof(*two->old));
	two->new = malloc(sizeof(*two->new));
	stage_create(two->old, 2);
	stage_create(two->new, 2);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, two->ends), 0);
	*state = two;
	return 0;
}

/* Unlike stage_end(): the other one may have the same memory mapped. */
static void end(struct stage *stage)
{
	while (!vhost_session_close(stage->session))
		stage_drain(stage, 0);
	vhost_session_free(stage->session);
	stage->session = NULL;
}

static int tear_down(void **state)
{
	struct two *two = *state;
	int leaked;

	if (two->old->session)
		end(two->old);
	end(two->new);
	stage_destroy(two->old);
	stage_destroy(two->new);
	close(two->ends[0]);
	close(two->ends[1]);
	leaked = count_open_fds() != two->fds_before || count_mappings("front-end-ram") != 0;
	free(two->old);
	free(two->new);
	free(two);
	return leaked ? -1 : 0;
}

/* The successor's session takes the place of the one that its stage was made with. */
static void begin_new(struct two *two)
{
	const struct vhost_ops *ops = two->new->session->ops;

	end(two->new);
	close(two->new->front);
	two->new->front = -1;
	two->new->session = vhost_handover_new("new", ops, two->new);
	assert_non_null(two->new->session);
	two->new->trace[0] = '\0';
}

static int receive(struct two *two, struct error *err)
{
	struct parcel parcel;
	int ret = 0, got;

	while (ret == 0 && (got = parcel_receive(two->ends[1], &parcel)) > 0) {
		assert_int_equal(parcel.kind, KIND);
		ret = vhost_handover_receive(two->new->session, &parcel, err);
		parcel_close(&parcel);
	}
	return ret;
}

static void hand_over_memory(struct two *two)
{
	struct error err = {0};

	assert_int_equal(vhost_handover_send_memory(two->old->session, two->ends[0], KIND), 0);
	assert_int_equal(receive(two, &err), 0);
}

static void hand_over(struct two *two)
{
	struct error err = {0};

	assert_int_equal(vhost_handover_send_state(two->old->session, two->ends[0], KIND), 0);
	assert_int_equal(receive(two, &err), 0);
}

/* The connection, too: the old session has it no more. */
static void hand_over_state(struct two *two)
{
	assert_true(vhost_session_paused(two->old->session));
	hand_over(two);
	two->new->session->socket = fcntl(two->old->session->socket, F_DUPFD_CLOEXEC, 0);
	two->new->front = two->old->front;
	two->old->front = -1;
	two->old->trace[0] = '\0';
	/* What belongs to the old process goes; nothing of that may disturb the new one. */
	end(two->old);
}

static void pause_old(struct two *two, uint32_t base)
{
	assert_false(vhost_session_pause(two->old->session));
	stage_drain(two->old, base);
	assert_true(two->old->alive);
}

static void assert_same_vring(const struct vhost_vring *a, const struct vhost_vring *b)
{
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->base, b->base);
	assert_int_equal(a->based, b->based);
	assert_int_equal(a->was_based, b->was_based);
	assert_int_equal(a->log, b->log);
	assert_int_equal(a->log_guest, b->log_guest);
	assert_int_equal(a->desc, b->desc);
	assert_int_equal(a->avail, b->avail);
	assert_int_equal(a->used, b->used);
	assert_int_equal(a->started, b->started);
	assert_int_equal(a->enabled, b->enabled);
	assert_int_equal(a->kick_fd < 0, b->kick_fd < 0);
	assert_int_equal(a->call_fd < 0, b->call_fd < 0);
	assert_int_equal(a->err_fd < 0, b->err_fd < 0);
}

static void a_running_session_goes_on(void **state)
{
	struct two *two = *state;
	struct vhost_session before;

	stage_run(two->old);
	say_u64(two->old, VHOST_SET_STATUS, 0xf);
	begin_new(two);
	hand_over_memory(two);
	assert_heard(two->new, "add");
	hand_over(two); /* as it is while it runs */
	pause_old(two, 4711);
	before = *two->old->session;
	hand_over_state(two);
	assert_heard(two->new, "reset; features; reset; features");
	assert_int_equal(two->new->session->features, before.features);
	assert_int_equal(two->new->session->protocol_features, before.protocol_features);
	assert_int_equal(two->new->session->status, 0xf);
	for (uint32_t i = 0; i < VHOST_MAX_QUEUES; i++)
		assert_same_vring(&two->new->session->vring[i], &before.vring[i]);
	/* Only now. */
	assert_false(two->new->queue[0].running);
	vhost_session_resume(two->new->session);
	assert_heard(two->new, "start 0; start 1");
	assert_int_equal(two->new->queue[1].setup.ring.base, 4711);
	/* The front end notices nothing. */
	say(two->new, VHOST_GET_QUEUE_NUM);
	assert_int_equal(hear_u64(two->new, VHOST_GET_QUEUE_NUM), 2);
	say_state(two->new, VHOST_SET_VRING_ENABLE, 1, 0);
	assert_heard(two->new, "stop 1");
	stage_drain(two->new, 4712);
}

/* The same eventfds and the same memory, not others that look like them. */
static void descriptors_arrive(void **state)
{
	struct two *two = *state;
	const struct vhost_vring *vring;
	eventfd_t count;
	int kick;

	stage_run(two->old);
	kick = fcntl(two->old->session->vring[1].kick_fd, F_DUPFD_CLOEXEC, 0);
	begin_new(two);
	pause_old(two, 0);
	hand_over_memory(two);
	hand_over_state(two);
	vring = &two->new->session->vring[1];
	eventfd_write(kick, 3);
	assert_int_equal(eventfd_read(vring->kick_fd, &count), 0);
	assert_int_equal(count, 3);
	close(kick);
	assert_int_equal(pwrite(two->new->ram_fd, "n", 1, 77), 1);
	assert_int_equal(pwrite(two->old->ram_fd, "o", 1, 77), 1);
	assert_int_equal(two->new->session->memory.region[0].host[77], 'o');
}

/* A guest that is being migrated: the log goes along, and so does what says that there is one. */
static void a_dirty_log_goes_along(void **state)
{
	struct two *two = *state;
	enum { OFFSET = 8, SIZE = (RAM_GUEST + RAM_SIZE) / DIRTY_LOG_PAGE / 8 };
	const struct vhost_log_msg log = {.size = SIZE, .offset = OFFSET};
	struct vhost_msg msg = message(VHOST_SET_LOG_BASE, &log, sizeof(log)), addr = message_addr(1);
	int fd = memfd_create("dirty-log", MFD_CLOEXEC);
	struct vhost_msg event = message(VHOST_SET_LOG_FD, NULL, 0);
	uint8_t byte = 0;

	event.fds[0] = eventfd(0, EFD_CLOEXEC);
	event.fd_count = 1;
	stage_run(two->old);
	assert_int_equal(ftruncate(fd, OFFSET + SIZE), 0);
	msg.fds[0] = fd;
	msg.fd_count = 1;
	say_message(two->old, &msg);
	stage_drain(two->old, 3);
	hear_u64(two->old, VHOST_SET_LOG_BASE);
	say_message(two->old, &event);
	close(event.fds[0]);
	stage_drain(two->old, 3);
	say_u64(two->old, VHOST_SET_FEATURES, two->old->session->features | 1ull << VHOST_USER_F_LOG_ALL);
	stage_drain(two->old, 3);
	addr.payload.addr.flags = VHOST_VRING_LOG;
	addr.payload.addr.log_guest = RAM_GUEST + 64;
	say_message(two->old, &addr);
	stage_drain(two->old, 3);
	begin_new(two);
	pause_old(two, 3);
	hand_over_memory(two);
	hand_over_state(two);
	assert_non_null(two->new->session->log.guard);
	assert_true(two->new->session->log.dirty.event_fd >= 0);
	assert_true(two->new->session->vring[1].log);
	assert_int_equal(two->new->session->vring[1].log_guest, RAM_GUEST + 64);
	two->new->session->log.dirty.bits[1] = 0x5a;
	assert_int_equal(pread(fd, &byte, 1, OFFSET + 1), 1);
	assert_int_equal(byte, 0x5a);
	close(fd);
	vhost_session_resume(two->new->session);
	assert_ptr_equal(two->new->queue[0].setup.ring.log, &two->new->session->log.dirty);
}

/* A guest that is paused: its monitor has said status 0, and asks for the positions afterwards. */
static void a_driver_that_was_stopped(void **state)
{
	struct two *two = *state;

	stage_run(two->old);
	say_u64(two->old, VHOST_SET_STATUS, 0);
	stage_drain(two->old, 815);
	begin_new(two);
	assert_true(vhost_session_pause(two->old->session));
	hand_over_memory(two);
	hand_over_state(two);
	vhost_session_resume(two->new->session);
	assert_false(two->new->queue[1].running);
	say_state(two->new, VHOST_GET_VRING_BASE, 1, 0);
	assert_int_equal(hear(two->new, VHOST_GET_VRING_BASE).payload.state.num, 815);
	stage_set_up_ring(two->new, 0);
	say_state(two->new, VHOST_SET_VRING_ENABLE, 0, 1);
	assert_int_equal(two->new->queue[0].setup.ring.base, 0);
}

/* The in-flight region is shared with the front end, and with whoever comes after a crash. */
static void an_inflight_region_goes_along(void **state)
{
	struct two *two = *state;
	struct vhost_inflight_msg inflight = {.num_queues = 2, .queue_size = RING_SIZE};
	struct vhost_msg msg = message(VHOST_GET_INFLIGHT_FD, &inflight, sizeof(inflight));
	struct vhost_reader reader;
	char byte = 0;

	stage_run(two->old);
	say_message(two->old, &msg);
	vhost_reader_init(&reader);
	assert_int_equal(vhost_recv(two->old->front, &reader, &msg), 1);
	msg.header.request = VHOST_SET_INFLIGHT_FD;
	msg.header.flags = VHOST_FLAG_VERSION;
	say_message(two->old, &msg);
	stage_drain(two->old, 0);
	begin_new(two);
	hand_over_memory(two);
	pause_old(two, 0);
	hand_over_state(two);
	assert_non_null(two->new->session->inflight.at);
	two->new->session->inflight.at[0] = 'i';
	assert_int_equal(pread(msg.fds[0], &byte, 1, 0), 1);
	assert_int_equal(byte, 'i');
	vhost_msg_close_fds(&msg);
}

static void a_session_that_has_only_connected(void **state)
{
	struct two *two = *state;

	begin_new(two);
	/* Of another front end, that the successor was told of beforehand. */
	two->new->session->backend_fd = eventfd(0, EFD_CLOEXEC);
	two->new->session->log.dirty.event_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(vhost_session_pause(two->old->session));
	hand_over_memory(two);
	hand_over_state(two);
	assert_int_equal(two->new->session->backend_fd, -1);
	assert_int_equal(two->new->session->log.dirty.event_fd, -1);
	vhost_session_resume(two->new->session);
	two->new->trace[0] = '\0';
	stage_run(two->new);
	assert_true(two->new->queue[0].running);
}

/* All of it: 64 queues of three descriptors, and memory in many pieces. */
static void the_largest_session(void **state)
{
	struct two *two = *state;
	enum { PIECES = 200, PIECE = 4096 };

	stage_end(two->old);
	stage_end(two->new);
	close(two->old->front);
	close(two->new->front);
	close(two->old->ram_fd);
	close(two->new->ram_fd);
	stage_create(two->old, VHOST_MAX_QUEUES);
	stage_create(two->new, VHOST_MAX_QUEUES);
	stage_negotiate(two->old);
	for (uint64_t i = 0; i < PIECES; i++) {
		const struct vhost_msg msg = message_region(VHOST_ADD_MEM_REG, RAM_GUEST + i * PIECE, PIECE,
							    RAM_USER + i * PIECE, i * PIECE, two->old->ram_fd);

		say_message(two->old, &msg);
	}
	for (uint32_t i = 0; i < VHOST_MAX_QUEUES; i++) {
		stage_set_up_ring(two->old, i);
		say_fd(two->old, VHOST_SET_VRING_ERR, i);
	}
	begin_new(two);
	assert_true(vhost_session_pause(two->old->session));
	hand_over_memory(two);
	hand_over_state(two);
	assert_int_equal(two->new->session->memory.count, PIECES);
	assert_int_equal(two->new->session->memory.region[PIECES - 1].offset, (PIECES - 1) * PIECE);
	assert_true(two->new->session->vring[VHOST_MAX_QUEUES - 1].err_fd >= 0);
}

static void memory_that_changes_after_it_was_told(void **state)
{
	struct two *two = *state;
	const uint64_t first = two->old->session->memory_version;
	const struct vhost_msg gone = message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, -1);
	uint64_t told;

	stage_run(two->old);
	told = two->old->session->memory_version;
	assert_int_not_equal(told, first);
	begin_new(two);
	hand_over_memory(two);
	say_message(two->old, &gone);
	stage_drain(two->old, 1);
	assert_int_not_equal(two->old->session->memory_version, told);
	assert_true(vhost_session_pause(two->old->session));
	hand_over_memory(two);
	assert_int_equal(two->new->session->memory.count, 0);
}

/* A message of which the old one has read a part, with its descriptor. */
static void half_a_message(void **state)
{
	struct two *two = *state;
	struct vhost_msg msg = message_u64(VHOST_SET_VRING_ERR, 0);
	const size_t size = sizeof(msg.header) + sizeof(msg.payload.u64), half = 15;
	int err_fd = eventfd(0, EFD_CLOEXEC);
	struct msghdr header;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.align = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {.iov_base = &msg, .iov_len = half};

	stage_negotiate(two->old);
	header = (struct msghdr){.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.space,
				 .msg_controllen = sizeof(control.space)};
	memcpy(CMSG_DATA(&control.align), &err_fd, sizeof(err_fd));
	assert_int_equal(sendmsg(two->old->front, &header, 0), half);
	close(err_fd);
	assert_true(vhost_session_readable(two->old->session));
	begin_new(two);
	assert_true(vhost_session_pause(two->old->session));
	hand_over_state(two);
	vhost_session_resume(two->new->session);
	assert_int_equal(send(two->new->front, (char *)&msg + half, size - half, 0), size - half);
	assert_true(vhost_session_readable(two->new->session));
	assert_true(two->new->session->vring[0].err_fd >= 0);
}

/* A successor that lacks what the front end uses refuses, with the reason. */
static void features_that_the_successor_lacks(void **state)
{
	struct two *two = *state;
	struct error err = {0};

	stage_run(two->old);
	begin_new(two);
	pause_old(two, 0);
	two->old->session->features |= 1ull << 60;
	assert_int_equal(vhost_handover_send_state(two->old->session, two->ends[0], KIND), 0);
	assert_int_equal(receive(two, &err), -EINVAL);
	assert_contains(err.text, "SET_FEATURES: features 0x1000000000000000 were not offered");
	two->old->session->features &= ~(1ull << 60);
	vhost_session_resume(two->old->session);
	assert_true(two->old->queue[0].running);
}

static void fewer_queues_than_are_in_use(void **state)
{
	struct two *two = *state;
	struct error err = {0};

	stage_run(two->old);
	two->new->queue_count = 1;
	begin_new(two);
	pause_old(two, 0);
	assert_int_equal(vhost_handover_send_state(two->old->session, two->ends[0], KIND), 0);
	assert_int_equal(receive(two, &err), -EINVAL);
	assert_contains(err.text, "a vring that does not exist, expected 0 to 0");
}

/* Every parcel there is, cut off at every byte, and with descriptors missing: refused, and nothing is left open. */
static void parcels_that_are_damaged(void **state)
{
	struct two *two = *state;
	struct parcel whole, part;
	struct error err;

	stage_run(two->old);
	pause_old(two, 0);
	assert_int_equal(vhost_handover_send_state(two->old->session, two->ends[0], KIND), 0);
	assert_int_equal(parcel_receive(two->ends[1], &whole), 1);
	begin_new(two);
	for (uint32_t length = 0; length < whole.length; length++) {
		const struct vhost_ops *ops = two->new->session->ops;
		unsigned fds;

		part = whole;
		part.length = length;
		for (unsigned i = 0; i < part.fd_count; i++)
			part.fds[i] = fcntl(whole.fds[i], F_DUPFD_CLOEXEC, 0);
		err = (struct error){0};
		/* Between two records it is a parcel like any other. */
		if (vhost_handover_receive(two->new->session, &part, &err) < 0)
			assert_true(err.code < 0 && err.text[0]);
		vhost_session_free(two->new->session);
		two->new->trace[0] = '\0';
		two->new->session = vhost_handover_new("new", ops, two->new);
		fds = count_open_fds();
		part = whole;
		part.fd_count = 0;
		err = (struct error){0};
		assert_true(vhost_handover_receive(two->new->session, &part, &err) < 0);
		assert_int_equal(count_open_fds(), fds);
		vhost_session_free(two->new->session);
		two->new->trace[0] = '\0';
		two->new->session = vhost_handover_new("new", ops, two->new);
	}
	parcel_close(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_running_session_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(descriptors_arrive, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_driver_that_was_stopped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_inflight_region_goes_along, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dirty_log_goes_along, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_session_that_has_only_connected, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_largest_session, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_that_changes_after_it_was_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(half_a_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(features_that_the_successor_lacks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fewer_queues_than_are_in_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parcels_that_are_damaged, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
