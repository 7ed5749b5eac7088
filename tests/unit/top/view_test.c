/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "sample.h"
#include "top/report_json.h"
#include "top/view.h"

static const struct top_view usual = {.sort = TOP_COLUMN_IOPS, .delay = 1, .workers = true};

static const struct top_line *find(const struct top_page *page, const char *text)
{
	for (unsigned i = 0; i < page->count; i++) {
		if (strstr(page->lines[i].text, text))
			return &page->lines[i];
	}
	return NULL;
}

/* Whatever the size, each line fits, there are as many as there is room for, and the keys are the last. */
static void test_every_size(void **state)
{
	struct top_page page = {0};
	struct top_rates rates;

	(void)state;
	sample_rates(&rates, 30, true);
	for (unsigned variant = 0; variant < 4; variant++) {
		struct top_view view = usual;

		view.help = variant == 1;
		view.plain = variant == 2;
		view.problem = variant == 3 ? "straitd does not answer, and this sentence is a long one" : NULL;
		for (unsigned width = 8; width < 200; width += 7) {
			for (unsigned height = 1; height < 60; height++) {
				assert_int_equal(top_view_render(&view, &rates, width, height, &page), 0);
				assert_int_equal(page.count, height);
				for (unsigned i = 0; i < page.count; i++) {
					assert_true(strlen(page.lines[i].text) <= width);
					assert_true(page.lines[i].mark_to <= width);
				}
				assert_int_equal(page.lines[height - 1].style, TOP_STYLE_FAINT);
			}
		}
	}
	top_rates_free(&rates);
	top_page_free(&page);
}

static void test_page(void **state)
{
	struct top_view view = usual;
	struct top_page page = {0};
	struct top_rates rates;
	const struct top_line *line;

	(void)state;
	sample_rates(&rates, 3, true);
	assert_int_equal(top_view_render(&view, &rates, 80, 24, &page), 0);
	assert_non_null(strstr(page.lines[0].text, "3 disks  6000 IOPS  24.6 MB/s"));
	line = find(&page, "noisy neighbour vm2: 50% of IOPS, 50% of bytes, pressure 0.50, group tenant");
	assert_non_null(line);
	assert_int_equal(line->style, TOP_STYLE_NOISY);
	assert_ptr_equal(line, &page.lines[1]);
	/* The busier worker comes first. */
	assert_non_null(strstr(page.lines[2].text, "worker 1    75% CPU"));
	line = find(&page, "DISK");
	assert_non_null(line);
	assert_int_equal(strncmp(line->text + line->mark_from, "  IOPS", line->mark_to - line->mark_from), 0);
	/* The busiest disk is the first, and marked. */
	assert_int_equal(strncmp(line[1].text, "!vm2 ", 5), 0);
	assert_non_null(strstr(line[1].text, "3000  12.3  0.27 85.0us 1.23ms 9.88ms  backend 75%         -  25%"));
	assert_int_equal(strncmp(line[3].text, "vm0 ", 4), 0);
	top_rates_free(&rates);
	top_page_free(&page);
}

static void test_filter_and_scrolling(void **state)
{
	struct top_view view = usual;
	struct top_page page = {0};
	struct top_rates rates;

	(void)state;
	sample_rates(&rates, 100, false);
	view.sort = TOP_COLUMN_NAME;
	view.offset = 1000;
	assert_int_equal(top_view_render(&view, &rates, 80, 24, &page), 0);
	assert_int_equal(page.disks, 100);
	assert_int_equal(view.offset, 100 - page.rows);
	assert_non_null(find(&page, "vm99"));
	assert_null(find(&page, "vm5 "));
	strcpy(view.filter, "VM9");
	assert_int_equal(top_view_render(&view, &rates, 80, 24, &page), 0);
	assert_int_equal(page.disks, 11);
	assert_int_equal(view.offset, 0);
	assert_non_null(strstr(page.lines[0].text, "filter \"VM9\""));
	strcpy(view.filter, "nothing");
	assert_int_equal(top_view_render(&view, &rates, 80, 24, &page), 0);
	assert_non_null(find(&page, "no disk matches"));
	top_rates_free(&rates);
	top_page_free(&page);
}

static void test_without_a_reading(void **state)
{
	struct top_view view = usual;
	struct top_page page = {0};

	(void)state;
	view.problem = "straitd is not there";
	assert_int_equal(top_view_render(&view, NULL, 80, 24, &page), 0);
	assert_int_equal(page.count, 24);
	assert_string_equal(page.lines[1].text, "straitd is not there");
	assert_int_equal(page.lines[1].style, TOP_STYLE_PROBLEM);
	top_page_free(&page);
}

static void test_batch_has_everything(void **state)
{
	struct top_view view = usual;
	struct top_page page = {0};
	struct top_rates rates;

	(void)state;
	sample_rates(&rates, 100, true);
	view.plain = true;
	assert_int_equal(top_view_render(&view, &rates, TOP_MAX_WIDTH, 0, &page), 0);
	/* Title, noisy, workers, header. */
	assert_int_equal(page.count, 1 + 1 + 2 + 1 + 100);
	assert_non_null(find(&page, "CALL/IO"));
	assert_non_null(find(&page, "backend:75%"));
	assert_null(find(&page, "q quit"));
	top_rates_free(&rates);
	top_page_free(&page);
}

static void test_next_column(void **state)
{
	struct top_view view = usual;
	struct top_rates rates;

	(void)state;
	sample_rates(&rates, 1, false);
	view.sort = TOP_COLUMN_NAME;
	top_view_sort_next(&view, 1, 80, &rates);
	assert_int_equal(view.sort, TOP_COLUMN_IOPS);
	top_view_sort_next(&view, -1, 80, &rates);
	assert_int_equal(view.sort, TOP_COLUMN_NAME);
	top_view_sort_next(&view, -1, 80, &rates);
	assert_int_equal(view.sort, TOP_COLUMN_CPU);
	top_view_sort_next(&view, 1, 80, &rates);
	assert_int_equal(view.sort, TOP_COLUMN_NAME);
	/* What is not shown any more is no place to go on from. */
	view.sort = TOP_COLUMN_SLEEPS;
	top_view_sort_next(&view, 1, 80, NULL);
	assert_int_equal(view.sort, TOP_COLUMN_NAME);
	top_rates_free(&rates);
}

static void test_json(void **state)
{
	struct top_view view = usual;
	struct top_rates rates;
	json_t *report, *disk;

	(void)state;
	sample_rates(&rates, 3, true);
	strcpy(view.filter, "vm2");
	report = top_report_json(&view, &rates);
	assert_non_null(report);
	assert_int_equal(json_array_size(json_object_get(report, "disks")), 1);
	assert_int_equal(json_array_size(json_object_get(report, "workers")), 2);
	disk = json_array_get(json_object_get(report, "disks"), 0);
	assert_string_equal(json_string_value(json_object_get(disk, "name")), "vm2");
	assert_true(json_real_value(json_object_get(disk, "iops")) == 3000);
	assert_int_equal(json_integer_value(json_object_get(disk, "p99-ns")), 1234567);
	assert_true(json_is_true(json_object_get(disk, "noisy")));
	json_decref(report);
	top_rates_free(&rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_filter_and_scrolling),
		cmocka_unit_test(test_without_a_reading),
		cmocka_unit_test(test_batch_has_everything),
		cmocka_unit_test(test_next_column),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
