/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two queues' clocks of each operation type. */
struct fixture {
	struct stage_times *times[STORAGE_OP_COUNT][2];
	struct stats_seen *seen;
	struct stats_sum *sum;
	struct stage_reading *expected;
	uint64_t word[STATS_WORDS];
	uint64_t random;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
		for (unsigned queue = 0; queue < 2; queue++) {
			fixture->times[op][queue] = aligned_alloc(64, sizeof(struct stage_times));
			memset(fixture->times[op][queue], 0, sizeof(struct stage_times));
		}
	}
	fixture->seen = stats_seen_new();
	fixture->sum = malloc(sizeof(*fixture->sum));
	fixture->expected = malloc(sizeof(*fixture->expected));
	fixture->random = 1;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
		free(fixture->times[op][0]);
		free(fixture->times[op][1]);
	}
	stats_seen_free(fixture->seen);
	free(fixture->sum);
	free(fixture->expected);
	free(fixture);
	return 0;
}

static uint64_t draw(struct fixture *fixture, uint64_t below)
{
	fixture->random = fixture->random * 6364136223846793005u + 1442695040888963407u;
	return (fixture->random >> 24) % below;
}

/* Requests of all operation types, from nothing to minutes long, some of whose stages took no time. */
static void work(struct fixture *fixture, unsigned requests)
{
	for (unsigned i = 0; i < requests; i++) {
		uint64_t spent[STAGE_COUNT];
		unsigned op = (unsigned)draw(fixture, STORAGE_OP_COUNT);

		for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
			spent[stage] = draw(fixture, 3) ? draw(fixture, 1ull << draw(fixture, 36)) : 0;
		stage_count(fixture->times[op][draw(fixture, 2)], spent, 1 + (uint32_t)draw(fixture, 3));
		fixture->word[STATS_OPS + op]++;
		fixture->word[STATS_BYTES_READ] += draw(fixture, 1 << 20);
		fixture->word[STATS_WORDS - 1] += 1;
	}
}

static struct stats_bytes frame(struct fixture *fixture, struct stats_seen *seen, bool advance)
{
	struct stats_bytes bytes = {0};

	stats_put_words(&bytes, fixture->word, seen, advance);
	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++)
		stats_put_clocks(&bytes, op, (const struct stage_times *const *)fixture->times[op], 2, seen, advance);
	assert_false(bytes.failed);
	return bytes;
}

static void add(struct fixture *fixture, struct stats_bytes bytes, unsigned ops, bool stages, bool subtract)
{
	stats_sum_add(fixture->sum, bytes.at, bytes.size, ops, stages, subtract);
	stats_bytes_free(&bytes);
}

static void read_clocks(struct fixture *fixture, unsigned ops)
{
	stage_reading_init(fixture->expected);
	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
		if (ops >> op & 1) {
			stage_read(fixture->times[op][0], fixture->expected);
			stage_read(fixture->times[op][1], fixture->expected);
		}
	}
}

static void assert_hist_equal(const struct hist *a, const struct hist *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->sum, b->sum);
	assert_int_equal(a->min, b->min);
	assert_int_equal(a->max, b->max);
	assert_memory_equal(a->bucket, b->bucket, sizeof(a->bucket));
}

static void assert_readings_equal(const struct fixture *fixture)
{
	const struct stage_reading *a = &fixture->sum->reading, *b = fixture->expected;

	assert_hist_equal(&a->total, &b->total);
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		assert_hist_equal(&a->stage[stage], &b->stage[stage]);
	assert_memory_equal(a->spent_ns, b->spent_ns, sizeof(a->spent_ns));
}

/* All frames together are what the clocks say, of any choice of operation types. */
static void frames_add_up(void **state)
{
	struct fixture *fixture = *state;
	struct stats_bytes frames[10];

	for (unsigned i = 0; i < 10; i++) {
		work(fixture, 1 + (unsigned)draw(fixture, 300));
		frames[i] = frame(fixture, fixture->seen, true);
	}
	for (unsigned ops = 1; ops <= STATS_ALL_OPS; ops += 3) {
		stats_sum_init(fixture->sum);
		for (unsigned i = 0; i < 10; i++)
			stats_sum_add(fixture->sum, frames[i].at, frames[i].size, ops, true, false);
		stats_sum_finish(fixture->sum);
		read_clocks(fixture, ops);
		assert_readings_equal(fixture);
		assert_memory_equal(fixture->sum->word, fixture->word, sizeof(fixture->word));
	}
	for (unsigned i = 0; i < 10; i++)
		stats_bytes_free(&frames[i]);
}

/* Everything, less everything at an earlier time, is the same as the frames in between. */
static void a_difference_is_what_came_since(void **state)
{
	struct fixture *fixture = *state;
	struct stats_bytes earlier;

	work(fixture, 500);
	earlier = frame(fixture, NULL, false);
	stats_sum_init(fixture->sum);
	add(fixture, frame(fixture, fixture->seen, true), 0, false, false);
	work(fixture, 500);
	stats_sum_init(fixture->sum);
	add(fixture, frame(fixture, NULL, false), STATS_ALL_OPS, true, false);
	add(fixture, earlier, STATS_ALL_OPS, true, true);
	stats_sum_finish(fixture->sum);
	*fixture->expected = fixture->sum->reading;
	stats_sum_init(fixture->sum);
	add(fixture, frame(fixture, fixture->seen, false), STATS_ALL_OPS, true, false);
	stats_sum_finish(fixture->sum);
	assert_readings_equal(fixture);
	assert_true(fixture->sum->reading.total.count >= 500);
}

/* What is not taken for seen is in the next frame again. */
static void a_look_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct stats_bytes first, second;

	work(fixture, 100);
	first = frame(fixture, fixture->seen, false);
	second = frame(fixture, fixture->seen, true);
	assert_int_equal(first.size, second.size);
	assert_memory_equal(first.at, second.at, first.size);
	stats_bytes_free(&first);
	stats_bytes_free(&second);
	first = frame(fixture, fixture->seen, true);
	assert_int_equal(first.size, 0);
	stats_bytes_free(&first);
}

/* Without stages the total is there all the same, and what was spent. */
static void totals_alone(void **state)
{
	struct fixture *fixture = *state;
	struct stats_bytes bytes;

	work(fixture, 100);
	bytes = frame(fixture, fixture->seen, true);
	stats_sum_init(fixture->sum);
	add(fixture, bytes, STATS_ALL_OPS, false, false);
	stats_sum_finish(fixture->sum);
	read_clocks(fixture, STATS_ALL_OPS);
	assert_hist_equal(&fixture->sum->reading.total, &fixture->expected->total);
	assert_memory_equal(fixture->sum->reading.spent_ns, fixture->expected->spent_ns,
			    sizeof(fixture->expected->spent_ns));
	assert_int_equal(fixture->sum->reading.stage[STAGE_BACKEND].sum, fixture->expected->stage[STAGE_BACKEND].sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_add_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_difference_is_what_came_since, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_look_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(totals_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
