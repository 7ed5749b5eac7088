/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_parts.h"

#include <stdlib.h>

#include "base/clock.h"

void stats_disk_total(struct stats_disk *disk, unsigned ops, bool stages, struct stats_sum *sum)
{
	struct stats_bytes bytes = {0};

	stats_sum_init(sum);
	stats_disk_put_all(disk, &bytes);
	if (!bytes.failed)
		stats_sum_add(sum, bytes.at, bytes.size, ops, stages, false);
	stats_sum_finish(sum);
	stats_bytes_free(&bytes);
}

static void since_epoch(struct stats_disk *disk, unsigned ops, bool stages, struct stats_sum *sum)
{
	struct stats_bytes bytes = {0};

	stats_disk_put_all(disk, &bytes);
	if (!bytes.failed) {
		stats_sum_add(sum, bytes.at, bytes.size, ops, stages, false);
		stats_sum_add(sum, disk->base.at, disk->base.size, ops, stages, true);
	}
	stats_bytes_free(&bytes);
}

/* What has come since the last frame was made. */
static void add_rest(struct stats_disk *disk, unsigned ops, bool stages, struct stats_sum *sum)
{
	struct stats_bytes bytes = {0};

	stats_disk_put(disk, &bytes, false);
	if (!bytes.failed)
		stats_sum_add(sum, bytes.at, bytes.size, ops, stages, false);
	stats_bytes_free(&bytes);
}

struct stats_covered stats_disk_read(struct stats_disk *disk, struct stats_span span, unsigned ops, bool stages,
				     struct stats_sum *sum)
{
	const uint64_t now_ns = clock_monotonic_ns(), sampled_ns = disk->stats->sampled_ns;
	struct stats_covered covered = {.from_ns = disk->epoch_ns, .to_ns = now_ns};

	stats_sum_init(sum);
	if (!span.window_ns && !span.ago_ns) {
		since_epoch(disk, ops, stages, sum);
	} else {
		covered.to_ns = span.ago_ns < now_ns ? now_ns - span.ago_ns : 0;
		if (span.window_ns && span.window_ns < covered.to_ns)
			covered.from_ns = covered.to_ns - span.window_ns;
		stats_history_sum(&disk->history, &covered.from_ns, &covered.to_ns, ops, stages, sum);
		/* The rest is a frame to be: it is taken by the same rule. */
		if (sampled_ns + (now_ns - sampled_ns) / 2 < now_ns - span.ago_ns || !span.ago_ns) {
			add_rest(disk, ops, stages, sum);
			covered.to_ns = now_ns;
		}
	}
	stats_sum_finish(sum);
	return covered;
}

void stats_disk_frames(struct stats_disk *disk, uint64_t since_ns, bool stages,
		       void (*each)(void *context, uint64_t from_ns, uint64_t to_ns, struct stats_sum *sum),
		       void *context)
{
	const uint64_t now_ns = clock_monotonic_ns();
	struct stats_sum *sum = malloc(sizeof(*sum));

	if (!sum)
		return;
	for (const struct stats_frame *frame = disk->history.first; frame; frame = frame->next) {
		if (frame->to_ns <= since_ns)
			continue;
		stats_sum_init(sum);
		stats_sum_add(sum, frame->bytes, frame->size, STATS_ALL_OPS, stages, false);
		stats_sum_finish(sum);
		each(context, frame->from_ns, frame->to_ns, sum);
	}
	stats_sum_init(sum);
	add_rest(disk, STATS_ALL_OPS, stages, sum);
	stats_sum_finish(sum);
	if (sum->reading.total.count)
		each(context, disk->stats->sampled_ns, now_ns, sum);
	free(sum);
}
