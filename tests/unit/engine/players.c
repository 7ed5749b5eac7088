/* SPDX-License-Identifier: Apache-2.0 */
#include "players.h"

const struct qos_cost small_read = {.direction = QOS_READ, .bytes = 4096};
const struct qos_cost small_write = {.direction = QOS_WRITE, .bytes = 4096};

void node_with(struct qos_node *node, enum qos_kind kind, uint64_t rate, struct qos_node *parent)
{
	struct qos_limits limits = {0};

	limits.limit[kind].rate = rate;
	qos_node_init(node, QOS_SECOND);
	qos_node_set_limits(node, &limits, QOS_SECOND);
	qos_node_set_parent(node, parent);
}

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

void run(struct player *players, unsigned count, qos_time length)
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

void near(uint64_t value, double expected, double tolerance)
{
	if ((double)value < expected * (1 - tolerance) || (double)value > expected * (1 + tolerance))
		fail_msg("%lu, expected %.0f", (unsigned long)value, expected);
}
