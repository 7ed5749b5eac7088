/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_WATCHDOG_H
#define STRAIT_CONTROL_WATCHDOG_H

#include "control/loop.h"
#include "control/placement.h"

/*
 * Feeds systemd's watchdog (sd_watchdog_enabled(3)), and only while every
 * worker answers: each round sends all of them a message, and the next round
 * says WATCHDOG=1 if all have come back. Without a watchdog nothing wakes up.
 */
struct watchdog;

/* NULL where systemd does not ask for it (or memory is out, which is logged). */
struct watchdog *watchdog_start(struct loop *loop, struct placement *placement, struct mailbox *mailbox);

/* After the workers have ended, so that none holds a message of ours. NULL is allowed. */
void watchdog_stop(struct watchdog *watchdog);

#endif
