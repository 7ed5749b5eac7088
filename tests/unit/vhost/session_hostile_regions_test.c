/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared memory as a hostile front end deals with it: in-flight regions that
 * cannot be, regions that go while the device uses them.
 */
#include "stage.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio/inflight.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int region_file(uint64_t size)
{
	int fd = memfd_create("in-flight", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static struct vhost_msg inflight(uint32_t request, uint64_t size, uint64_t offset, uint16_t queues, uint16_t entries,
				 int fd)
{
	const struct vhost_inflight_msg region = {
		.mmap_size = size, .mmap_offset = offset, .num_queues = queues, .queue_size = entries};
	struct vhost_msg msg = message(request, &region, sizeof(region));

	msg.fds[0] = fd;
	msg.fd_count = fd >= 0;
	return msg;
}

/* Refused with one line; what was there before goes on, and nothing of what was sent is kept. */
static void regions_that_cannot_be(void **state)
{
	enum { SIZE = 4096 };
	struct stage *stage = *state;
	const int fd = region_file(SIZE);
	int pipes[2];
	const struct vhost_msg cases[] = {
		inflight(VHOST_SET_INFLIGHT_FD, 0, 0, 1, RING_SIZE, fd),        /* empty */
		inflight(VHOST_SET_INFLIGHT_FD, SIZE + 1, 0, 1, RING_SIZE, fd), /* longer than its file */
		inflight(VHOST_SET_INFLIGHT_FD, SIZE, 8, 1, RING_SIZE, fd),     /* behind the offset */
		inflight(VHOST_SET_INFLIGHT_FD, 64, SIZE, 1, RING_SIZE, fd),
		inflight(VHOST_SET_INFLIGHT_FD, 64, 4, 1, RING_SIZE, fd), /* not aligned */
		inflight(VHOST_SET_INFLIGHT_FD, UINT64_MAX, 0, 1, RING_SIZE, fd),
		inflight(VHOST_SET_INFLIGHT_FD, 64, UINT64_MAX - 63, 1, RING_SIZE, fd), /* overflows */
		inflight(VHOST_SET_INFLIGHT_FD, SIZE, 0, 0, RING_SIZE, fd),             /* for no queue */
		inflight(VHOST_SET_INFLIGHT_FD, SIZE, 0, 3, RING_SIZE, fd),             /* for more than there are */
		inflight(VHOST_SET_INFLIGHT_FD, SIZE, 0, UINT16_MAX, RING_SIZE, fd),
		inflight(VHOST_SET_INFLIGHT_FD, SIZE, 0, 1, 0, fd), /* of no entries */
		inflight(VHOST_SET_INFLIGHT_FD, SIZE, 0, 1, VIRTQ_MAX_SIZE + 1, fd),
		inflight(VHOST_SET_INFLIGHT_FD, SIZE, 0, 1, UINT16_MAX, fd),
		inflight(VHOST_SET_INFLIGHT_FD, SIZE, 0, 1, RING_SIZE, -1), /* without a file */
		inflight(VHOST_SET_INFLIGHT_FD, SIZE, 0, 1, RING_SIZE, (assert_int_equal(pipe(pipes), 0), pipes[0])),
	};

	stage_negotiate(stage);
	assert_int_equal(say_and_ask(stage, inflight(VHOST_SET_INFLIGHT_FD, SIZE, 0, 1, RING_SIZE, fd)), 0);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		const unsigned fds = count_open_fds();

		said_begin();
		if (say_and_ask(stage, cases[i]) == 0)
			fail_msg("case %u was taken", i);
		assert_int_equal(said_lines(said_end(), "SET_INFLIGHT_FD refused"), 1);
		assert_int_equal(count_open_fds(), fds);
		assert_int_equal(count_mappings("in-flight"), 1);
	}
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

/* Large enough for what it says, too small for what it is used for: the ring does not start, and it is said why. */
static void regions_too_small_for_their_ring(void **state)
{
	const uint64_t one = inflight_bytes(false, RING_SIZE);
	const struct {
		uint64_t size;
		uint16_t queues, entries;
	} cases[] = {{one - 1, 2, RING_SIZE}, {2 * one - 1, 2, RING_SIZE}, {8, 2, RING_SIZE}, {one, 1, RING_SIZE}};
	struct stage *stage = *state;

	stage_negotiate(stage);
	say_memory(stage);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		const int fd = region_file(cases[i].size);

		assert_int_equal(say_and_ask(stage, inflight(VHOST_SET_INFLIGHT_FD, cases[i].size, 0, cases[i].queues,
							     cases[i].entries, fd)),
				 0);
		close(fd);
		said_begin();
		stage_set_up_ring(stage, 1);
		say_state(stage, VHOST_SET_VRING_ENABLE, 1, 1);
		if (stage->queue[1].running)
			fail_msg("case %u: the ring runs", i);
		assert_int_equal(said_lines(said_end(), "has no place for it"), 1);
		assert_true(stage->alive);
		say_state(stage, VHOST_SET_VRING_ENABLE, 1, 0);
	}
}

/* Of a file that is as long as it likes, only what its queues can need takes address space. */
static void a_region_of_a_sparse_file(void **state)
{
	const uint64_t huge = 1ull << 42, offset = (1ull << 41) + 8;
	struct stage *stage = *state;
	const int fd = region_file(huge);
	char byte = 0;
	uint64_t before;

	stage_negotiate(stage);
	before = address_space();
	assert_int_equal(say_and_ask(stage, inflight(VHOST_SET_INFLIGHT_FD, huge - offset, offset, 2, RING_SIZE, fd)),
			 0);
	assert_in_range(address_space() - before, 4096, 1 << 20);
	stage->session->inflight.at[0] = 'i';
	stage->session->inflight.at[2 * inflight_bytes(false, RING_SIZE) - 1] = 'j';
	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	assert_int_equal(byte, 'i');
	close(fd);
}

static void sizes_that_nobody_can_have(void **state)
{
	const struct vhost_msg cases[] = {
		inflight(VHOST_GET_INFLIGHT_FD, 0, 0, 0, RING_SIZE, -1),
		inflight(VHOST_GET_INFLIGHT_FD, 0, 0, 3, RING_SIZE, -1),
		inflight(VHOST_GET_INFLIGHT_FD, 0, 0, UINT16_MAX, UINT16_MAX, -1),
		inflight(VHOST_GET_INFLIGHT_FD, 0, 0, 1, 0, -1),
		inflight(VHOST_GET_INFLIGHT_FD, 0, 0, 1, VIRTQ_MAX_SIZE + 1, -1),
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct stage stage;

		stage_create(&stage, 2);
		stage_negotiate(&stage);
		said_begin();
		/* It has a reply of its own, in which an error cannot be said: the connection is closed. */
		say_message(&stage, &cases[i]);
		assert_false(stage.alive);
		assert_int_equal(said_lines(said_end(), "GET_INFLIGHT_FD refused"), 1);
		stage_destroy(&stage);
	}
}

/* Requests are in flight in the region that is taken away: it stays until they have drained. */
static void memory_is_removed_with_requests_in_flight(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg removals[] = {
		message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, -1),
		message(VHOST_SET_MEM_TABLE, "\0\0\0\0\0\0\0", 8),
	};

	stage_run(stage);
	for (unsigned i = 0; i < COUNT(removals); i++) {
		say_message(stage, &removals[i]);
		assert_heard(stage, "stop 0; stop 1");
		assert_true(vhost_session_busy(stage->session));
		assert_int_equal(count_mappings("front-end-ram"), 1);
		/* The device may touch all of it. */
		memset(stage->session->memory.region[0].host, 1, RAM_SIZE);
		said_begin();
		stage_drain(stage, 0);
		said_end();
		assert_int_equal(count_mappings("front-end-ram"), 0);
		say_memory(stage);
		assert_true(stage->alive && stage->queue[0].running && stage->queue[1].running);
		stage->trace[0] = '\0';
	}
}

