/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/clock.h"
#include "control/methods.h"
#include "control/stats_json.h"

#define SECOND_NS  1000000000ull
#define STEPS_MAX  300
#define BUCKETS_OF 4 /* an octave, of the HIST_STEPS there are */

/* [[lower-ns, count], ...]: what a heat map shows. */
static json_t *describe_buckets(const struct stage_reading *reading)
{
	const unsigned width = HIST_STEPS / BUCKETS_OF;
	json_t *buckets = json_array();

	for (unsigned first = 0; first < HIST_BUCKETS; first += width) {
		uint64_t count = 0;

		if (!(reading->total_octaves >> (first >> HIST_STEP_BITS) & 1))
			continue;
		for (unsigned i = first; i < first + width; i++)
			count += reading->total.bucket[i];
		if (count)
			json_array_append_new(buckets,
					      json_pack("[I,I]", (json_int_t)hist_lower(first), (json_int_t)count));
	}
	return buckets;
}

static void add_frame(void *context, uint64_t from_ns, uint64_t to_ns, struct stats_sum *sum)
{
	const struct stage_reading *reading = &sum->reading;
	const struct hist *total = &reading->total;
	json_t *frame = json_object();

	stats_json_set(frame, "at-ns", to_ns);
	stats_json_set(frame, "span-ns", to_ns - from_ns);
	stats_json_set(frame, "requests", total->count);
	stats_json_set(frame, "bytes", sum->word[STATS_BYTES_READ] + sum->word[STATS_BYTES_WRITTEN]);
	stats_json_set(frame, "p50-ns", hist_quantile(total, 0.5));
	stats_json_set(frame, "p99-ns", hist_quantile(total, 0.99));
	stats_json_set(frame, "p999-ns", hist_quantile(total, 0.999));
	stats_json_set(frame, "held", sum->word[STATS_HELD]);
	json_object_set_new(frame, "buckets", describe_buckets(reading));
	json_array_append_new(context, frame);
}

int method_history_get(struct rpc_call *call, struct error *err)
{
	const uint64_t seconds = (uint64_t)json_integer_value(json_object_get(call->params, "seconds"));
	const json_t *asked = json_object_get(call->params, "steps");
	const uint64_t steps = asked ? (uint64_t)json_integer_value(asked) : STEPS_MAX;
	const struct fleet_disk *member = stats_json_disk(call, err);
	const uint64_t now_ns = clock_monotonic_ns(), step_ns = (seconds + steps - 1) / steps * SECOND_NS;
	json_t *frames;

	if (!member)
		return err->code;
	frames = json_array();
	stats_disk_steps(member->disk.stats, seconds * SECOND_NS < now_ns ? now_ns - seconds * SECOND_NS : 0, step_ns,
			 false, add_frame, frames);
	call->result = json_pack("{s:s,s:I,s:I,s:o}", "disk", member->config->name, "time-ns", (json_int_t)now_ns,
				 "step-ns", (json_int_t)step_ns, "frames", frames);
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}
