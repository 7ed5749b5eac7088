/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of disks and groups and shares by weight, over simulated time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "engine/qos.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct qos_cost small_read = {.direction = QOS_READ, .bytes = 4096};
static const struct qos_cost small_write = {.direction = QOS_WRITE, .bytes = 4096};

static void node_with(struct qos_node *node, enum qos_kind kind, uint64_t rate, struct qos_node *parent)
{
	struct qos_limits limits = {0};

	limits.limit[kind].rate = rate;
	qos_node_init(node, QOS_SECOND);
	qos_node_set_limits(node, &limits, QOS_SECOND);
	qos_node_set_parent(node, parent);
}

/* One that asks for what it has as soon as it may, on a thread that wakes up a little late. */
struct player {
	struct qos_node *node;
	struct qos_cost cost;
	qos_time thinks;   /* between a request and the next; 0: there is always another */
	qos_time late;     /* that its thread is, at most */
	qos_time from, to; /* after the beginning, when it plays */
	qos_time next;
	uint64_t passed;
	bool waits;
};

static void play(struct player *player, qos_time now)
{
	struct qos_refusal why;

	while (qos_admit(player->node, &player->cost, now, &why)) {
		player->passed++;
		if (player->waits)
			qos_count_held(player->node, -1);
		player->waits = false;
		player->cost.since = 0;
		if (player->thinks) {
			player->next = now + player->thinks;
			return;
		}
	}
	assert_true(qos_time_between(now, why.when) > 0);
	if (!player->waits)
		qos_count_held(player->node, 1);
	if (!player->waits)
		player->cost.since = now;
	player->waits = true;
	player->next = why.when;
}

static void run(struct player *players, unsigned count, qos_time length)
{
	const qos_time start = QOS_SECOND * 100;
	uint64_t seed = 1;

	for (unsigned i = 0; i < count; i++)
		players[i].next = start + players[i].from;
	for (;;) {
		struct player *first = NULL;

		for (unsigned i = 0; i < count; i++) {
			if ((!players[i].to || players[i].next - start < players[i].to) &&
			    (!first || players[i].next < first->next))
				first = &players[i];
		}
		if (!first || first->next - start >= length)
			return;
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		play(first, first->next);
		first->next += first->late ? (seed >> 20) % first->late : 0;
	}
}

static void near(uint64_t value, double expected, double tolerance)
{
	if ((double)value < expected * (1 - tolerance) || (double)value > expected * (1 + tolerance))
		fail_msg("%lu, expected %.0f", (unsigned long)value, expected);
}

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

static void shares_follow_weights(void **state)
{
	static const uint32_t weights[] = {100, 200, 400};
	static const uint64_t rates[] = {20, 1000, 50000};

	(void)state;
	for (unsigned k = 0; k < COUNT(rates); k++) {
		struct qos_node group, disk[3];
		struct player players[3];
		const double all = (double)rates[k] * 70;

		node_with(&group, QOS_IOPS, rates[k], NULL);
		for (unsigned i = 0; i < 3; i++) {
			node_with(&disk[i], QOS_IOPS, 0, &group);
			qos_node_set_weight(&disk[i], weights[i]);
			players[i] = (struct player){.node = &disk[i], .cost = small_read, .late = QOS_NS(100000)};
		}
		run(players, 3, QOS_SECOND * 70);
		for (unsigned i = 0; i < 3; i++)
			near(players[i].passed, all * weights[i] / 700, 0.02);
	}
}

/* Who takes more at a time gets no more for it. */
static void bytes_are_shared_not_requests(void **state)
{
	const uint64_t rate = 100 << 20;
	struct qos_node group, disk[2];
	struct player players[2];

	(void)state;
	node_with(&group, QOS_BPS, rate, NULL);
	for (unsigned i = 0; i < 2; i++) {
		node_with(&disk[i], QOS_IOPS, 0, &group);
		players[i] = (struct player){.node = &disk[i],
					     .cost = {.direction = QOS_WRITE, .bytes = i ? 1 << 20 : 4096},
					     .late = QOS_NS(50000)};
	}
	run(players, 2, QOS_SECOND * 20);
	near(players[0].passed * 4096, (double)rate * 10, 0.03);
	near(players[1].passed << 20, (double)rate * 10, 0.03);
}

static void what_one_does_not_use_others_get(void **state)
{
	struct qos_node group, disk[3];
	struct player players[3];

	(void)state;
	node_with(&group, QOS_IOPS, 1000, NULL);
	node_with(&disk[0], QOS_IOPS, 0, &group);
	node_with(&disk[1], QOS_IOPS, 100, &group); /* waits for a limit of its own */
	node_with(&disk[2], QOS_IOPS, 0, &group);   /* is away for half of the time */
	for (unsigned i = 0; i < 3; i++)
		players[i] = (struct player){.node = &disk[i], .cost = small_read, .late = QOS_NS(50000)};
	players[2].from = QOS_SECOND * 10;
	run(players, 3, QOS_SECOND * 20);
	near(players[1].passed, 2000, 0.03);
	near(players[0].passed, 9000 + 4500, 0.03);
	near(players[2].passed, 4500, 0.05);
}

/* A group's members share what the group gets, not what is outside. */
static void groups_share_as_disks_do(void **state)
{
	struct qos_node outer, inner, lonely, pair[2];
	struct player players[3];

	(void)state;
	node_with(&outer, QOS_IOPS, 1200, NULL);
	node_with(&inner, QOS_IOPS, 0, &outer);
	qos_node_set_weight(&inner, 200);
	node_with(&lonely, QOS_IOPS, 0, &outer);
	for (unsigned i = 0; i < 2; i++) {
		node_with(&pair[i], QOS_IOPS, 0, &inner);
		qos_node_set_weight(&pair[i], i ? 300 : 100);
		players[i] = (struct player){.node = &pair[i], .cost = small_read, .late = QOS_NS(50000)};
	}
	players[2] = (struct player){.node = &lonely, .cost = small_read, .late = QOS_NS(50000)};
	run(players, 3, QOS_SECOND * 20);
	near(players[0].passed, 4000, 0.03);
	near(players[1].passed, 12000, 0.03);
	near(players[2].passed, 8000, 0.03);
}

