/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "frontend/memory.h"

static void test_addresses_differ(void **state)
{
	const size_t sizes[3] = {1, DRIVER_MEMORY_ALIGNMENT + 1, 4096};
	struct driver_memory memory;
	struct driver_span span[3];

	(void)state;
	assert_int_equal(driver_memory_create(&memory, sizes, 3, 0, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(memory.region[i].size % DRIVER_MEMORY_ALIGNMENT, 0);
		assert_int_equal(driver_memory_take(&memory, i, 100, 64, &span[i]), 0);
		assert_int_equal(driver_memory_guest(&memory, span[i].at), span[i].guest);
		assert_ptr_equal(driver_memory_at(&memory, span[i].guest, 100), span[i].at);
		assert_true(span[i].guest != (uintptr_t)span[i].at);
		assert_true(driver_memory_user(&memory, span[i].at) != (uintptr_t)span[i].at);
		assert_true(driver_memory_user(&memory, span[i].at) != span[i].guest);
		/* No user address is a guest address of any region, nor the other way round. */
		assert_null(driver_memory_at(&memory, driver_memory_user(&memory, span[i].at), 1));
	}
	/* Guest addresses ascend, user addresses descend. */
	assert_true(span[0].guest < span[1].guest && span[1].guest < span[2].guest);
	assert_true(memory.region[0].user > memory.region[1].user && memory.region[1].user > memory.region[2].user);
	driver_memory_destroy(&memory);
	driver_memory_destroy(&memory);
}

static void test_edges(void **state)
{
	const size_t size = DRIVER_MEMORY_ALIGNMENT;
	struct driver_memory memory;
	uint64_t first;

	(void)state;
	assert_int_equal(driver_memory_create(&memory, &size, 1, 0, NULL), 0);
	first = memory.region[0].guest;
	assert_non_null(driver_memory_at(&memory, first, size));
	assert_null(driver_memory_at(&memory, first, size + 1));
	assert_null(driver_memory_at(&memory, first - 1, 1));
	assert_null(driver_memory_at(&memory, first + size, 1));
	assert_null(driver_memory_at(&memory, first + 1, UINT64_MAX));
	assert_int_equal(driver_memory_guest(&memory, memory.base - 1), 0);
	assert_int_equal(driver_memory_guest(&memory, memory.base + size), 0);
	assert_int_equal(driver_memory_user(&memory, memory.base + size - 1), memory.region[0].user + size - 1);
	driver_memory_destroy(&memory);
}

static void test_take_until_full(void **state)
{
	const size_t size = DRIVER_MEMORY_ALIGNMENT;
	struct driver_memory memory;
	struct driver_span span;

	(void)state;
	assert_int_equal(driver_memory_create(&memory, &size, 1, 0, NULL), 0);
	assert_int_equal(driver_memory_take(&memory, 0, 1, 1, &span), 0);
	assert_int_equal(driver_memory_take(&memory, 0, 1, 4096, &span), 0);
	assert_int_equal(span.guest % 4096, 0);
	assert_int_equal(driver_memory_take(&memory, 0, size, 1, &span), -ENOMEM);
	assert_int_equal(driver_memory_take(&memory, 0, size - 4097, 1, &span), 0);
	assert_int_equal(driver_memory_take(&memory, 0, 1, 1, &span), -ENOMEM);
	driver_memory_destroy(&memory);
}

static void test_describe_matches_the_file(void **state)
{
	const size_t sizes[2] = {4096, 4096};
	struct driver_memory memory;
	struct vhost_region_msg region;
	char *view;

	(void)state;
	assert_int_equal(driver_memory_create(&memory, sizes, 2, 0, NULL), 0);
	driver_memory_describe(&memory, 1, &region);
	assert_true(region.mmap_offset > 0);
	view = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, (off_t)region.mmap_offset);
	assert_true(view != MAP_FAILED);
	strcpy(view + 5, "seen");
	assert_string_equal(driver_memory_at(&memory, region.guest_address + 5, 5), "seen");
	munmap(view, region.size);
	driver_memory_destroy(&memory);
}

static void test_bad_layouts(void **state)
{
	const size_t sizes[2] = {(size_t)4 << 30, 4096};
	const size_t nothing = 0;
	struct driver_memory memory;
	struct error err;

	(void)state;
	assert_int_equal(driver_memory_create(&memory, sizes, 0, 0, &err), -EINVAL);
	assert_int_equal(driver_memory_create(&memory, sizes, 9, 0, &err), -EINVAL);
	/* The first region would reach the second. */
	assert_int_equal(driver_memory_create(&memory, sizes, 2, 0, &err), -EINVAL);
	assert_int_equal(driver_memory_create(&memory, &nothing, 1, 0, &err), -EINVAL);
	driver_memory_destroy(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_differ), cmocka_unit_test(test_edges),
		cmocka_unit_test(test_take_until_full),  cmocka_unit_test(test_describe_matches_the_file),
		cmocka_unit_test(test_bad_layouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
