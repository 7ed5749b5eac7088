/* SPDX-License-Identifier: Apache-2.0 */
/* Latency targets, with a device whose latency is what all disks have under way, as arithmetic has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/qos_latency.h"

/* A device that does one thing after the other: everybody waits for all that is under way. */
static void interval(struct latency_disk *const *disks, const uint32_t *wants, const uint32_t *each, unsigned count)
{
	double all = 0;

	for (unsigned i = 0; i < count; i++) {
		disks[i]->under_way = disks[i]->cap && disks[i]->cap < wants[i] ? disks[i]->cap : wants[i];
		disks[i]->load = disks[i]->under_way * each[i];
		all += disks[i]->load;
	}
	for (unsigned i = 0; i < count; i++)
		disks[i]->p99_ns = wants[i] ? (uint64_t)all : 0;
}

static void the_largest_gets_less_until_the_target_is_met(void **state)
{
	struct latency_disk victim = {.target_ns = 100000}, hog = {0}, small = {0};
	struct latency_disk *const disks[] = {&victim, &hog, &small};
	const uint32_t wants[] = {1, 128, 2}, each[] = {4096, 65536 / 4, 4096};
	struct latency_control control = {0};
	unsigned missed = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		interval(disks, wants, each, 3);
		missed += i >= 20 && qos_latency_missed(&victim);
		qos_latency_step(&control, disks, 3);
		assert_int_equal(victim.cap, 0);
		assert_int_equal(small.cap, 0);
	}
	/* It tries how much there is, so seldom that a 99th percentile does not see it. */
	assert_true(missed <= 10);
	assert_true(hog.cap >= 1 && hog.cap <= 8);
}

static void a_cap_goes_when_nobody_needs_it(void **state)
{
	struct latency_disk victim = {.target_ns = 100000}, hog = {0};
	struct latency_disk *const disks[] = {&victim, &hog};
	uint32_t wants[] = {1, 128};
	const uint32_t each[] = {4096, 65536};
	struct latency_control control = {0};

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		interval(disks, wants, each, 2);
		qos_latency_step(&control, disks, 2);
	}
	assert_true(hog.cap > 0);
	wants[0] = 0; /* the victim has left */
	for (unsigned i = 0; i < 200; i++) {
		interval(disks, wants, each, 2);
		qos_latency_step(&control, disks, 2);
	}
	assert_int_equal(hog.cap, 0);
}

/* A target that cannot be met takes nobody's last request. */
static void nobody_gets_nothing(void **state)
{
	struct latency_disk victim = {.target_ns = 1}, hogs[3] = {{0}};
	struct latency_disk *const disks[] = {&victim, &hogs[0], &hogs[1], &hogs[2]};
	const uint32_t wants[] = {1, 128, 64, 1000000}, each[] = {4096, 65536, 4096, 512};
	struct latency_control control = {0};

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		interval(disks, wants, each, 4);
		qos_latency_step(&control, disks, 4);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(hogs[i].cap, 1);
	assert_int_equal(victim.cap, 0);
}

/* Who meets his own target can be the one who is too much; who misses it cannot. */
static void targets_of_several(void **state)
{
	struct latency_disk strict = {.target_ns = 100000}, lax = {.target_ns = 100000000};
	struct latency_disk *const disks[] = {&strict, &lax};
	const uint32_t wants[] = {4, 128}, each[] = {4096, 65536};
	struct latency_control control = {0};

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		interval(disks, wants, each, 2);
		qos_latency_step(&control, disks, 2);
	}
	assert_int_equal(strict.cap, 0);
	assert_true(lax.cap == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_gets_less_until_the_target_is_met),
		cmocka_unit_test(a_cap_goes_when_nobody_needs_it),
		cmocka_unit_test(nobody_gets_nothing),
		cmocka_unit_test(targets_of_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
