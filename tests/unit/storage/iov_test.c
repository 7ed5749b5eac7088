/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <string.h>

#include "storage/iov.h"

static void advance_stops_inside_an_entry(void **state)
{
	char memory[30];
	struct iovec array[3] = {{memory, 10}, {memory + 10, 0}, {memory + 10, 20}};
	struct iovec *iov = array;
	uint32_t count = 3;

	(void)state;
	iov_advance(&iov, &count, 4);
	assert_int_equal(count, 3);
	assert_ptr_equal(iov->iov_base, memory + 4);
	assert_int_equal(iov->iov_len, 6);
	iov_advance(&iov, &count, 11);
	assert_int_equal(count, 1);
	assert_ptr_equal(iov->iov_base, memory + 15);
	assert_int_equal(iov->iov_len, 15);
	iov_advance(&iov, &count, 15);
	assert_int_equal(count, 0);
}

static void advance_beyond_the_end_ends(void **state)
{
	char memory[8];
	struct iovec array[1] = {{memory, 8}};
	struct iovec *iov = array;
	uint32_t count = 1;

	(void)state;
	iov_advance(&iov, &count, 100);
	assert_int_equal(count, 0);
	iov_advance(&iov, &count, 1);
	assert_int_equal(count, 0);
}

static void advance_drops_whole_entries_at_the_border(void **state)
{
	char memory[8];
	struct iovec array[3] = {{memory, 4}, {NULL, 0}, {memory + 4, 4}};
	struct iovec *iov = array;
	uint32_t count = 3;

	(void)state;
	iov_advance(&iov, &count, 4);
	assert_int_equal(count, 1);
	assert_ptr_equal(iov->iov_base, memory + 4);
}

static void gather_and_scatter_keep_order(void **state)
{
	char text[] = "abcdefgh", buffer[9] = "", back[9] = "";
	struct iovec from[3] = {{text + 4, 4}, {NULL, 0}, {text, 4}};
	struct iovec to[2] = {{back + 4, 4}, {back, 4}};

	(void)state;
	iov_gather(from, 3, buffer, 8);
	assert_string_equal(buffer, "efghabcd");
	iov_scatter(to, 2, buffer, 8);
	assert_string_equal(back, text);
}

static void copies_stop_where_told(void **state)
{
	char text[] = "abcdefgh", buffer[9] = "........";
	struct iovec iov[2] = {{text, 4}, {text + 4, 4}};

	(void)state;
	iov_gather(iov, 2, buffer, 5);
	assert_string_equal(buffer, "abcde...");
	iov_scatter(iov, 2, "12345678", 2);
	assert_string_equal(text, "12cdefgh");
	memset(buffer, '.', 8);
	iov_gather(iov, 1, buffer, 8); /* more than there is */
	assert_string_equal(buffer, "12cd....");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(advance_stops_inside_an_entry),
		cmocka_unit_test(advance_beyond_the_end_ends),
		cmocka_unit_test(advance_drops_whole_entries_at_the_border),
		cmocka_unit_test(gather_and_scatter_keep_order),
		cmocka_unit_test(copies_stop_where_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
