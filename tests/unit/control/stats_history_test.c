/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S 1000000000ull

/* A frame in which so many bytes were read. */
static void add(struct stats_history *history, uint64_t from_ns, uint64_t to_ns, uint64_t bytes_read)
{
	struct stats_bytes bytes = {0};
	uint64_t word[STATS_WORDS] = {[STATS_BYTES_READ] = bytes_read};

	stats_put_words(&bytes, word, NULL, false);
	stats_history_add(history, from_ns, to_ns, bytes.at, bytes.size);
	stats_bytes_free(&bytes);
}

static uint64_t sum(const struct stats_history *history, uint64_t *from_ns, uint64_t *to_ns)
{
	struct stats_sum *sum = malloc(sizeof(*sum));
	uint64_t bytes_read;

	stats_sum_init(sum);
	stats_history_sum(history, from_ns, to_ns, STATS_ALL_OPS, true, sum);
	bytes_read = sum->word[STATS_BYTES_READ];
	free(sum);
	return bytes_read;
}

/* Frames of seconds 10 to 20 with 2^(second - 10) bytes, but nothing in 14 to 17. */
static const struct {
	const char *text;
	uint64_t from, to, bytes, covers_from, covers_to; /* tenths of a second */
} windows[] = {
	{"all", 100, 200, 0x38f, 100, 200},
	{"whole frames", 110, 130, 0x6, 110, 130},
	{"the larger part of a frame", 114, 136, 0xe, 110, 140},
	{"the lesser part of a frame", 116, 126, 0x4, 120, 130},
	{"begins where nothing was", 152, 180, 0x80, 152, 180},
	{"where nothing was", 145, 165, 0, 145, 165},
	{"begins before anything is known", 0, 120, 0x3, 100, 120},
	{"ends in a frame", 180, 194, 0x100, 180, 190},
};

static void windows_of_time(void **state)
{
	struct stats_history history;

	(void)state;
	stats_history_init(&history, 4096, 10 * S);
	for (unsigned second = 10; second < 20; second++) {
		if (second < 14 || second >= 17)
			add(&history, second * S, (second + 1) * S, 1ull << (second - 10));
	}
	for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		uint64_t from = windows[i].from * S / 10, to = windows[i].to * S / 10;
		uint64_t bytes = sum(&history, &from, &to);

		if (bytes != windows[i].bytes || from != windows[i].covers_from * S / 10 ||
		    to != windows[i].covers_to * S / 10)
			fail_msg("%s: %#llx bytes in %llu to %llu ms", windows[i].text, (unsigned long long)bytes,
				 (unsigned long long)from / 1000000, (unsigned long long)to / 1000000);
	}
	stats_history_free(&history);
}

/* It keeps what fits, and says from when on it knows. */
static void memory_is_bounded(void **state)
{
	struct stats_history history;
	uint64_t from = 0, to = 1000 * S, read;

	(void)state;
	stats_history_init(&history, 2000, 0);
	for (unsigned second = 0; second < 1000; second++) {
		add(&history, second * S, (second + 1) * S, 1);
		assert_true(history.used <= 2000);
	}
	assert_true(history.used > 1800);
	read = sum(&history, &from, &to);
	assert_int_equal(read, (to - from) / S);
	assert_int_equal(from, history.since_ns);
	assert_true(from > 900 * S);
	assert_int_equal(to, 1000 * S);
	stats_history_free(&history);
}

static void a_frame_that_never_fits(void **state)
{
	struct stats_history history;
	uint64_t from = 0, to = 3 * S;

	(void)state;
	stats_history_init(&history, 16, 0);
	add(&history, 1 * S, 2 * S, 1);
	assert_int_equal(sum(&history, &from, &to), 0);
	assert_int_equal(from, 2 * S);
	stats_history_free(&history);
}

static void a_cut(void **state)
{
	struct stats_history history;
	uint64_t from = 0, to = 10 * S;

	(void)state;
	stats_history_init(&history, 4096, 0);
	for (unsigned second = 0; second < 10; second++)
		add(&history, second * S, (second + 1) * S, 1);
	stats_history_cut(&history, 7 * S);
	assert_int_equal(sum(&history, &from, &to), 3);
	assert_int_equal(from, 7 * S);
	stats_history_free(&history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_of_time),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(a_frame_that_never_fits),
		cmocka_unit_test(a_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
