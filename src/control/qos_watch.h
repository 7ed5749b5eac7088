/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_QOS_WATCH_H
#define STRAIT_CONTROL_QOS_WATCH_H

#include "base/error.h"
#include "control/loop.h"
#include "control/qos_tree.h"
#include "engine/qos_latency.h"

/*
 * While workers work: looks ten times a second how the latency targets are met
 * and says who may have how much under way (engine/qos_latency.h), and once a
 * second who is too much for the others (control/noise.h), which stands in
 * qos_disk.noise. Without work there is no wake-up, without targets one a
 * second. Control thread.
 */
struct qos_watch {
	struct loop *loop;
	struct qos_tree *tree;
	struct loop_source timer;
	struct latency_control control;
	bool running, fast;
	bool worked; /* since the last look */
	unsigned ticks;
};

/* With what takes rights. Negative errno with err set. */
int qos_watch_init(struct qos_watch *watch, struct loop *loop, struct qos_tree *tree, struct error *err);
void qos_watch_end(struct qos_watch *watch);

/* Workers have had work; as of placement_on_work(). */
void qos_watch_worked(void *watch);

#endif
