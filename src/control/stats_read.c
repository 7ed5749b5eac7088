/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_parts.h"

#include <stdlib.h>

#include "base/clock.h"

void stats_disk_total(struct stats_disk *disk, unsigned ops, bool stages, struct stats_sum *sum)
{
	struct stats_bytes bytes = {0};

	stats_sum_init(sum);
	stats_disk_put_all(disk, &bytes, stages ? STATS_ALL : STATS_TOTALS);
	if (!bytes.failed)
		stats_sum_add(sum, bytes.at, bytes.size, ops, stages, false);
	stats_sum_finish(sum);
	stats_bytes_free(&bytes);
}

static void since_epoch(struct stats_disk *disk, unsigned ops, bool stages, struct stats_sum *sum)
{
	struct stats_bytes bytes = {0};

	stats_disk_put_all(disk, &bytes, stages ? STATS_ALL : STATS_TOTALS);
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

	stats_disk_put(disk, &bytes, stages ? STATS_ALL : STATS_TOTALS);
	if (!bytes.failed)
		stats_sum_add(sum, bytes.at, bytes.size, ops, stages, false);
	stats_bytes_free(&bytes);
}

struct stats_covered stats_disk_read(struct stats_disk *disk, struct stats_span span, unsigned ops, bool stages,
				     struct stats_sum *sum)
{
	const uint64_t now_ns = clock_monotonic_ns(), sampled_ns = disk->stats->sampled_ns;
	const uint64_t until_ns = span.ago_ns < now_ns ? now_ns - span.ago_ns : 0;
	struct stats_covered covered = {.from_ns = disk->epoch_ns, .to_ns = now_ns};

	stats_sum_init(sum);
	if (!span.window_ns && !span.ago_ns) {
		since_epoch(disk, ops, stages, sum);
	} else {
		covered.to_ns = until_ns;
		if (span.window_ns && span.window_ns < covered.to_ns)
			covered.from_ns = covered.to_ns - span.window_ns;
		stats_history_sum(&disk->history, &covered.from_ns, &covered.to_ns, ops, stages, sum);
		/* The rest is a frame to be: it is taken by the same rule. */
		if (sampled_ns + (now_ns - sampled_ns) / 2 < until_ns || !span.ago_ns) {
			add_rest(disk, ops, stages, sum);
			covered.to_ns = now_ns;
		}
	}
	stats_sum_finish(sum);
	return covered;
}

void stats_disk_epoch_words(const struct stats_disk *disk, uint64_t word[STATS_WORDS])
{
	stats_disk_words(disk, word);
	for (unsigned i = 0; i < STATS_WORDS; i++)
		word[i] -= disk->base_word[i];
}

/* A step that is being added up. */
struct step {
	struct stats_sum *sum;
	uint64_t from_ns, to_ns; /* from_ns 0: none */
	stats_step_fn *each;
	void *context;
};

static void end_step(struct step *step)
{
	if (!step->from_ns)
		return;
	stats_sum_finish(step->sum);
	if (step->sum->reading.total.count)
		step->each(step->context, step->from_ns, step->to_ns, step->sum);
	step->from_ns = 0;
}

static void begin_step(struct step *step, uint64_t from_ns)
{
	if (step->from_ns)
		return;
	stats_sum_init(step->sum);
	step->from_ns = from_ns;
}

void stats_disk_steps(struct stats_disk *disk, uint64_t since_ns, uint64_t step_ns, bool stages, stats_step_fn *each,
		      void *context)
{
	struct step step = {.sum = malloc(sizeof(*step.sum)), .each = each, .context = context};
	uint64_t number = 0;

	if (!step.sum)
		return;
	for (const struct stats_frame *frame = disk->history.first; frame; frame = frame->next) {
		const uint64_t middle = frame->from_ns + (frame->to_ns - frame->from_ns) / 2;

		if (middle < since_ns)
			continue;
		if (middle / step_ns != number)
			end_step(&step);
		number = middle / step_ns;
		begin_step(&step, frame->from_ns);
		stats_sum_add(step.sum, frame->bytes, frame->size, STATS_ALL_OPS, stages, false);
		step.to_ns = frame->to_ns;
	}
	if (disk->stats->sampled_ns / step_ns != number)
		end_step(&step);
	begin_step(&step, disk->stats->sampled_ns);
	add_rest(disk, STATS_ALL_OPS, stages, step.sum);
	step.to_ns = clock_monotonic_ns();
	end_step(&step);
	free(step.sum);
}
