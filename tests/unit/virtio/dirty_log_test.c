/* SPDX-License-Identifier: Apache-2.0 */
/* The bitmap: which bits a range sets, and that nothing is written beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "virtio/dirty_log.h"

#define PAGE DIRTY_LOG_PAGE

enum { BYTES = 5, PAGES = BYTES * 8 };

/* Guard bytes on both sides. */
struct log {
	struct dirty_log log;
	uint8_t bytes[BYTES + 16];
};

static void clear(struct log *log)
{
	memset(log->bytes, 0, sizeof(log->bytes));
	log->log = (struct dirty_log){.bits = log->bytes + 8, .pages = PAGES, .event_fd = -1};
}

static int marked(const struct log *log, uint64_t page)
{
	return log->bytes[8 + page / 8] >> page % 8 & 1;
}

/* Each first and last page there are, from the middle of one to the middle of the other. */
static void every_range(void **state)
{
	struct log log;

	(void)state;
	for (uint64_t first = 0; first < PAGES; first++) {
		for (uint64_t last = first; last < PAGES; last++) {
			clear(&log);
			dirty_log_mark(&log.log, first * PAGE + 17, (last - first) * PAGE + 1);
			for (uint64_t page = 0; page < PAGES; page++)
				assert_int_equal(marked(&log, page), page >= first && page <= last);
			assert_int_equal(log.log.outside, 0);
		}
	}
}

static void page_borders(void **state)
{
	static const struct {
		uint64_t guest, length;
		unsigned first, count;
	} cases[] = {
		{0, 0, 0, 0},
		{0, 1, 0, 1},
		{0, PAGE, 0, 1},
		{0, PAGE + 1, 0, 2},
		{PAGE - 1, 1, 0, 1},
		{PAGE - 1, 2, 0, 2},
		{PAGE, PAGE, 1, 1},
		{PAGE + 1, PAGE, 1, 2},
		{(PAGES - 1) * PAGE, PAGE, PAGES - 1, 1},
		{0, PAGES * PAGE, 0, PAGES},
	};
	struct log log;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clear(&log);
		assert_true(dirty_log_covers(&log.log, cases[i].guest, cases[i].length));
		dirty_log_mark(&log.log, cases[i].guest, cases[i].length);
		for (unsigned page = 0; page < PAGES; page++)
			assert_int_equal(marked(&log, page),
					 page >= cases[i].first && page < cases[i].first + cases[i].count);
	}
}

/* What is inside is marked, what is not is counted, and the bytes around are left alone. */
static void beyond_the_log(void **state)
{
	static const struct {
		uint64_t guest, length;
		unsigned marked; /* pages at the end */
	} cases[] = {
		{PAGES * PAGE, 1, 0},   {PAGES * PAGE - 1, 2, 1},    {(PAGES - 2) * PAGE, 64 * PAGE, 2},
		{UINT64_MAX, 1, 0},     {UINT64_MAX, UINT64_MAX, 0}, {PAGES * PAGE - 1, UINT64_MAX, 1},
		{0, UINT64_MAX, PAGES},
	};
	struct log log;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clear(&log);
		assert_false(dirty_log_covers(&log.log, cases[i].guest, cases[i].length));
		dirty_log_mark(&log.log, cases[i].guest, cases[i].length);
		assert_int_equal(log.log.outside, 1);
		for (unsigned page = 0; page < PAGES; page++)
			assert_int_equal(marked(&log, page), page >= PAGES - cases[i].marked);
		for (unsigned byte = 0; byte < 8; byte++)
			assert_int_equal(log.bytes[byte] | log.bytes[8 + BYTES + byte], 0);
	}
}

static void *mark_every_other(void *argument)
{
	struct log *log = argument;

	for (unsigned i = 0; i < 20000; i++)
		dirty_log_mark(&log->log, i % (PAGES / 2) * 2 * PAGE, 1);
	return NULL;
}

/* Two threads with bits of the same bytes lose none. */
static void two_threads(void **state)
{
	struct log log;
	pthread_t thread;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		clear(&log);
		assert_int_equal(pthread_create(&thread, NULL, mark_every_other, &log), 0);
		for (unsigned i = 0; i < PAGES / 2; i++)
			dirty_log_mark(&log.log, (i * 2 + 1) * PAGE, 1);
		pthread_join(thread, NULL);
		for (unsigned page = 0; page < PAGES; page++)
			assert_true(marked(&log, page));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_range),
		cmocka_unit_test(page_borders),
		cmocka_unit_test(beyond_the_log),
		cmocka_unit_test(two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
