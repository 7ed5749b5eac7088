/* SPDX-License-Identifier: Apache-2.0 */
/* The table of request states in request.h: every way that is in it can be gone, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/queue.h"

static bool in_the_table(enum request_state from, enum request_state to)
{
	switch (from) {
	case REQUEST_FREE:
		return to == REQUEST_PARSED;
	case REQUEST_PARSED:
		return to == REQUEST_SUBMITTED || to == REQUEST_HELD || to == REQUEST_DONE;
	case REQUEST_HELD:
		return to == REQUEST_SUBMITTED;
	case REQUEST_SUBMITTED:
		return to == REQUEST_SUBMITTED || to == REQUEST_DONE;
	case REQUEST_DONE:
		return to == REQUEST_FREE;
	case REQUEST_STATE_COUNT:
		break;
	}
	return false;
}

/* In a process of its own, since a wrong step is an assertion. True where the step was allowed. */
static bool can_go(enum request_state from, enum request_state to)
{
	struct request request = {.state = (uint8_t)from};
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit no_core = {0, 0};

		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		request_set_state(&request, to);
		_exit(request.state == to ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status)) {
		assert_int_equal(WEXITSTATUS(status), 0);
		return true;
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	return false;
}

static void every_step(void **state)
{
	(void)state;
#ifdef NDEBUG
	print_message("skipped: built without assertions\n");
	skip();
#endif
	for (int from = 0; from < REQUEST_STATE_COUNT; from++) {
		for (int to = 0; to < REQUEST_STATE_COUNT; to++) {
			bool expected = in_the_table((enum request_state)from, (enum request_state)to);

			if (can_go((enum request_state)from, (enum request_state)to) != expected)
				fail_msg("from state %d to %d", from, to);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