/* One that said it would be back and is not, for 50 ms each time, keeps nobody else waiting. */
/* A thread that is late by 20 ms each time has less than its share while it is, and gets it afterwards. */
static void who_is_late_makes_up_for_it(void **state)
{
	struct qos_node group, disk[2];
	struct player players[2];

	(void)state;
	node_with(&group, QOS_IOPS, 2000, NULL);
	for (unsigned i = 0; i < 2; i++) {
		node_with(&disk[i], QOS_IOPS, 0, &group);
		players[i] = (struct player){.node = &disk[i], .cost = small_read, .late = QOS_NS(50000)};
	}
	qos_node_set_weight(&disk[1], 200);
	players[1].late = QOS_NS(40000000);
	run(players, 2, QOS_SECOND * 30);
	near(players[0].passed, 20000, 0.03);
	near(players[1].passed, 40000, 0.03);
}

static void who_does_not_run_is_not_waited_for(void **state)
{
	struct qos_node group, disk[2];
	struct player players[2];

	(void)state;
	node_with(&group, QOS_IOPS, 1000, NULL);
	for (unsigned i = 0; i < 2; i++) {
		node_with(&disk[i], QOS_IOPS, 0, &group);
		players[i] = (struct player){.node = &disk[i], .cost = small_read};
	}
	qos_node_set_weight(&disk[1], 10000);
	players[1].late = QOS_NS(100000000);
	run(players, 2, QOS_SECOND * 20);
	near(players[0].passed + players[1].passed, 20000, 0.02);
}

/* One request at a time, as a latency-sensitive guest has it, beside one that always has more. */
static void one_at_a_time_gets_its_share(void **state)
{
	struct qos_node group, disk[2];
	struct player players[2];

	(void)state;
	node_with(&group, QOS_IOPS, 1000, NULL);
	for (unsigned i = 0; i < 2; i++) {
		node_with(&disk[i], QOS_IOPS, 0, &group);
		players[i] = (struct player){.node = &disk[i], .cost = small_read, .late = QOS_NS(50000)};
	}
	players[1].thinks = QOS_NS(500000);
	run(players, 2, QOS_SECOND * 20);
	near(players[0].passed + players[1].passed, 20000, 0.02);
	near(players[1].passed, 10000, 0.05);
}

/* It takes what it wants at once, being far from its share, and keeps nobody else waiting for what it does not want. */
static void one_at_a_time_holds_nobody_back(void **state)
{
	static const uint64_t thinks[] = {100000, 500000, 2000000, 2900000};
	const uint64_t rate = 100 << 20;

	(void)state;
	for (unsigned k = 0; k < COUNT(thinks); k++) {
		struct qos_node group, disk[2];
		struct player players[2];

		node_with(&group, QOS_BPS, rate, NULL);
		for (unsigned i = 0; i < 2; i++) {
			node_with(&disk[i], QOS_IOPS, 0, &group);
			players[i] = (struct player){.node = &disk[i], .cost = small_read, .late = QOS_NS(20000)};
		}
		players[0].cost.bytes = 65536;
		players[1].thinks = QOS_NS(thinks[k]);
		run(players, 2, QOS_SECOND * 5);
		near(players[1].passed, 5e9 / ((double)thinks[k] + 10000), 0.02);
		near(players[0].passed * 65536 + players[1].passed * 4096, (double)rate * 5, 0.03);
	}
}

/* A member that comes after years is not held back by a clock that has wrapped around. */
static void a_virtual_time_from_long_ago_does_no_harm(void **state)
{
	static const uint64_t leftovers[] = {0, 1ull << 62, 1ull << 63, 3ull << 62, UINT64_MAX};

	(void)state;
	for (unsigned k = 0; k < COUNT(leftovers); k++) {
		struct qos_node group, disk[2];
		struct player players[2];

		node_with(&group, QOS_IOPS, 1000, NULL);
		group.group_time = 1ull << 40;
		for (unsigned i = 0; i < 2; i++) {
			node_with(&disk[i], QOS_IOPS, 0, &group);
			players[i] = (struct player){.node = &disk[i], .cost = small_read, .late = QOS_NS(50000)};
		}
		disk[0].virtual_time = 1ull << 40;
		disk[1].virtual_time = leftovers[k];
		run(players, 2, QOS_SECOND * 10);
		near(players[0].passed, 5000, 0.05);
		near(players[1].passed, 5000, 0.05);
	}
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
		cmocka_unit_test(shares_follow_weights),
		cmocka_unit_test(bytes_are_shared_not_requests),
		cmocka_unit_test(what_one_does_not_use_others_get),
		cmocka_unit_test(groups_share_as_disks_do),
		cmocka_unit_test(who_is_late_makes_up_for_it),
		cmocka_unit_test(who_does_not_run_is_not_waited_for),
		cmocka_unit_test(one_at_a_time_gets_its_share),
		cmocka_unit_test(one_at_a_time_holds_nobody_back),
		cmocka_unit_test(a_virtual_time_from_long_ago_does_no_harm),
		cmocka_unit_test(a_cap_bounds_what_is_under_way),
		cmocka_unit_test(requests_count_as_what_they_are),
		cmocka_unit_test(threads_together_stay_within_the_groups_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
