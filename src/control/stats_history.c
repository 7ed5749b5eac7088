/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_history.h"

#include <stdlib.h>
#include <string.h>

void stats_history_init(struct stats_history *history, size_t most, uint64_t now_ns)
{
	*history = (struct stats_history){.most = most, .since_ns = now_ns};
}

static void drop_first(struct stats_history *history)
{
	struct stats_frame *frame = history->first;

	history->first = frame->next;
	if (!history->first)
		history->last = NULL;
	history->used -= sizeof(*frame) + frame->size;
	if (frame->to_ns > history->since_ns)
		history->since_ns = frame->to_ns;
	free(frame);
}

void stats_history_free(struct stats_history *history)
{
	while (history->first)
		drop_first(history);
}

void stats_history_cut(struct stats_history *history, uint64_t since_ns)
{
	while (history->first && history->first->to_ns <= since_ns)
		drop_first(history);
	if (since_ns > history->since_ns)
		history->since_ns = since_ns;
}

void stats_history_add(struct stats_history *history, uint64_t from_ns, uint64_t to_ns, const uint8_t *bytes,
		       size_t size)
{
	struct stats_frame *frame = malloc(sizeof(*frame) + size);

	while (history->first && history->used + sizeof(*frame) + size > history->most)
		drop_first(history);
	if (!frame || history->used + sizeof(*frame) + size > history->most) {
		free(frame);
		stats_history_cut(history, to_ns);
		return;
	}
	*frame = (struct stats_frame){.from_ns = from_ns, .to_ns = to_ns, .size = size};
	memcpy(frame->bytes, bytes, size);
	history->used += sizeof(*frame) + size;
	if (history->last)
		history->last->next = frame;
	else
		history->first = frame;
	history->last = frame;
}

void stats_history_sum(const struct stats_history *history, uint64_t *from_ns, uint64_t *to_ns, unsigned ops,
		       bool stages, struct stats_sum *sum)
{
	const uint64_t from = *from_ns > history->since_ns ? *from_ns : history->since_ns;
	uint64_t begin = from, end = *to_ns;

	for (const struct stats_frame *frame = history->first; frame; frame = frame->next) {
		const uint64_t middle = frame->from_ns + (frame->to_ns - frame->from_ns) / 2;

		if (middle < from) {
			if (frame->to_ns > begin)
				begin = frame->to_ns;
			continue;
		}
		if (middle >= *to_ns) {
			if (frame->from_ns < end)
				end = frame->from_ns;
			break;
		}
		if (frame->from_ns < begin)
			begin = frame->from_ns;
		if (frame->to_ns > end)
			end = frame->to_ns;
		stats_sum_add(sum, frame->bytes, frame->size, ops, stages, false);
	}
	*from_ns = begin;
	*to_ns = end > begin ? end : begin;
}
