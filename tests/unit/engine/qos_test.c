/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of disks and groups, over simulated time. */
#include "players.h"

#include <pthread.h>

static void reads_and_writes_are_limited_apart_and_together(void **state)
{
	struct qos_limits limits = {0};
	struct qos_node node;
	struct player players[2];

	(void)state;
	qos_node_init(&node, QOS_SECOND);
	assert_false(qos_node_limits(&node));
	limits.limit[QOS_READ_IOPS].rate = 1000;
	limits.limit[QOS_WRITE_BPS].rate = 4096 * 500;
	qos_node_set_limits(&node, &limits, QOS_SECOND);
	assert_true(qos_node_limits(&node));
	players[0] = (struct player){.node = &node, .cost = small_read};
	players[1] = (struct player){.node = &node, .cost = small_write};
	run(players, 2, QOS_SECOND * 20);
	near(players[0].passed, 20000, 0.01);
	near(players[1].passed, 10000, 0.01);
	/* And together on top of that. */
	limits.limit[QOS_IOPS].rate = 600;
	qos_node_init(&node, QOS_SECOND);
	qos_node_set_limits(&node, &limits, QOS_SECOND);
	players[0].passed = players[1].passed = 0;
	run(players, 2, QOS_SECOND * 20);
	near(players[0].passed + players[1].passed, 12000, 0.01);
}

static void says_which_direction_has_to_wait(void **state)
{
	struct qos_node node;
	struct qos_refusal why;

	(void)state;
	node_with(&node, QOS_WRITE_IOPS, 1, NULL);
	for (unsigned i = 0; i < 5 && qos_admit(&node, &small_write, QOS_SECOND, &why); i++)
		continue;
	assert_false(qos_admit(&node, &small_write, QOS_SECOND, &why));
	assert_true(why.direction_only);
	assert_true(qos_admit(&node, &small_read, QOS_SECOND, &why));
	node_with(&node, QOS_IOPS, 1, NULL);
	assert_true(qos_admit(&node, &small_write, QOS_SECOND, &why));
	assert_false(qos_admit(&node, &small_read, QOS_SECOND, &why));
	assert_false(why.direction_only);
}

static void a_burst_lasts_as_long_as_it_may(void **state)
{
	struct qos_limits limits = {0};
	struct player player;
	struct qos_node node;

	(void)state;
	limits.limit[QOS_IOPS] = (struct qos_limit){.rate = 100, .burst = 1000, .burst_seconds = 5};
	qos_node_init(&node, QOS_SECOND);
	qos_node_set_limits(&node, &limits, QOS_SECOND);
	player = (struct player){.node = &node, .cost = small_read};
	run(&player, 1, QOS_SECOND);
	near(player.passed, 1100, 0.01); /* the peak rate, and a tenth of a second's worth of it at once */
	qos_node_init(&node, QOS_SECOND);
	qos_node_set_limits(&node, &limits, QOS_SECOND);
	player.passed = 0;
	run(&player, 1, QOS_SECOND * 105);
	near(player.passed, 105 * 100 + 900 * 5, 0.01);
}

/* What one of the limits refuses costs nothing at the others. */
static void takes_everywhere_or_nowhere(void **state)
{
	struct qos_node outer, inner, disk, neighbour;
	struct qos_refusal why;
	struct player players[2];

	(void)state;
	node_with(&outer, QOS_IOPS, 1000, NULL);
	node_with(&inner, QOS_BPS, 1 << 30, &outer);
	node_with(&disk, QOS_IOPS, 10, &inner);
	node_with(&neighbour, QOS_IOPS, 0, &inner);
	for (unsigned i = 0; i < 100000; i++)
		qos_admit(&disk, &small_read, QOS_SECOND, &why);
	players[0] = (struct player){.node = &disk, .cost = small_read};
	players[1] = (struct player){.node = &neighbour, .cost = small_read};
	run(players, 2, QOS_SECOND * 20);
	near(players[0].passed, 200, 0.02);
	near(players[0].passed + players[1].passed, 20000, 0.01);
}

