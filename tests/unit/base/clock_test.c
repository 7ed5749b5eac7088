/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

/* Before clock_init() ticks are nanoseconds: a caller that is early measures right all the same. */
static void usable_before_init(void **state)
{
	const uint64_t first = clock_ticks();

	(void)state;
	assert_true(clock_ns_per_tick == 1.0);
	assert_true(clock_ticks() >= first);
	assert_int_equal(clock_ticks_to_ns(12345), 12345);
	clock_init();
}

static void never_backwards(void **state)
{
	uint64_t last_ticks = clock_ticks(), last_ns = clock_monotonic_ns();

	(void)state;
	for (unsigned i = 0; i < 1000000; i++) {
		const uint64_t ticks = clock_ticks();

		assert_true(ticks >= last_ticks);
		last_ticks = ticks;
	}
	for (unsigned i = 0; i < 1000000; i++) {
		const uint64_t ns = clock_monotonic_ns();

		assert_true(ns >= last_ns);
		last_ns = ns;
	}
}

/* Ticks and nanoseconds say the same about 50 ms. The two are not read at once, hence the tolerance. */
static void same_time_as_the_kernel(void **state)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	double best = 1.0;

	(void)state;
	for (unsigned attempt = 0; attempt < 5 && best > 0.01; attempt++) {
		const uint64_t ticks = clock_ticks(), ns = clock_monotonic_ns();
		double measured, expected, off;

		nanosleep(&pause, NULL);
		measured = (double)clock_ticks_to_ns(clock_ticks() - ticks);
		expected = (double)(clock_monotonic_ns() - ns);
		off = measured > expected ? measured / expected - 1 : expected / measured - 1;
		best = off < best ? off : best;
	}
	assert_true(best <= 0.01);
}

static void there_and_back(void **state)
{
	(void)state;
	for (uint64_t ns = 1; ns < 1000000000000ull; ns = ns * 3 + 1) {
		const uint64_t back = clock_ticks_to_ns(clock_ns_to_ticks(ns));
		const uint64_t off = back > ns ? back - ns : ns - back;

		/* One tick is lost by rounding, and a double's last digit. */
		assert_true((double)off <= clock_ns_per_tick + 1.0 + (double)ns * 1e-12);
	}
}

struct relay {
	uint64_t ticks;
	int turn;
	bool backwards;
};

/*
 * RDTSC is not ordered against loads before it and may run a few hundred ticks
 * early; whether the counters of two CPUs agree is what is tested here.
 */
static uint64_t ordered_ticks(void)
{
#if defined(__x86_64__)
	_mm_lfence();
#endif
	return clock_ticks();
}

/* Two threads pass the clock to and fro: neither may see an earlier time than the other has written. */
static void relay_run(struct relay *relay, int self)
{
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t now;

		while (__atomic_load_n(&relay->turn, __ATOMIC_ACQUIRE) != self)
			sched_yield();
		now = ordered_ticks();
		relay->backwards = relay->backwards || now < relay->ticks;
		relay->ticks = now;
		__atomic_store_n(&relay->turn, !self, __ATOMIC_RELEASE);
	}
}

static void *relay_thread(void *argument)
{
	relay_run(argument, 1);
	return NULL;
}

static void compares_between_threads(void **state)
{
	struct relay relay = {0};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, relay_thread, &relay), 0);
	relay_run(&relay, 0);
	pthread_join(thread, NULL);
	assert_false(relay.backwards);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usable_before_init), /* first: it is the one that calls clock_init() */
		cmocka_unit_test(never_backwards),    cmocka_unit_test(same_time_as_the_kernel),
		cmocka_unit_test(there_and_back),     cmocka_unit_test(compares_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
