/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "control/daemon_parts.h"
#include "control/methods.h"
#include "control/stats_json.h"
#include "engine/stage_clock.h"

#define LIMIT 20 /* where none is asked for */

static int slowest_first(const void *a, const void *b)
{
	const struct slow_request *left = a, *right = b;

	if (left->total_ns != right->total_ns)
		return left->total_ns > right->total_ns ? -1 : 1;
	return (left->at_ms > right->at_ms) - (left->at_ms < right->at_ms);
}

/* The slowest of all queues; *count is how many. NULL: no memory. */
static struct slow_request *collect(const struct blk *blk, size_t *count)
{
	struct slow_request *all = malloc(blk->queue_count * SLOW_MOST * sizeof(*all));

	*count = 0;
	for (uint32_t i = 0; all && i < blk->queue_count; i++) {
		const struct slow_recorder *recorder = stage_clock_slow(&blk->queue[i].queue);

		if (recorder)
			*count += slow_read(recorder, all + *count, SLOW_MOST);
	}
	if (all)
		qsort(all, *count, sizeof(*all), slowest_first);
	return all;
}

static json_t *describe_request(const struct slow_request *request)
{
	static const char *const activities[] = {
		[STAGE_BUSY] = "busy", [STAGE_LOOKING] = "looking", [STAGE_ASLEEP] = "asleep"};
	json_t *object = json_object(), *stages = json_object();

	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		stats_json_set(stages, stage_names[stage], request->spent_ns[stage]);
	stats_json_set(object, "at", request->at_ms);
	json_object_set_new(object, "op", json_string(storage_op_names[request->op]));
	stats_json_set(object, "offset", request->offset);
	stats_json_set(object, "length", request->length);
	stats_json_set(object, "total-ns", request->total_ns);
	json_object_set_new(object, "stages", stages);
	stats_json_set(object, "depth", request->depth);
	stats_json_set(object, "queue", request->queue);
	stats_json_set(object, "worker", request->worker);
	json_object_set_new(object, "activity", json_string(activities[request->activity]));
	stats_json_set(object, "last-look-ns", request->last_look_ns);
	return object;
}

int method_slow_get(struct rpc_call *call, struct error *err)
{
	const json_t *asked = json_object_get(call->params, "limit");
	const size_t limit = asked ? (size_t)json_integer_value(asked) : LIMIT;
	const struct fleet_disk *member = stats_json_disk(call, err);
	struct slow_request *all;
	json_t *requests;
	size_t count;

	if (!member)
		return err->code;
	all = collect(&member->disk.blk, &count);
	if (!all)
		return error_set(err, -ENOMEM, "no memory for slow requests");
	requests = json_array();
	for (size_t i = 0; i < count && i < limit; i++)
		json_array_append_new(requests, describe_request(&all[i]));
	free(all);
	call->result = json_pack("{s:s,s:I,s:o}", "disk", member->config->name, "threshold-ns",
				 (json_int_t)stats_slow_threshold(member->disk.stats), "requests", requests);
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}
