/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "sample.h"
#include "top/columns.h"

static unsigned total(const struct top_choice *choice)
{
	unsigned sum = choice->count - 1;

	for (unsigned i = 0; i < choice->count; i++)
		sum += choice->width[i];
	return sum;
}

static bool has(const struct top_choice *choice, enum top_column column)
{
	for (unsigned i = 0; i < choice->count; i++) {
		if (choice->column[i] == column)
			return true;
	}
	return false;
}

/* Wider never shows less, and no width is exceeded. */
static void test_choice_by_width(void **state)
{
	struct top_choice choice;

	(void)state;
	for (int plain = 0; plain < 2; plain++) {
		for (unsigned length = 0; length < 64; length += 21) {
			unsigned before = 0;

			for (unsigned width = 8; width < 300; width++) {
				top_columns_choose(&choice, NULL, width, plain, length);
				assert_true(total(&choice) <= width);
				assert_int_equal(choice.column[0], TOP_COLUMN_NAME);
				assert_true(choice.count >= before);
				/* What a longer name takes in a wider window may cost a column. */
				before = length < 20 ? choice.count : 1;
			}
			assert_int_equal(choice.count, TOP_COLUMN_COUNT);
		}
	}
}

static void test_80_characters_show_what_matters(void **state)
{
	static const enum top_column must[] = {TOP_COLUMN_NAME, TOP_COLUMN_IOPS, TOP_COLUMN_MEGABYTES, TOP_COLUMN_DEPTH,
					       TOP_COLUMN_P50,  TOP_COLUMN_P99,  TOP_COLUMN_P999,      TOP_COLUMN_STAGE,
					       TOP_COLUMN_HELD, TOP_COLUMN_CPU};
	struct top_choice choice;

	(void)state;
	top_columns_choose(&choice, NULL, 80, false, 8);
	for (unsigned i = 0; i < sizeof(must) / sizeof(must[0]); i++)
		assert_true(has(&choice, must[i]));
}

static void test_wanted(void **state)
{
	const struct top_choice wanted = {.column = {TOP_COLUMN_P99, TOP_COLUMN_NAME, TOP_COLUMN_ERRORS}, .count = 3};
	struct top_choice choice;

	(void)state;
	top_columns_choose(&choice, &wanted, 80, false, 4);
	assert_int_equal(choice.count, 3);
	assert_int_equal(choice.column[0], TOP_COLUMN_P99);
	assert_int_equal(choice.column[2], TOP_COLUMN_ERRORS);
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TOP_COLUMN_COUNT; i++)
		assert_int_equal(top_column_find(top_column_name((enum top_column)i)), i);
	assert_int_equal(top_column_find("colour"), TOP_COLUMN_COUNT);
	assert_int_equal(top_column_find(""), TOP_COLUMN_COUNT);
}

static void check_order(struct top_row *rows, enum top_column column, bool reverse, const char *expected)
{
	char order[64] = "";

	top_rows_sort(rows, 4, column, reverse);
	for (unsigned i = 0; i < 4; i++) {
		strcat(order, rows[i].name);
		strcat(order, " ");
	}
	assert_string_equal(order, expected);
}

static void test_order(void **state)
{
	struct top_row rows[4] = {{.name = "vm10", .iops = 5, .p99_ns = 1},
				  {.name = "vm9", .iops = NAN, .p99_ns = 1},
				  {.name = "vm1", .iops = 7, .p99_ns = 1},
				  {.name = "a", .iops = 6, .p99_ns = 2}};

	(void)state;
	check_order(rows, TOP_COLUMN_IOPS, false, "vm1 a vm10 vm9 ");
	check_order(rows, TOP_COLUMN_IOPS, true, "vm10 a vm1 vm9 ");
	check_order(rows, TOP_COLUMN_NAME, false, "a vm1 vm9 vm10 ");
	check_order(rows, TOP_COLUMN_NAME, true, "vm10 vm9 vm1 a ");
	check_order(rows, TOP_COLUMN_P99, false, "a vm1 vm9 vm10 ");
}

static void test_cells(void **state)
{
	struct top_row row = {.name = "vm0", .stage = "backend", .stage_share = 0.63, .held = 3, .held_share = 0.12};
	char text[128];

	(void)state;
	top_cell(&row, TOP_COLUMN_STAGE, false, text, sizeof(text));
	assert_string_equal(text, "backend 63%");
	top_cell(&row, TOP_COLUMN_HELD, false, text, sizeof(text));
	assert_string_equal(text, "3 12%");
	top_cell(&row, TOP_COLUMN_HELD, true, text, sizeof(text));
	assert_string_equal(text, "3:12%");
	row.held = 0;
	row.held_share = NAN;
	row.noisy = true;
	top_cell(&row, TOP_COLUMN_HELD, false, text, sizeof(text));
	assert_string_equal(text, "-");
	top_cell(&row, TOP_COLUMN_NAME, false, text, sizeof(text));
	assert_string_equal(text, "!vm0");
}

static void test_filter(void **state)
{
	const struct top_row row = {.name = "Vm0", .group = "tenant-a", .state = "paused"};

	(void)state;
	assert_true(top_row_matches(&row, ""));
	assert_true(top_row_matches(&row, "vm"));
	assert_true(top_row_matches(&row, "ANT-A"));
	assert_true(top_row_matches(&row, "pause"));
	assert_false(top_row_matches(&row, "vm1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice_by_width), cmocka_unit_test(test_80_characters_show_what_matters),
		cmocka_unit_test(test_wanted),          cmocka_unit_test(test_names),
		cmocka_unit_test(test_order),           cmocka_unit_test(test_cells),
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