/* What needs more than a burst would wait for ever beside another queue of its disk that takes what comes. */
static void a_large_request_does_not_starve(void **state)
{
	const uint64_t rate = 8 << 20;
	struct player players[2];
	struct qos_node disk;

	(void)state;
	node_with(&disk, QOS_BPS, rate, NULL);
	players[0] = (struct player){.node = &disk, .cost = small_read, .late = QOS_NS(50000)};
	players[1] = (struct player){
		.node = &disk, .cost = {.direction = QOS_WRITE, .bytes = 1 << 20}, .late = QOS_NS(50000)};
	run(players, 2, QOS_SECOND * 20);
	assert_true(players[1].passed >= 20);
	assert_true(players[0].passed * 4096 >= rate * 20 / 4);
	near(players[0].passed * 4096 + (players[1].passed << 20), (double)rate * 20, 0.03);
}

static void a_cap_bounds_what_is_under_way(void **state)
{
	struct qos_node node;
	struct qos_refusal why;

	(void)state;
	node_with(&node, QOS_IOPS, 0, NULL);
	qos_node_set_cap(&node, 2);
	assert_true(qos_node_limits(&node));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(qos_admit(&node, &small_read, QOS_SECOND, &why));
		qos_count_under_way(&node, 1);
	}
	assert_false(qos_admit(&node, &small_read, QOS_SECOND, &why));
	assert_false(why.direction_only);
	qos_count_under_way(&node, -1);
	assert_true(qos_admit(&node, &small_read, QOS_SECOND, &why));
	qos_node_set_cap(&node, 0);
	assert_true(qos_admit(&node, &small_read, QOS_SECOND, &why));
}

/* Said to take minutes, it passes sooner: by another limit, or since its queue stops. Who waits for it does not go on.
 */
static void what_is_over_sooner_holds_nobody_back(void **state)
{
	const qos_time begin = QOS_SECOND * 100, late = begin + QOS_SECOND;
	struct qos_cost large = {.direction = QOS_WRITE, .bytes = 64 << 20};
	struct qos_cost small = small_read;

	(void)state;
	for (unsigned stops = 0; stops < 2; stops++) {
		struct qos_limits limits = {0};
		struct qos_node disk;
		struct qos_refusal why;

		node_with(&disk, QOS_BPS, 1 << 20, NULL);
		large.since = small.since = 0;
		assert_true(qos_admit(&disk, &large, begin, &why));
		large.since = begin;
		small.since = begin + 1;
		assert_false(qos_admit(&disk, &large, late, &why));
		assert_true(qos_time_between(late, why.when) > (int64_t)QOS_SECOND * 60);
		assert_false(qos_admit(&disk, &small, late, &why));
		assert_true(qos_time_between(late, why.when) < (int64_t)QOS_SECOND);
		limits.limit[QOS_BPS].rate = 1ull << 40;
		qos_node_set_limits(&disk, &limits, late);
		assert_false(qos_admit(&disk, &small, late, &why));
		if (stops)
			qos_charge(&disk, &large, late + QOS_SECOND);
		else
			assert_true(qos_admit(&disk, &large, late + QOS_SECOND, &why));
		assert_true(qos_admit(&disk, &small, late + QOS_SECOND, &why));
	}
}

/* Of two queues the one that looks less often would find no place: the other one takes each as it becomes free. */
static void a_cap_leaves_a_place_to_who_waits_longest(void **state)
{
	const qos_time begin = QOS_SECOND * 100, late = begin + QOS_SECOND;
	struct qos_cost first = small_read, second = small_read;
	struct qos_node node;
	struct qos_refusal why;

	(void)state;
	node_with(&node, QOS_IOPS, 0, NULL);
	qos_node_set_cap(&node, 1);
	qos_count_under_way(&node, 1);
	first.since = begin;
	second.since = begin + 1;
	assert_false(qos_admit(&node, &first, late, &why));
	qos_count_under_way(&node, -1);
	assert_false(qos_admit(&node, &second, late, &why));
	assert_true(qos_admit(&node, &first, late, &why));
	assert_true(qos_admit(&node, &second, late, &why));
}

