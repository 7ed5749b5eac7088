/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_ENGINE_PLAYERS_H
#define STRAIT_TESTS_ENGINE_PLAYERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/qos.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern const struct qos_cost small_read, small_write;

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

/* A disk or group that has this limit alone; rate 0: none. */
void node_with(struct qos_node *node, enum qos_kind kind, uint64_t rate, struct qos_node *parent);

/* Let them play for so long, from the same time on whenever it is called. */
void run(struct player *players, unsigned count, qos_time length);

/* Fail unless the value is as expected but for this part of it. */
void near(uint64_t value, double expected, double tolerance);

#endif
