/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts to get out of the sandbox, each in a process of its own on a thread
 * that was there before the filter, as a worker is: with all of the sandbox, and
 * with one of its parts alone. Each attempt is also made without it, where it
 * must succeed, or the test would prove nothing.
 */
#include "control/sandbox.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/sanitized.h"
#include "engine/ring.h"
#include "sandbox_attempts.h"

struct thread {
	const struct attempt *attempt;
	sem_t ready, go;
};

/* As a worker does: it enables the ring, and later is told to work. */
static void *thread_main(void *argument)
{
	struct thread *thread = argument;
	int ret = ring_enable(&world.ring);

	sem_post(&thread->ready);
	while (sem_wait(&thread->go) < 0)
		continue;
	if (ret == 0)
		ret = thread->attempt->run();
	_exit(ret >= 0 ? 0 : -ret);
}

#define BROKEN 255 /* the exit status where the sandbox itself did not come about */

static _Noreturn void child_main(const struct attempt *attempt, const struct sandbox_options *options)
{
	struct thread thread = {.attempt = attempt};
	enum ring_profile profile;
	struct sandbox sandbox;
	struct error err;
	pthread_t pthread;

	sem_init(&thread.ready, 0, 0);
	sem_init(&thread.go, 0, 0);
	if (sandbox_init(&sandbox, options, &err) < 0 ||
	    ring_setup(&world.ring, 8, RING_DEFER_TASKRUN, &profile, &err) < 0 ||
	    (sandbox_wants(options, SANDBOX_IO_URING) && ring_restrict(&world.ring) < 0) ||
	    sandbox_drop(&sandbox, &err) < 0 || pthread_create(&pthread, NULL, thread_main, &thread))
		_exit(BROKEN);
	while (sem_wait(&thread.ready) < 0)
		continue;
	if (sandbox_filter(&sandbox, &err) < 0)
		_exit(BROKEN);
	sem_post(&thread.go);
	pthread_join(pthread, NULL);
	_exit(BROKEN);
}

/* 0 where the attempt worked, else its errno. */
static int try(const struct attempt *attempt, const struct sandbox_options *options)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		child_main(attempt, options);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == BROKEN)
		fail_msg("%s: the sandbox did not come about, or its process died (wait status %#x)", attempt->name,
			 (unsigned)status);
	return WEXITSTATUS(status);
}

static int attempt_in_new_world(const struct attempt *attempt, const struct sandbox_options *options)
{
	int ret;

	renew_world();
	ret = try(attempt, options);
	close_world();
	return ret;
}

static bool can_be_tried(const struct attempt *attempt)
{
	return geteuid() == 0 || !(attempt->kept & NEEDS_ROOT);
}

static void expect_kept(const struct attempt *attempt, const struct sandbox_options *options, const char *by)
{
	int ret = attempt_in_new_world(attempt, options);

	if (ret == 0)
		fail_msg("%s: worked in spite of %s", attempt->name, by);
	if (ret != EPERM && ret != EACCES)
		fail_msg("%s: failed with %s, expected to be forbidden by %s", attempt->name, strerror(ret), by);
}

/* No capabilities, and none of the parts. */
static void without_the_parts_all_of_it_works(void **state)
{
	const struct sandbox_options options = {.without = SANDBOX_USER | SANDBOX_SECCOMP | SANDBOX_LANDLOCK |
							   SANDBOX_IO_URING};

	(void)state;
	for (unsigned i = 0; i < escape_count; i++) {
		int ret = can_be_tried(&escapes[i]) ? attempt_in_new_world(&escapes[i], &options) : 0;

		if (ret)
			fail_msg("%s: %s: the test proves nothing", escapes[i].name, strerror(ret));
	}
}

static void nothing_gets_out_of_the_whole(void **state)
{
	const struct sandbox_options all = {.mode = SANDBOX_REQUIRED};

	(void)state;
	for (unsigned i = 0; i < escape_count; i++)
		expect_kept(&escapes[i], &all, "all of the sandbox");
}

static void seccomp_by_itself(void **state)
{
	const struct sandbox_options options = {.without = SANDBOX_USER | SANDBOX_LANDLOCK | SANDBOX_IO_URING};

	(void)state;
	for (unsigned i = 0; i < escape_count; i++) {
		if (escapes[i].kept & ALONE_SECCOMP)
			expect_kept(&escapes[i], &options, "seccomp");
	}
}

static void landlock_by_itself(void **state)
{
	const struct sandbox_options options = {.without = SANDBOX_USER | SANDBOX_SECCOMP | SANDBOX_IO_URING};

	(void)state;
	for (unsigned i = 0; i < escape_count; i++) {
		if (!(escapes[i].kept & ALONE_LANDLOCK))
			continue;
		if (sandbox_landlock_version() >= escapes[i].landlock_version)
			expect_kept(&escapes[i], &options, "Landlock");
		else
			print_message("not tried: %s: Landlock here has version %d, and %d is needed\n",
				      escapes[i].name, sandbox_landlock_version(), escapes[i].landlock_version);
	}
}

static void the_restricted_ring_by_itself(void **state)
{
	const struct sandbox_options options = {.without = SANDBOX_USER | SANDBOX_SECCOMP | SANDBOX_LANDLOCK};

	(void)state;
	for (unsigned i = 0; i < escape_count; i++) {
		if (escapes[i].kept & ALONE_RING)
			expect_kept(&escapes[i], &options, "the ring's restriction");
	}
}

static void chores_are_done(void **state)
{
	const struct sandbox_options options = {.mode = SANDBOX_ON};

	(void)state;
	for (unsigned i = 0; i < chore_count; i++) {
		int ret = attempt_in_new_world(&chores[i], &options);

		if (ret)
			fail_msg("%s: %s", chores[i].name, strerror(ret));
	}
}

static void users_that_are_not_there(void **state)
{
	const struct sandbox_options nobody_knows = {.user = "no-such-user"}, numbered = {.user = "54321"};
	struct sandbox sandbox;
	struct error err;

	(void)state;
	assert_int_equal(sandbox_init(&sandbox, &nobody_knows, &err), -EINVAL);
	assert_non_null(strstr(err.text, "\"no-such-user\""));
	assert_int_equal(sandbox_init(&sandbox, &numbered, &err), 0);
	if (geteuid() == 0) {
		assert_true(sandbox.change_user);
		assert_int_equal(sandbox.uid, 54321);
	} else {
		assert_false(sandbox.change_user);
		assert_true(sandbox.stays_refused);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_the_parts_all_of_it_works),
		cmocka_unit_test(nothing_gets_out_of_the_whole),
		cmocka_unit_test(seccomp_by_itself),
		cmocka_unit_test(landlock_by_itself),
		cmocka_unit_test(the_restricted_ring_by_itself),
		cmocka_unit_test(chores_are_done),
		cmocka_unit_test(users_that_are_not_there),
	};

	if (STRAIT_SANITIZED) {
		puts("skipped: under a sanitizer, which makes system calls of its own, there is no seccomp and no "
		     "Landlock");
		return 77;
	}
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, set_world, clear_world);
}
