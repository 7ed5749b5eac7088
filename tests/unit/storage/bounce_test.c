/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <string.h>
#include <sys/mman.h>

#include "storage/bounce.h"

static struct storage *disk(unsigned number)
{
	return (struct storage *)(uintptr_t)(4096 * (number + 1));
}

static void buffers_are_aligned_and_apart(void **state)
{
	struct storage_bounce *bounce;
	struct storage_io io[STORAGE_BOUNCE_COUNT] = {0};
	struct error err;

	(void)state;
	assert_int_equal(storage_bounce_create(&bounce, &err), 0);
	for (unsigned i = 0; i < STORAGE_BOUNCE_COUNT; i++) {
		io[i].owner = disk(i);
		assert_true(storage_bounce_get(bounce, &io[i]));
		assert_int_equal((uintptr_t)io[i].bounce % 4096, 0);
		memset(io[i].bounce, (int)i, STORAGE_BOUNCE_SIZE);
	}
	for (unsigned i = 0; i < STORAGE_BOUNCE_COUNT; i++) {
		const char *bytes = io[i].bounce;

		assert_int_equal(bytes[0], i);
		assert_int_equal(bytes[STORAGE_BOUNCE_SIZE - 1], i);
		assert_null(storage_bounce_put(bounce, &io[i]));
	}
	storage_bounce_destroy(bounce);
}

static void who_waits_longest_is_next(void **state)
{
	struct storage_io holder[STORAGE_BOUNCE_COUNT / 2] = {0}, waiting[3] = {0};
	struct storage_bounce *bounce;
	struct error err;

	(void)state;
	assert_int_equal(storage_bounce_create(&bounce, &err), 0);
	for (unsigned i = 0; i < STORAGE_BOUNCE_COUNT / 2; i++)
		assert_true(storage_bounce_get(bounce, &holder[i]));
	for (unsigned i = 0; i < 3; i++)
		assert_false(storage_bounce_get(bounce, &waiting[i]));
	assert_ptr_equal(storage_bounce_put(bounce, &holder[5]), &waiting[0]);
	assert_ptr_equal(waiting[0].bounce, holder[5].bounce);
	/* Who comes later waits behind the others. */
	assert_false(storage_bounce_get(bounce, &holder[5]));
	assert_ptr_equal(storage_bounce_put(bounce, &holder[6]), &waiting[1]);
	assert_ptr_equal(storage_bounce_put(bounce, &waiting[0]), &waiting[2]);
	assert_ptr_equal(storage_bounce_put(bounce, &waiting[1]), &holder[5]);
	assert_null(storage_bounce_put(bounce, &waiting[2]));
	/* The queue works again after it was empty. */
	assert_true(storage_bounce_get(bounce, &waiting[2]));
	assert_false(storage_bounce_get(bounce, &waiting[0]));
	assert_ptr_equal(storage_bounce_put(bounce, &holder[0]), &waiting[0]);
	storage_bounce_destroy(bounce);
}

/* Others still get theirs, and who waits for a disk that hangs does not stand in their way. */
static void one_disk_leaves_half_to_others(void **state)
{
	struct storage_io hung[STORAGE_BOUNCE_COUNT] = {0}, other[STORAGE_BOUNCE_COUNT] = {0};
	struct storage_bounce *bounce;
	unsigned lent = 0, others = 0;
	struct error err;

	(void)state;
	assert_int_equal(storage_bounce_create(&bounce, &err), 0);
	for (unsigned i = 0; i < STORAGE_BOUNCE_COUNT; i++) {
		hung[i].owner = disk(1);
		lent += storage_bounce_get(bounce, &hung[i]);
	}
	assert_int_equal(lent, STORAGE_BOUNCE_COUNT / 2);
	for (unsigned i = 0; i < STORAGE_BOUNCE_COUNT; i++) {
		other[i].owner = disk(2);
		others += storage_bounce_get(bounce, &other[i]);
	}
	assert_int_equal(others, STORAGE_BOUNCE_COUNT / 4);
	/* Each that comes back is followed by one of the same disk, to the last. */
	for (unsigned i = 0; i < STORAGE_BOUNCE_COUNT; i++) {
		struct storage_io *next = storage_bounce_put(bounce, &other[i]);

		assert_ptr_equal(next, i + others < STORAGE_BOUNCE_COUNT ? &other[i + others] : NULL);
	}
	assert_ptr_equal(storage_bounce_put(bounce, &hung[0]), &hung[lent]);
	storage_bounce_destroy(bounce);
}

static void only_what_was_used_takes_memory(void **state)
{
	unsigned char resident[STORAGE_BOUNCE_COUNT * STORAGE_BOUNCE_SIZE / 4096];
	struct storage_bounce *bounce;
	struct storage_io io = {0};
	struct error err;
	size_t pages = 0;

	(void)state;
	assert_int_equal(storage_bounce_create(&bounce, &err), 0);
	/* The first buffer lent is the start of the pool; it is used again and again. */
	for (unsigned i = 0; i < 100; i++) {
		assert_true(storage_bounce_get(bounce, &io));
		memset(io.bounce, 1, STORAGE_BOUNCE_SIZE);
		storage_bounce_put(bounce, &io);
	}
	assert_int_equal(mincore(io.bounce, STORAGE_BOUNCE_COUNT * STORAGE_BOUNCE_SIZE, resident), 0);
	for (size_t i = 0; i < sizeof(resident); i++)
		pages += resident[i] & 1;
	assert_int_equal(pages, STORAGE_BOUNCE_SIZE / 4096);
	storage_bounce_destroy(bounce);
}

static void no_pool_can_be_destroyed(void **state)
{
	(void)state;
	storage_bounce_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_are_aligned_and_apart),  cmocka_unit_test(who_waits_longest_is_next),
		cmocka_unit_test(one_disk_leaves_half_to_others), cmocka_unit_test(only_what_was_used_takes_memory),
		cmocka_unit_test(no_pool_can_be_destroyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
