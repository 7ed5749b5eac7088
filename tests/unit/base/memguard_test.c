/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that its owner takes away while we have it mapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memguard.h"

enum { PAGE = 4096, PAGES = 16 };

struct shared {
	int fd;
	volatile char *at;
	struct memguard *guard;
};

static int event_fd;

/* In each test: cmocka takes SIGBUS for itself before it. */
static void guard(void)
{
	assert_int_equal(memguard_install(event_fd), 0);
}

static void create(struct shared *shared, unsigned flags, size_t length)
{
	shared->fd = memfd_create("guarded", MFD_CLOEXEC | flags);
	assert_true(shared->fd >= 0);
	assert_int_equal(ftruncate(shared->fd, (off_t)length), 0);
	shared->at = memguard_map(shared->fd, length, &shared->guard);
	assert_non_null(shared->at);
}

static void destroy(struct shared *shared)
{
	memguard_unmap(shared->guard);
	close(shared->fd);
}

static uint64_t events(void)
{
	eventfd_t count = 0;

	return eventfd_read(event_fd, &count) ? 0 : count;
}

static void what_is_gone_reads_as_zeroes(void **state)
{
	struct shared shared, other;
	char byte = 0;

	(void)state;
	guard();
	create(&shared, 0, PAGES * PAGE);
	create(&other, 0, PAGES * PAGE);
	for (unsigned i = 0; i < PAGES; i++)
		shared.at[i * PAGE] = other.at[i * PAGE] = (char)('a' + i);
	assert_int_equal(ftruncate(shared.fd, 8 * PAGE), 0);
	assert_false(memguard_lost(shared.guard));
	assert_int_equal(shared.at[9 * PAGE], 0);
	assert_true(memguard_lost(shared.guard));
	assert_int_equal(events(), 1);
	/* From there on it is ours, and a second touch costs nothing. */
	shared.at[10 * PAGE] = 'x';
	assert_int_equal(shared.at[10 * PAGE], 'x');
	assert_int_equal(events(), 0);
	/* What lies before is shared as ever, up to the next page that is gone. */
	assert_int_equal(shared.at[7 * PAGE], 'h');
	shared.at[7 * PAGE] = 'y';
	assert_int_equal(pread(shared.fd, &byte, 1, 7 * PAGE), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(shared.at[8 * PAGE], 0);
	assert_int_equal(events(), 1);
	assert_int_equal(shared.at[10 * PAGE], 0);
	/* Nobody else is concerned. */
	assert_false(memguard_lost(other.guard));
	assert_int_equal(other.at[9 * PAGE], 'j');
	assert_false(memguard_lost(NULL));
	destroy(&shared);
	destroy(&other);
}

static void a_place_is_used_again_without_its_past(void **state)
{
	struct shared shared;

	(void)state;
	guard();
	for (unsigned i = 0; i < 3; i++) {
		create(&shared, 0, PAGE);
		assert_false(memguard_lost(shared.guard));
		assert_int_equal(ftruncate(shared.fd, 0), 0);
		shared.at[PAGE - 1] = 1;
		assert_true(memguard_lost(shared.guard));
		assert_int_equal(events(), 1);
		destroy(&shared);
	}
}

/* More than fit into one block of places, each of which is found. */
static void many_mappings(void **state)
{
	enum { MANY = 300 };
	struct shared *shared = calloc(MANY, sizeof(*shared));

	(void)state;
	guard();
	for (unsigned i = 0; i < MANY; i++)
		create(&shared[i], 0, PAGE);
	for (unsigned i = 0; i < MANY; i += 7) {
		assert_int_equal(ftruncate(shared[i].fd, 0), 0);
		assert_int_equal(shared[i].at[0], 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(memguard_lost(shared[i].guard), i % 7 == 0);
		destroy(&shared[i]);
	}
	assert_int_equal(events(), (MANY + 6) / 7);
	free(shared);
}

/* The kernel says -EFAULT instead: that ends in an error of the request, and nobody is told. */
static void system_calls_fail(void **state)
{
	struct shared shared;
	int zero[2];

	(void)state;
	guard();
	create(&shared, 0, PAGE);
	assert_int_equal(pipe(zero), 0);
	assert_int_equal(write(zero[1], "abc", 3), 3);
	assert_int_equal(ftruncate(shared.fd, 0), 0);
	assert_int_equal(read(zero[0], (char *)shared.at, 3), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(write(zero[1], (char *)shared.at, 3), -1);
	assert_int_equal(errno, EFAULT);
	assert_false(memguard_lost(shared.guard));
	assert_int_equal(events(), 0);
	close(zero[0]);
	close(zero[1]);
	destroy(&shared);
}

/* Huge pages can only be replaced whole. Also without any page of that kind on this host: then the first touch fails.
 */
static void huge_pages(void **state)
{
	const size_t huge = 2u << 20;
	struct shared shared;

	(void)state;
	guard();
	create(&shared, MFD_HUGETLB, 2 * huge);
	assert_int_equal(ftruncate(shared.fd, 0), 0);
	assert_int_equal(shared.at[huge + 5000], 0);
	assert_true(memguard_lost(shared.guard));
	shared.at[huge] = 1;
	assert_int_equal(shared.at[100], 0);
	assert_int_equal(events(), 2);
	destroy(&shared);
}

/* A device may have pages of a size that only it knows. Made of huge pages whose guard believes in small ones. */
static void what_cannot_be_cut_goes_whole(void **state)
{
	const size_t huge = 2u << 20;
	struct shared shared;
	struct {
		uintptr_t start;
		size_t length, page;
	} * inside; /* as struct memguard begins */

	(void)state;
	guard();
	create(&shared, MFD_HUGETLB, 2 * huge);
	inside = (void *)shared.guard;
	assert_int_equal(inside->page, huge);
	inside->page = PAGE;
	assert_int_equal(ftruncate(shared.fd, 0), 0);
	shared.at[huge + 5000] = 1;
	assert_true(memguard_lost(shared.guard));
	assert_int_equal(shared.at[0], 0);
	assert_int_equal(events(), 1);
	destroy(&shared);
}

static void what_lies_behind_an_offset(void **state)
{
	static const uint64_t offsets[] = {0, PAGE, 2 * PAGE + 8, 3 * PAGE - 1};
	struct shared shared;
	char byte;

	(void)state;
	guard();
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		create(&shared, 0, PAGES * PAGE);
		memguard_unmap(shared.guard);
		shared.at = memguard_map_at(shared.fd, offsets[i], PAGE, &shared.guard);
		assert_non_null(shared.at);
		shared.at[0] = 'a';
		shared.at[PAGE - 1] = 'z';
		assert_int_equal(pread(shared.fd, &byte, 1, (off_t)offsets[i]), 1);
		assert_int_equal(byte, 'a');
		assert_int_equal(pread(shared.fd, &byte, 1, (off_t)offsets[i] + PAGE - 1), 1);
		assert_int_equal(byte, 'z');
		assert_int_equal(ftruncate(shared.fd, 0), 0);
		assert_int_equal(shared.at[PAGE - 1], 0);
		assert_int_equal(shared.at[0], 0);
		assert_true(memguard_lost(shared.guard));
		assert_true(events() >= 1);
		destroy(&shared);
	}
}

enum { THREADS = 4 };

static void *touch_from_the_end(void *argument)
{
	const struct shared *shared = argument;

	for (unsigned i = PAGES; i-- > 0;)
		(void)shared->at[i * PAGE];
	return NULL;
}

/* Several threads run into the same hole while mappings come and go. */
static void threads(void **state)
{
	struct shared lost, *passing = calloc(100, sizeof(*passing));

	(void)state;
	guard();
	for (unsigned round = 0; round < 50; round++) {
		pthread_t thread[THREADS];

		create(&lost, 0, PAGES * PAGE);
		assert_int_equal(ftruncate(lost.fd, PAGE), 0);
		for (unsigned i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, touch_from_the_end, &lost), 0);
		for (unsigned i = 0; i < 100; i++)
			create(&passing[i], 0, (i + 1) * PAGE);
		for (unsigned i = 0; i < 100; i++) {
			assert_false(memguard_lost(passing[i].guard));
			destroy(&passing[i]);
		}
		for (unsigned i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
		assert_true(memguard_lost(lost.guard));
		assert_true(events() >= 1);
		destroy(&lost);
	}
	free(passing);
}

/* In a process of its own, as if nobody had caught SIGBUS before. The signal that ends it, 0 if none does. */
static int signal_of(void (*touch)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGBUS, SIG_DFL);
		memguard_install(-1);
		touch();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void touch_guarded(void)
{
	struct shared shared;

	create(&shared, 0, PAGE);
	if (ftruncate(shared.fd, 0) == 0)
		shared.at[0] = 1;
}

static void touch_another_file(void)
{
	int fd = memfd_create("not-guarded", MFD_CLOEXEC);
	volatile char *at;

	if (ftruncate(fd, PAGE) < 0)
		return;
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ftruncate(fd, 0) == 0)
		at[0] = 1;
}

static void be_sent_one(void)
{
	kill(getpid(), SIGBUS);
}

static void any_other_sigbus_is_the_end(void **state)
{
	(void)state;
	assert_int_equal(signal_of(touch_guarded), 0);
	assert_int_equal(signal_of(touch_another_file), SIGBUS);
	assert_int_equal(signal_of(be_sent_one), SIGBUS);
}

static void what_cannot_be_mapped(void **state)
{
	struct memguard *guard;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_null(memguard_map(-1, PAGE, &guard));
	assert_int_equal(errno, EBADF);
	assert_null(memguard_map(ends[0], PAGE, &guard));
	assert_null(memguard_map(ends[0], SIZE_MAX, &guard));
	assert_int_equal(errno, EOVERFLOW);
	assert_null(memguard_map(ends[0], 0, &guard));
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_gone_reads_as_zeroes),
		cmocka_unit_test(a_place_is_used_again_without_its_past),
		cmocka_unit_test(many_mappings),
		cmocka_unit_test(system_calls_fail),
		cmocka_unit_test(huge_pages),
		cmocka_unit_test(what_cannot_be_cut_goes_whole),
		cmocka_unit_test(what_lies_behind_an_offset),
		cmocka_unit_test(threads),
		cmocka_unit_test(any_other_sigbus_is_the_end),
		cmocka_unit_test(what_cannot_be_mapped),
	};

	event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (event_fd < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
