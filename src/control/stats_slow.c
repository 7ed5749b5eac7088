/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_parts.h"

#include <stdlib.h>

#include "engine/stage_clock.h"

#define WINDOW_NS 60000000000ull /* whose percentile is meant */
#define ENOUGH    100            /* requests, to speak of percentiles */

static void set_threshold(struct stats_disk *disk, uint64_t threshold_ns)
{
	if (threshold_ns == disk->slow_ns)
		return;
	disk->slow_ns = threshold_ns;
	for (uint32_t i = 0; i < disk->blk->queue_count; i++) {
		struct slow_recorder *recorder = stage_clock_slow(&disk->blk->queue[i].queue);

		if (recorder)
			slow_set_threshold(recorder, threshold_ns);
	}
}

void stats_slow_policy(struct stats_disk *disk, uint64_t at_least_ns, double percentile)
{
	disk->slow_percentile = percentile;
	set_threshold(disk, at_least_ns);
}

uint64_t stats_slow_threshold(const struct stats_disk *disk)
{
	return disk->slow_ns;
}

void stats_slow_update(struct stats_disk *disk)
{
	struct stats_sum *sum;

	if (disk->slow_percentile <= 0)
		return;
	sum = malloc(sizeof(*sum));
	if (!sum)
		return;
	stats_disk_read(disk, (struct stats_span){.window_ns = WINDOW_NS}, STATS_ALL_OPS, false, sum);
	if (sum->reading.total.count >= ENOUGH)
		set_threshold(disk, hist_quantile(&sum->reading.total, disk->slow_percentile / 100));
	free(sum);
}

void stats_slow_reset(struct stats_disk *disk)
{
	for (uint32_t i = 0; i < disk->blk->queue_count; i++) {
		struct slow_recorder *recorder = stage_clock_slow(&disk->blk->queue[i].queue);

		if (recorder)
			slow_reset(recorder);
	}
}
