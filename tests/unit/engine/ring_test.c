/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How rings are set up, on this kernel and, by a wrapper around the set-up call
 * that knows fewer flags, on older ones.
 */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* This kernel's set-up, with what an older one would have refused. */
static struct {
	unsigned unknown; /* flags */
	int error;        /* for all set-ups */
	unsigned calls;
} kernel;

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
	kernel.calls++;
	if (kernel.error)
		return kernel.error;
	if (params->flags & kernel.unknown)
		return -EINVAL;
	return __real_io_uring_queue_init_params(entries, ring, params);
}

static void set_kernel(unsigned unknown, int error)
{
	kernel.unknown = unknown;
	kernel.error = error;
	kernel.calls = 0;
}

static void assert_ring_works(struct io_uring *ring)
{
	for (unsigned i = 0; i < 3; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
		struct io_uring_cqe *cqe;

		assert_non_null(sqe);
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, 42 + i);
		assert_int_equal(io_uring_submit_and_wait(ring, 1), 1);
		assert_int_equal(io_uring_peek_cqe(ring, &cqe), 0);
		assert_int_equal(cqe->user_data, 42 + i);
		io_uring_cqe_seen(ring, cqe);
		assert_false(ring_needs_enter(ring));
	}
}

/* Linux 6.1, 5.19 and 5.15, from whichever profile one begins with. */
static void each_kernel_gets_the_best_it_knows(void **state)
{
	const unsigned since_6_1 = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	const unsigned since_5_19 = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
	const struct {
		unsigned unknown;
		enum ring_profile best, expected;
	} cases[] = {
		{0, RING_PLAIN, RING_PLAIN},
		{since_6_1, RING_DEFER_TASKRUN, RING_COOP_TASKRUN},
		{since_6_1, RING_COOP_TASKRUN, RING_COOP_TASKRUN},
		{since_6_1, RING_PLAIN, RING_PLAIN},
		{since_6_1 | since_5_19, RING_DEFER_TASKRUN, RING_PLAIN},
		{since_6_1 | since_5_19, RING_COOP_TASKRUN, RING_PLAIN},
		{since_6_1 | since_5_19, RING_PLAIN, RING_PLAIN},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum ring_profile profile = RING_PROFILE_COUNT;
		struct error err = {0};
		struct io_uring ring;
		int ret;

		set_kernel(cases[i].unknown, 0);
		ret = ring_setup(&ring, 64, cases[i].best, &profile, &err);
		if (ret)
			fail_msg("%s", err.text);
		/* The kernel that runs this test may itself be old. */
		assert_true(profile >= cases[i].expected);
		if (cases[i].expected == RING_PLAIN)
			assert_int_equal(profile, RING_PLAIN);
		assert_true(ring.sq.ring_entries >= 64);
		assert_true(ring.cq.ring_entries >= 256);
		assert_int_equal(ring_enable(&ring), 0);
		assert_ring_works(&ring);
		io_uring_queue_exit(&ring);
	}
	set_kernel(0, 0);
}

static void the_profile_said_is_the_profile_had(void **state)
{
	(void)state;
	for (int best = 0; best < RING_PROFILE_COUNT; best++) {
		enum ring_profile profile;
		struct io_uring ring;
		struct error err;

		assert_int_equal(ring_setup(&ring, 8, (enum ring_profile)best, &profile, &err), 0);
		assert_int_equal(!!(ring.flags & IORING_SETUP_DEFER_TASKRUN), profile == RING_DEFER_TASKRUN);
		assert_int_equal(!!(ring.flags & IORING_SETUP_COOP_TASKRUN), profile == RING_COOP_TASKRUN);
		assert_true(strlen(ring_profile_name(profile)) > 0);
		assert_int_equal(ring_enable(&ring), 0);
		assert_ring_works(&ring);
		io_uring_queue_exit(&ring);
	}
}

