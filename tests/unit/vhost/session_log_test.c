/* SPDX-License-Identifier: Apache-2.0 */
/* Dirty logging as a front end turns it on and off: which queues get which log, and logs that cannot be. */
#include "stage.h"

#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PROTOCOL     (1ull << VHOST_USER_F_PROTOCOL_FEATURES)

/* What covers RAM, and no page more. */
#define LOG_SIZE ((RAM_GUEST + RAM_SIZE) / DIRTY_LOG_PAGE / 8)

static int log_file(size_t size)
{
	int fd = memfd_create("dirty-log", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static struct vhost_msg log_base(uint64_t size, uint64_t offset, int fd)
{
	const struct vhost_log_msg log = {.size = size, .offset = offset};
	struct vhost_msg msg = message(VHOST_SET_LOG_BASE, &log, sizeof(log));

	msg.fds[0] = fd;
	msg.fd_count = fd >= 0;
	return msg;
}

/* Let the queues stop that the last message touches, if there are any. */
static void drain(struct stage *stage)
{
	if (vhost_session_busy(stage->session))
		stage_drain(stage, 0);
}

/* A log that is taken: sent, its descriptor closed, and the reply that LOG_SHMFD demands heard. */
static void give_log(struct stage *stage, uint64_t size, uint64_t offset)
{
	const int fd = log_file(size + offset);
	const struct vhost_msg msg = log_base(size, offset, fd);

	put_message(stage, &msg);
	close(fd);
	stage->alive = vhost_session_readable(stage->session);
	drain(stage);
	assert_int_equal(hear_u64(stage, VHOST_SET_LOG_BASE), 0);
	assert_int_equal(count_mappings("dirty-log"), 1);
}

static void set_features(struct stage *stage, uint64_t more)
{

	say_u64(stage, VHOST_SET_FEATURES, STAGE_FEATURES | PROTOCOL | more);
	drain(stage);
}

static void set_addr(struct stage *stage, uint32_t index, uint32_t flags, uint64_t log_guest)
{
	struct vhost_msg msg = message_addr(index);

	msg.payload.addr.flags = flags;
	msg.payload.addr.log_guest = log_guest;
	say_message(stage, &msg);
	drain(stage);
}

static const struct virtq_setup *ring(const struct stage *stage, uint32_t index)
{
	return &stage->queue[index].setup.ring;
}

/* As QEMU does it while the rings run: the log, the feature, the vrings; and back. */
static void on_and_off(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	assert_null(ring(stage, 0)->log);
	assert_null(ring(stage, 0)->ring_log);
	give_log(stage, LOG_SIZE, 0);
	assert_null(ring(stage, 0)->log);
	set_features(stage, STAGE_LOG_ALL);
	assert_ptr_equal(ring(stage, 0)->log, &stage->session->log.dirty);
	assert_ptr_equal(ring(stage, 1)->log, &stage->session->log.dirty);
	assert_null(ring(stage, 0)->ring_log);
	set_addr(stage, 1, VHOST_VRING_LOG, 0x7000);
	assert_null(ring(stage, 0)->ring_log);
	assert_ptr_equal(ring(stage, 1)->ring_log, &stage->session->log.dirty);
	assert_int_equal(ring(stage, 1)->used_log, 0x7000);
	set_features(stage, 0);
	assert_null(ring(stage, 1)->log);
	assert_ptr_equal(ring(stage, 1)->ring_log, &stage->session->log.dirty);
	set_addr(stage, 1, 0, 0);
	assert_null(ring(stage, 1)->ring_log);
	assert_true(stage->queue[0].running && stage->queue[1].running);
	stage_end(stage);
	assert_int_equal(count_mappings("dirty-log"), 0);
}

/* The device never hears of the feature. */
static void the_device_does_not_log_itself(void **state)
{
	struct stage *stage = *state;

	stage_negotiate(stage);
	set_features(stage, STAGE_LOG_ALL);
	assert_int_equal(stage->features, STAGE_FEATURES);
}

/* Bits end up where the offset says. */
static void a_log_behind_an_offset(void **state)
{
	struct stage *stage = *state;
	const uint64_t offset = 12344;
	const int fd = log_file(offset + LOG_SIZE);
	const struct vhost_msg msg = log_base(LOG_SIZE, offset, fd);
	uint8_t byte = 0;

	stage_negotiate(stage);
	say_message(stage, &msg);
	assert_int_equal(hear_u64(stage, VHOST_SET_LOG_BASE), 0);
	assert_int_equal(stage->session->log.dirty.pages, LOG_SIZE * 8);
	dirty_log_mark(&stage->session->log.dirty, RAM_GUEST + 3 * DIRTY_LOG_PAGE + 5, 1);
	assert_int_equal(pread(fd, &byte, 1, (off_t)(offset + RAM_GUEST / DIRTY_LOG_PAGE / 8)), 1);
	assert_int_equal(byte, 1 << 3);
	close(fd);
}

/* No write may go unseen: rings that are to be logged wait for a log that is large enough. */
static void rings_wait_for_their_log(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg more =
		message_region(VHOST_ADD_MEM_REG, RAM_GUEST + RAM_SIZE, 0x8000, RAM_USER + RAM_SIZE, 0, stage->ram_fd);

	stage_run(stage);
	said_begin();
	set_features(stage, STAGE_LOG_ALL);
	assert_heard(stage, "stop 0; stop 1; features");
	assert_int_equal(said_lines(said_end(), "wait for SET_LOG_BASE"), 1);
	give_log(stage, LOG_SIZE - 1, 0);
	assert_heard(stage, "");
	give_log(stage, LOG_SIZE, 0);
	assert_heard(stage, "start 0; start 1");
	/* More memory than the log has bits for: the next one comes too late for a front end that does it wrong. */
	said_begin();
	say_message(stage, &more);
	stage_drain(stage, 5);
	assert_heard(stage, "stop 0; stop 1; add");
	assert_int_equal(said_lines(said_end(), "wait for SET_LOG_BASE"), 1);
	give_log(stage, LOG_SIZE + 1, 8);
	assert_heard(stage, "start 0; start 1");
	assert_int_equal(ring(stage, 0)->base, 5);
}

/* A vring that logs itself needs a log, even where buffers are not logged. */
static void a_logged_ring_waits_too(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	set_addr(stage, 0, VHOST_VRING_LOG, 0x7ff8000);
	assert_heard(stage, "stop 0");
	give_log(stage, 4096, 0);
	assert_heard(stage, "stop 1; start 0; start 1");
	/* The last byte of the used ring is what counts. */
	said_begin();
	set_addr(stage, 0, VHOST_VRING_LOG, 0x8000000 - 8 * RING_SIZE - 5);
	assert_heard(stage, "stop 0; refuse 0");
	assert_int_equal(said_lines(said_end(), "beyond the 32768 pages of the log"), 1);
	set_addr(stage, 0, VHOST_VRING_LOG, 0x8000000 - 8 * RING_SIZE - 6);
	assert_heard(stage, "start 0");
}

static void logs_that_cannot_be(void **state)
{
	struct stage *stage = *state;
	const int fd = log_file(LOG_SIZE);
	int pipes[2];
	const struct vhost_msg cases[] = {
		log_base(0, 0, fd),
		log_base(LOG_SIZE + 1, 0, fd),
		log_base(LOG_SIZE, 1, fd),
		log_base(1, LOG_SIZE, fd),
		log_base(UINT64_MAX, 1, fd),
		log_base(2, UINT64_MAX - 1, fd),
		log_base(UINT64_MAX, 0, fd),
		log_base(LOG_SIZE, 0, -1),
		log_base(LOG_SIZE, 0, (assert_int_equal(pipe(pipes), 0), pipes[0])),
		message(VHOST_SET_LOG_FD, NULL, 0),
	};

	stage_negotiate(stage);
	give_log(stage, LOG_SIZE, 0);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		const unsigned fds = count_open_fds();

		said_begin();
		assert_int_not_equal(say_and_ask(stage, cases[i]), 0);
		assert_int_equal(said_lines(said_end(), "refused"), 1);
		assert_int_equal(count_open_fds(), fds);
		/* The one before goes on. */
		assert_int_equal(count_mappings("dirty-log"), 1);
		assert_int_equal(stage->session->log.dirty.pages, LOG_SIZE * 8);
	}
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

/* No guest has memory for more than this, and a sparse file costs its owner nothing. */
static void more_of_a_log_than_there_are_addresses(void **state)
{
	struct stage *stage = *state;
	const uint64_t before = address_space(), most = 1ull << (48 - 12 - 3);

	stage_negotiate(stage);
	give_log(stage, 1ull << 42, 8);
	assert_int_equal(stage->session->log.dirty.pages, most * 8);
	assert_in_range(address_space() - before, most, most + (1 << 20));
	stage->session->log.dirty.bits[most - 1] = 1;
}

/* Without LOG_SHMFD a log is an address in the front end's process. */
static void a_log_that_is_not_shared(void **state)
{
	struct stage *stage = *state;
	const int fd = log_file(LOG_SIZE);

	say(stage, VHOST_GET_PROTOCOL_FEATURES);
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES,
		hear_u64(stage, VHOST_GET_PROTOCOL_FEATURES) & ~(1ull << VHOST_PROTOCOL_F_LOG_SHMFD));
	said_begin();
	assert_int_not_equal(say_and_ask(stage, log_base(LOG_SIZE, 0, fd)), 0);
	assert_int_equal(said_lines(said_end(), "LOG_SHMFD"), 1);
	close(fd);
}

/* So it goes with the feature. */
static void a_log_whose_feature_is_taken_back(void **state)
{
	struct stage *stage = *state;
	uint64_t features;

	stage_run(stage);
	features = stage->session->protocol_features;
	give_log(stage, LOG_SIZE, 0);
	set_features(stage, STAGE_LOG_ALL);
	stage->trace[0] = '\0';
	said_begin();
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, features & ~(1ull << VHOST_PROTOCOL_F_LOG_SHMFD));
	drain(stage);
	assert_heard(stage, "stop 0; stop 1");
	assert_int_equal(said_lines(said_end(), "wait for SET_LOG_BASE"), 1);
	assert_int_equal(count_mappings("dirty-log"), 0);
	say_u64(stage, VHOST_SET_PROTOCOL_FEATURES, features);
	give_log(stage, LOG_SIZE, 0);
	assert_heard(stage, "start 0; start 1");
}

