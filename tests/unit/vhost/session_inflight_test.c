/* SPDX-License-Identifier: Apache-2.0 */
/* The in-flight region as messages have it: made, given back, handed to queues, forgotten, and regions that cannot be.
 */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ENTRIES = 128 };

static struct vhost_msg inflight_message(uint32_t request, struct vhost_inflight_msg inflight, int fd)
{
	struct vhost_msg msg = message(request, &inflight, sizeof(inflight));

	msg.fds[0] = fd;
	msg.fd_count = fd >= 0;
	return msg;
}

/* GET_INFLIGHT_FD for both queues; the region's descriptor. */
static int get_region(struct stage *stage, struct vhost_inflight_msg *inflight, uint32_t size)
{
	struct vhost_msg msg = inflight_message(VHOST_GET_INFLIGHT_FD, *inflight, -1);

	msg.header.size = size;
	say_message(stage, &msg);
	msg = hear(stage, VHOST_GET_INFLIGHT_FD);
	assert_int_equal(msg.header.size, size);
	assert_int_equal(msg.fd_count, 1);
	*inflight = msg.payload.inflight;
	return msg.fds[0];
}

static uint64_t set_region(struct stage *stage, struct vhost_inflight_msg inflight, int fd)
{
	return say_and_ask(stage, inflight_message(VHOST_SET_INFLIGHT_FD, inflight, fd));
}

/* QEMU sends its struct with the padding that it has in memory, others without. */
static void made_and_given_back(void **state)
{
	static const uint32_t sizes[] = {VHOST_INFLIGHT_MIN_SIZE, sizeof(struct vhost_inflight_msg)};
	struct stage *stage = *state;
	struct stat st;

	stage_negotiate(stage);
	for (unsigned i = 0; i < COUNT(sizes); i++) {
		struct vhost_inflight_msg inflight = {.num_queues = 2, .queue_size = ENTRIES};
		const int fd = get_region(stage, &inflight, sizes[i]);

		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(inflight.mmap_offset, 0);
		assert_int_equal(inflight.mmap_size, st.st_size);
		/* Room for either layout, and nobody takes it away. */
		assert_true(inflight.mmap_size >= 2 * inflight_bytes(true, ENTRIES));
		assert_true(inflight.mmap_size >= 2 * inflight_bytes(false, ENTRIES));
		assert_int_equal(ftruncate(fd, 0), -1);
		assert_int_equal(set_region(stage, inflight, fd), 0);
		assert_int_equal(count_mappings("strait-inflight"), 1);
		close(fd);
	}
}

static void handed_to_queues(void **state)
{
	struct stage *stage = *state;
	struct vhost_inflight_msg inflight = {.num_queues = 2, .queue_size = ENTRIES};
	const uint64_t bytes = inflight_bytes(false, ENTRIES);
	const struct inflight_area *area[2];
	struct vhost_msg again;
	int fd;

	stage_negotiate(stage);
	fd = get_region(stage, &inflight, sizeof(inflight));
	assert_int_equal(set_region(stage, inflight, fd), 0);
	close(fd);
	say_memory(stage);
	for (uint32_t i = 0; i < 2; i++) {
		stage_set_up_ring(stage, i);
		say_state(stage, VHOST_SET_VRING_ENABLE, i, 1);
		assert_true(stage->queue[i].running);
		area[i] = &stage->queue[i].setup.ring.inflight;
		assert_int_equal(area[i]->entries, ENTRIES);
	}
	assert_ptr_equal((char *)area[0]->at + bytes, area[1]->at);
	/* Not while they run. */
	stage->trace[0] = '\0';
	fd = get_region(stage, &inflight, sizeof(inflight));
	assert_heard(stage, "");
	again = inflight_message(VHOST_SET_INFLIGHT_FD, inflight, fd);
	say_message(stage, &again);
	assert_heard(stage, "stop 0; stop 1");
	stage_drain(stage, 0);
	assert_heard(stage, "start 0; start 1");
	close(fd);
	assert_int_equal(count_mappings("strait-inflight"), 1);
}

static void forgotten_at_a_reset(void **state)
{
	struct stage *stage = *state;
	struct vhost_inflight_msg inflight = {.num_queues = 1, .queue_size = ENTRIES};
	int fd;

	stage_negotiate(stage);
	fd = get_region(stage, &inflight, sizeof(inflight));
	assert_int_equal(set_region(stage, inflight, fd), 0);
	close(fd);
	say(stage, VHOST_RESET_DEVICE);
	assert_int_equal(count_mappings("strait-inflight"), 0);
	assert_null(stage->session->inflight.at);
}

/* A queue that has no place in the region does not run: what it had in flight would be lost. */
static void queues_without_a_place(void **state)
{
	static const struct vhost_inflight_msg regions[] = {
		{.num_queues = 1, .queue_size = ENTRIES},
		{.num_queues = 2, .queue_size = RING_SIZE / 2},
	};
	struct stage *stage = *state;

	stage_negotiate(stage);
	say_memory(stage);
	for (unsigned i = 0; i < COUNT(regions); i++) {
		struct vhost_inflight_msg inflight = regions[i];
		const int fd = get_region(stage, &inflight, sizeof(inflight));

		assert_int_equal(set_region(stage, inflight, fd), 0);
		close(fd);
		stage_set_up_ring(stage, 1);
		said_begin();
		say_state(stage, VHOST_SET_VRING_ENABLE, 1, 1);
		assert_int_equal(said_lines(said_end(), "in-flight region"), 1);
		assert_false(stage->queue[1].running);
		say_state(stage, VHOST_SET_VRING_ENABLE, 1, 0);
	}
}

static void regions_that_cannot_be(void **state)
{
	struct stage *stage = *state;
	const int fd = memfd_create("region", MFD_CLOEXEC), pipe_end = open("/dev/null", O_RDWR | O_CLOEXEC);
	const uint64_t size = 2 * inflight_bytes(true, ENTRIES);
	const struct {
		struct vhost_inflight_msg as;
		int fd;
	} cases[] = {
		{{size, 0, 2, ENTRIES, 0}, -1},
		{{size, 0, 2, ENTRIES, 0}, pipe_end},
		{{size + 1, 0, 2, ENTRIES, 0}, fd},
		{{size, 8, 2, ENTRIES, 0}, fd},
		{{size, UINT64_MAX - 7, 2, ENTRIES, 0}, fd},
		{{UINT64_MAX, 0, 2, ENTRIES, 0}, fd},
		{{size - 8, 4, 2, ENTRIES, 0}, fd},
		{{0, 0, 2, ENTRIES, 0}, fd},
		{{size, 0, 0, ENTRIES, 0}, fd},
		{{size, 0, 3, ENTRIES, 0}, fd},
		{{size, 0, 2, 0, 0}, fd},
		{{size, 0, 2, VIRTQ_MAX_SIZE + 1, 0}, fd},
	};

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	stage_negotiate(stage);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		said_begin();
		if (set_region(stage, cases[i].as, cases[i].fd) == 0)
			fail_msg("case %u was taken", i);
		assert_int_equal(said_lines(said_end(), "SET_INFLIGHT_FD refused"), 1);
		assert_int_equal(count_mappings("region"), 0);
	}
	assert_int_equal(set_region(stage, cases[0].as, fd), 0);
	close(fd);
	close(pipe_end);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(made_and_given_back),    CASE(handed_to_queues),       CASE(forgotten_at_a_reset),
		CASE(queues_without_a_place), CASE(regions_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