/* What an entry comes to, on a ring of its own. */
static int result_of(struct io_uring *ring, void (*prepare)(struct io_uring_sqe *sqe))
{
	struct io_uring_cqe *cqe;
	int result;

	prepare(io_uring_get_sqe(ring));
	assert_int_equal(io_uring_submit_and_wait(ring, 1), 1);
	assert_int_equal(io_uring_peek_cqe(ring, &cqe), 0);
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

static void prepare_open(struct io_uring_sqe *sqe)
{
	io_uring_prep_openat(sqe, AT_FDCWD, "/dev/null", O_RDONLY, 0);
}

static void prepare_mkdir(struct io_uring_sqe *sqe)
{
	io_uring_prep_mkdirat(sqe, AT_FDCWD, "/proc/none", 0700);
}

static void prepare_socket(struct io_uring_sqe *sqe)
{
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = 45; /* IORING_OP_SOCKET; liburing 2.3 has no function for it */
	sqe->fd = AF_UNIX;
	sqe->off = SOCK_STREAM;
}

static void prepare_connect(struct io_uring_sqe *sqe)
{
	static const struct sockaddr_un nobody = {.sun_family = AF_UNIX, .sun_path = "/none"};

	io_uring_prep_connect(sqe, 0, (const struct sockaddr *)&nobody, sizeof(nobody));
}

static void prepare_drain(struct io_uring_sqe *sqe)
{
	io_uring_prep_nop(sqe);
	sqe->flags = IOSQE_IO_DRAIN;
}

/* Of each operation that reaches beyond what is open: it works on a ring of all, and is refused on a restricted one. */
static void a_restricted_ring_reaches_nothing_else(void **state)
{
	static void (*const escapes[])(struct io_uring_sqe * sqe) = {prepare_open, prepare_mkdir, prepare_socket,
								     prepare_connect, prepare_drain};

	(void)state;
	for (int restricted = 0; restricted < 2; restricted++) {
		enum ring_profile profile;
		struct io_uring ring;
		struct error err;
		int fd;

		assert_int_equal(ring_setup(&ring, 8, RING_DEFER_TASKRUN, &profile, &err), 0);
		if (restricted)
			assert_int_equal(ring_restrict(&ring), 0);
		assert_int_equal(ring_enable(&ring), 0);
		for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
			fd = result_of(&ring, escapes[i]);
			if (restricted)
				assert_int_equal(fd, -EACCES);
			else
				assert_int_not_equal(fd, -EACCES);
			if (fd > 0)
				close(fd);
		}
		assert_ring_works(&ring);
		/* What it may do is for good. */
		assert_int_equal(io_uring_register_personality(&ring) < 0, restricted);
		assert_true(ring_restrict(&ring) < 0);
		io_uring_queue_exit(&ring);
	}
}

/* A kernel that refuses for another reason than a flag is not asked again. */
static void a_refusal_says_why(void **state)
{
	static const struct {
		int error;
		unsigned calls;
		const char *hint;
	} cases[] = {
		{-EPERM, 1, "forbidden"},
		{-ENOSYS, 1, "forbidden"},
		{-ENOMEM, 1, "RLIMIT_MEMLOCK"},
		{-EMFILE, 1, "Too many open files"},
		{-EINVAL, RING_PROFILE_COUNT, "Invalid argument"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const unsigned before = count_open_fds();
		const struct worker_options options = {.best_ring = RING_DEFER_TASKRUN};
		enum ring_profile profile;
		struct error err = {0};
		struct io_uring ring;

		set_kernel(0, cases[i].error);
		assert_int_equal(ring_setup(&ring, 64, RING_DEFER_TASKRUN, &profile, &err), cases[i].error);
		assert_int_equal(kernel.calls, cases[i].calls);
		assert_contains(err.text, cases[i].hint);
		/* A worker that cannot have a ring hands the reason on, and leaves nothing behind. */
		err.text[0] = '\0';
		assert_null(worker_create(&options, &err));
		assert_int_equal(err.code, cases[i].error);
		assert_contains(err.text, cases[i].hint);
		assert_int_equal(count_open_fds(), before);
	}
	set_kernel(0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kernel_gets_the_best_it_knows),
		cmocka_unit_test(the_profile_said_is_the_profile_had),
		cmocka_unit_test(a_restricted_ring_reaches_nothing_else),
		cmocka_unit_test(a_refusal_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