/* need_reply changes nothing: one reply, in the same form. */
static void one_reply(void **state)
{
	struct stage *stage = *state;
	const int fd = log_file(LOG_SIZE);

	stage_negotiate(stage);
	assert_int_equal(say_and_ask(stage, log_base(LOG_SIZE, 0, fd)), 0);
	close(fd);
}

static void an_event_descriptor(void **state)
{
	struct stage *stage = *state;
	struct vhost_msg msg = message(VHOST_SET_LOG_FD, NULL, 0);
	unsigned fds;

	stage_run(stage);
	assert_int_equal(stage->session->log.dirty.event_fd, -1);
	fds = count_open_fds();
	for (unsigned i = 0; i < 2; i++) {
		msg.fds[0] = eventfd(0, EFD_CLOEXEC);
		msg.fd_count = 1;
		put_message(stage, &msg);
		close(msg.fds[0]);
		stage->alive = vhost_session_readable(stage->session);
		drain(stage);
		assert_int_equal(eventfd_write(stage->session->log.dirty.event_fd, 1), 0);
		/* The second takes the place of the first, and a new log changes nothing. */
		give_log(stage, LOG_SIZE, 0);
		/* That, and the file of the log. */
		assert_int_equal(count_open_fds(), fds + 2);
	}
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(on_and_off),
		CASE(the_device_does_not_log_itself),
		CASE(a_log_behind_an_offset),
		CASE(rings_wait_for_their_log),
		CASE(a_logged_ring_waits_too),
		CASE(logs_that_cannot_be),
		CASE(a_log_that_is_not_shared),
		CASE(more_of_a_log_than_there_are_addresses),
		CASE(a_log_whose_feature_is_taken_back),
		CASE(one_reply),
		CASE(an_event_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