/* The front end hangs up at the same moment: the memory still stays until the rings have drained. */
static void the_front_end_leaves_with_requests_in_flight(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	close(stage->front);
	stage->front = -1;
	assert_false(vhost_session_readable(stage->session));
	assert_false(vhost_session_close(stage->session));
	memset(stage->session->memory.region[0].host, 1, RAM_SIZE);
	assert_int_equal(count_mappings("front-end-ram"), 1);
	stage_drain(stage, 0);
	assert_true(vhost_session_close(stage->session));
}

/* The file behind an in-flight region is shrunk: the session is over. Its rings may be in use meanwhile. */
static void a_region_that_is_taken_away(void **state)
{
	struct stage *stage = *state;
	const uint64_t size = 2 * inflight_bytes(false, RING_SIZE);
	const int fd = region_file(size);

	stage_negotiate(stage);
	assert_int_equal(say_and_ask(stage, inflight(VHOST_SET_INFLIGHT_FD, size, 0, 2, RING_SIZE, fd)), 0);
	/* Here, not before the test: cmocka takes SIGBUS for itself. */
	assert_int_equal(memguard_install(-1), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_false(vhost_session_lost_memory(stage->session));
	*(volatile char *)stage->session->inflight.at = 1;
	said_begin();
	assert_true(vhost_session_lost_memory(stage->session));
	assert_int_equal(said_lines(said_end(), "connection closed"), 1);
	close(fd);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(regions_that_cannot_be),
		CASE(regions_too_small_for_their_ring),
		CASE(a_region_of_a_sparse_file),
		cmocka_unit_test(sizes_that_nobody_can_have),
		CASE(memory_is_removed_with_requests_in_flight),
		CASE(the_front_end_leaves_with_requests_in_flight),
		CASE(a_region_that_is_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
