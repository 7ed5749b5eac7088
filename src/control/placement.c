/* SPDX-License-Identifier: Apache-2.0 */
#include "control/placement.h"

#include "base/log.h"

int placement_start(struct placement *placement, const struct config *config, struct error *err)
{
	*placement = (struct placement){0};
	for (unsigned i = 0; i < config->workers; i++) {
		const struct worker_options options = {
			.index = i,
			.cpus = config->pinned ? &config->worker_cpus[i] : NULL,
			.poll_max_us = config->poll_max_us,
			.best_ring = RING_DEFER_TASKRUN,
		};

		placement->worker[i] = worker_create(&options, err);
		if (!placement->worker[i]) {
			placement_stop(placement);
			return err->code;
		}
		placement->count++;
	}
	log_info("%u worker%s, io_uring with %s", placement->count, placement->count == 1 ? "" : "s",
		 ring_profile_name(worker_ring_profile(placement->worker[0])));
	return 0;
}

void placement_stop(struct placement *placement)
{
	for (unsigned i = 0; i < placement->count; i++)
		worker_destroy(placement->worker[i]);
	placement->count = 0;
}

struct worker *placement_take(struct placement *placement)
{
	unsigned best = 0;

	for (unsigned i = 1; i < placement->count; i++) {
		if (placement->load[i] < placement->load[best])
			best = i;
	}
	placement->load[best]++;
	return placement->worker[best];
}

void placement_release(struct placement *placement, const struct worker *worker)
{
	for (unsigned i = 0; i < placement->count; i++) {
		if (placement->worker[i] == worker)
			placement->load[i]--;
	}
}
