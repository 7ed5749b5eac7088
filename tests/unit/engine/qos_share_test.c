/* SPDX-License-Identifier: Apache-2.0 */
/* Shares of a group by weight, over simulated time. */
#include "players.h"

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

/* One that said it would be back and is not, for 50 ms each time, keeps nobody else waiting. */
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

/* It said that it would be back in a minute, and has passed since: others do not wait for it until then. */
static void who_passes_sooner_is_not_waited_for(void **state)
{
	(void)state;
	for (unsigned nested = 0; nested < 2; nested++) {
		struct qos_cost large = {.direction = QOS_WRITE, .bytes = 64 << 20};
		struct qos_limits limits = {0};
		struct qos_node group, inner, disk[2];
		struct qos_refusal why;
		struct player player;

		node_with(&group, QOS_BPS, 1 << 20, NULL);
		node_with(&inner, QOS_BPS, 0, &group);
		qos_node_set_weight(&inner, QOS_WEIGHT_MAX);
		node_with(&disk[0], QOS_IOPS, 0, nested ? &inner : &group);
		node_with(&disk[1], QOS_IOPS, 0, &group);
		qos_node_set_weight(&disk[0], QOS_WEIGHT_MAX);
		assert_true(qos_admit(&disk[0], &large, QOS_SECOND * 98, &why));
		qos_count_held(&disk[0], 1);
		large.since = QOS_SECOND * 98;
		assert_false(qos_admit(&disk[0], &large, QOS_SECOND * 98, &why));
		limits.limit[QOS_BPS].rate = 100 << 20;
		qos_node_set_limits(&group, &limits, QOS_SECOND * 98);
		assert_true(qos_admit(&disk[0], &large, QOS_SECOND * 99, &why));
		qos_count_held(&disk[0], -1);
		player = (struct player){.node = &disk[1], .cost = small_read};
		run(&player, 1, QOS_SECOND * 10);
		near(player.passed * 4096, 10.0 * (100 << 20), 0.1);
	}
}

/* Where it was before, it took much, of little weight. That is no debt to its new neighbours. */
static void a_member_that_moves_begins_anew(void **state)
{
	struct qos_node group[2], disk[2];
	struct player players[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		node_with(&group[i], QOS_IOPS, 1000, NULL);
		node_with(&disk[i], QOS_IOPS, 0, &group[i]);
		players[i] = (struct player){.node = &disk[i], .cost = small_read, .late = QOS_NS(50000)};
	}
	qos_node_set_weight(&disk[0], 1);
	run(players, 1, QOS_SECOND * 10);
	qos_node_set_weight(&disk[0], QOS_WEIGHT_DEFAULT);
	qos_node_set_parent(&disk[0], &group[1]);
	/* Later, and the other one has begun before. */
	players[0] = (struct player){.node = &disk[0], .cost = small_read, .from = QOS_SECOND * 20};
	players[1].from = QOS_SECOND * 11;
	run(players, 2, QOS_SECOND * 30);
	near(players[0].passed, 5000, 0.05);
	near(players[1].passed, 14000, 0.05);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_follow_weights),
		cmocka_unit_test(bytes_are_shared_not_requests),
		cmocka_unit_test(what_one_does_not_use_others_get),
		cmocka_unit_test(groups_share_as_disks_do),
		cmocka_unit_test(who_is_late_makes_up_for_it),
		cmocka_unit_test(who_does_not_run_is_not_waited_for),
		cmocka_unit_test(one_at_a_time_gets_its_share),
		cmocka_unit_test(one_at_a_time_holds_nobody_back),
		cmocka_unit_test(who_passes_sooner_is_not_waited_for),
		cmocka_unit_test(a_member_that_moves_begins_anew),
		cmocka_unit_test(a_virtual_time_from_long_ago_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
