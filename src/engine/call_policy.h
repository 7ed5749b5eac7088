/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_CALL_POLICY_H
#define STRAIT_ENGINE_CALL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a driver is called for requests it got back. A call may be held back, to
 * stand for those that follow as well: at most until half of what was in flight
 * is back, so that the driver can send more while the device is busy with the
 * rest; no longer than max_time; and only where the next ones usually come
 * sooner than that. A request that is alone in flight is never held back.
 * Pure arithmetic: time comes in as an argument, in any unit.
 */
struct call_policy {
	uint32_t max_count; /* requests a call may stand for */
	uint64_t max_time;  /* that a call may be late; 0: none is held back */
	uint32_t held;      /* requests whose driver has not been called */
	uint64_t since;     /* when the first of them was given back */
	uint64_t last;      /* when requests were given back */
	uint64_t gap;       /* usual time between two such times */
};

void call_policy_init(struct call_policy *policy, uint32_t max_count, uint64_t max_time);

/*
 * count requests were given back just now, or 0 for another look at those that
 * are held; in_flight have still to come. True: call now.
 */
bool call_policy_due(struct call_policy *policy, uint64_t now, uint32_t count, uint32_t in_flight);

#endif