static void requests_count_as_what_they_are(void **state)
{
	static const struct {
		struct storage_io io;
		bool counts;
		struct qos_cost cost;
	} cases[] = {
		{{.op = STORAGE_READ, .length = 512}, true, {.direction = QOS_READ, .bytes = 512}},
		{{.op = STORAGE_WRITE, .length = 512}, true, {.direction = QOS_WRITE, .bytes = 512}},
		{{.op = STORAGE_FLUSH}, false, {.direction = QOS_READ, .bytes = 0}},
		{{.op = STORAGE_DISCARD, .length = 512}, true, {.direction = QOS_WRITE, .bytes = 0}},
		{{.op = STORAGE_WRITE_ZEROES, .length = 512}, true, {.direction = QOS_WRITE, .bytes = 512}},
		{{.op = STORAGE_WRITE_ZEROES, .length = 512, .flags = STORAGE_UNMAP},
		 true,
		 {.direction = QOS_WRITE, .bytes = 0}},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct qos_cost cost;

		assert_int_equal(qos_cost_of(&cases[i].io, &cost), cases[i].counts);
		if (cases[i].counts) {
			assert_int_equal(cost.direction, cases[i].cost.direction);
			assert_int_equal(cost.bytes, cases[i].cost.bytes);
		}
	}
}

/* Workers ask, while the control thread moves disks about and changes limits. */
struct asker {
	pthread_t thread;
	struct qos_node *disk;
	uint64_t passed;
};

#define STEPS 100000

static void *ask_all_the_time(void *argument)
{
	struct asker *asker = argument;
	struct qos_refusal why;

	for (unsigned i = 0; i < STEPS; i++) {
		const qos_time now = QOS_SECOND * 100 + i * (QOS_SECOND / STEPS);

		asker->passed += qos_admit(asker->disk, i % 2 ? &small_read : &small_write, now, &why);
	}
	return NULL;
}

static void threads_together_stay_within_the_groups_limit(void **state)
{
	struct qos_node outer, group[2], disk[4];
	struct asker askers[4];
	struct qos_limits limits = {0};
	uint64_t passed = 0;

	(void)state;
	node_with(&outer, QOS_IOPS, 10000, NULL);
	node_with(&group[0], QOS_IOPS, 100000, &outer);
	node_with(&group[1], QOS_BPS, 1 << 30, &outer);
	for (unsigned i = 0; i < 4; i++) {
		node_with(&disk[i], QOS_IOPS, 0, &group[i % 2]);
		askers[i] = (struct asker){.disk = &disk[i]};
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_all_the_time, &askers[i]), 0);
	}
	for (unsigned i = 0; i < 2000; i++) {
		qos_node_set_parent(&disk[0], &group[i % 2]);
		qos_node_set_weight(&disk[1], 1 + i % 100);
		limits.limit[QOS_BPS].rate = i % 2 ? 1 << 30 : 0;
		qos_node_set_limits(&disk[2], &limits, QOS_SECOND * 100);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(askers[i].thread, NULL);
		passed += askers[i].passed;
	}
	assert_true(passed <= 10000 + 1001);
	assert_true(passed >= 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_are_limited_apart_and_together),
		cmocka_unit_test(says_which_direction_has_to_wait),
		cmocka_unit_test(a_burst_lasts_as_long_as_it_may),
		cmocka_unit_test(takes_everywhere_or_nowhere),
		cmocka_unit_test(a_large_request_does_not_starve),
		cmocka_unit_test(a_cap_bounds_what_is_under_way),
		cmocka_unit_test(a_cap_leaves_a_place_to_who_waits_longest),
		cmocka_unit_test(what_is_over_sooner_holds_nobody_back),
		cmocka_unit_test(requests_count_as_what_they_are),
		cmocka_unit_test(threads_together_stay_within_the_groups_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
