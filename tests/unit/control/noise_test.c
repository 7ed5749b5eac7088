/* SPDX-License-Identifier: Apache-2.0 */
/* Who is too much for the others: shares of the storage's work, and who suffers from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/noise.h"

static struct noise_disk disk_with(uint64_t requests, uint64_t each, uint64_t ns)
{
	return (struct noise_disk){
		.requests = requests, .bytes = requests * each, .storage_ns = requests * ns, .p99_ns = ns * 2};
}

static void update(struct noise_disk *disk, uint64_t requests, uint64_t each, uint64_t ns)
{
	const struct noise_disk now = disk_with(requests, each, ns);

	disk->requests = now.requests;
	disk->bytes = now.bytes;
	disk->storage_ns = now.storage_ns;
	disk->p99_ns = now.p99_ns;
}

static void pressure_is_a_share(void **state)
{
	struct noise_disk a = disk_with(1000, 4096, 100000), b = disk_with(1000, 4096, 300000), idle = {0};
	struct noise_disk *const disks[] = {&a, &b, &idle};

	(void)state;
	noise_judge(disks, 3);
	assert_true(a.pressure > 0.249 && a.pressure < 0.251);
	assert_true(b.pressure > 0.749 && b.pressure < 0.751);
	assert_true(idle.pressure == 0);
	/* Nobody is known to suffer. */
	assert_false(a.noisy || b.noisy || idle.noisy);
}

static void who_has_most_while_another_suffers_is_noisy(void **state)
{
	struct noise_disk victim = disk_with(1000, 4096, 100000), hog = {0};
	struct noise_disk *const disks[] = {&victim, &hog};

	(void)state;
	noise_judge(disks, 2);
	update(&victim, 100, 4096, 1000000);
	update(&hog, 5000, 262144, 20000000);
	for (unsigned i = 0; i < 100; i++) {
		noise_judge(disks, 2);
		/* What is bad does not become usual. */
		assert_true(hog.noisy && hog.pressure > 0.9);
		assert_false(victim.noisy);
	}
	update(&hog, 5000, 262144, 20000000);
	update(&victim, 1000, 4096, 110000);
	noise_judge(disks, 2);
	assert_false(hog.noisy || victim.noisy);
}

static void a_missed_target_is_enough(void **state)
{
	struct noise_disk victim = disk_with(100, 4096, 1000000), hog = disk_with(5000, 262144, 20000000);
	struct noise_disk *const disks[] = {&victim, &hog};

	(void)state;
	noise_judge(disks, 2);
	assert_false(hog.noisy);
	victim.target_ns = 500000;
	noise_judge(disks, 2);
	assert_true(hog.noisy);
}

/* One alone disturbs nobody, and one that suffers from itself is not to blame for that. */
static void alone_nobody_is_noisy(void **state)
{
	struct noise_disk hog = disk_with(5000, 262144, 20000000), idle = {0};
	struct noise_disk *const disks[] = {&hog, &idle};

	(void)state;
	hog.target_ns = 1;
	noise_judge(disks, 1);
	assert_false(hog.noisy);
	noise_judge(disks, 2);
	assert_false(hog.noisy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pressure_is_a_share),
		cmocka_unit_test(who_has_most_while_another_suffers_is_noisy),
		cmocka_unit_test(a_missed_target_is_enough),
		cmocka_unit_test(alone_nobody_is_noisy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
