/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_PLACEMENT_H
#define STRAIT_CONTROL_PLACEMENT_H

#include "base/error.h"
#include "control/config.h"
#include "engine/worker.h"

/* The workers, and which of them gets the next queue. Control thread. */
struct placement {
	unsigned count;
	struct worker *worker[CONFIG_MAX_WORKERS];
	unsigned load[CONFIG_MAX_WORKERS]; /* queues running there */
};

/* Start the workers. Negative errno with err set: none is left running. */
int placement_start(struct placement *placement, const struct config *config, struct error *err);

/* End the workers, which have no queues. */
void placement_stop(struct placement *placement);

/* The worker with the fewest queues; it has one more from now on. */
struct worker *placement_take(struct placement *placement);
void placement_release(struct placement *placement, const struct worker *worker);

#endif
