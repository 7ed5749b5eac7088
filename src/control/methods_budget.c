/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/daemon_parts.h"
#include "control/methods.h"
#include "control/stats_json.h"

static unsigned ops_of(const char *op)
{
	for (unsigned i = 0; op && i < STORAGE_OP_COUNT; i++) {
		if (strcmp(op, storage_op_names[i]) == 0)
			return 1u << i;
	}
	return STATS_ALL_OPS;
}

static json_t *describe_levels(const struct stage_reading *reading)
{
	static const double quantiles[] = {0.5, 0.99, 0.999};
	json_t *levels = json_array();

	for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		double spent_ns[STAGE_COUNT], total;
		uint64_t total_ns;
		json_t *stages;

		stage_reading_budget(reading, quantiles[i], spent_ns, &total);
		stages = stats_json_stages(spent_ns, &total_ns);
		json_array_append_new(levels, json_pack("{s:f,s:I,s:o}", "quantile", quantiles[i], "total-ns",
							(json_int_t)total_ns, "stages", stages));
	}
	return levels;
}

static json_t *describe_stages(const struct stage_reading *reading)
{
	json_t *stages = json_object();

	for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
		json_object_set_new(stages, stage_names[stage], stats_json_times(&reading->stage[stage]));
	return stages;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)(part < whole ? part : whole) / (double)whole : 0;
}

static json_t *describe_worker(unsigned index, const uint64_t word[STATS_WORKER_WORDS], uint64_t window_ns)
{
	const uint64_t delay_ns = word[STATS_WORKER_RUN_DELAY_NS];
	json_t *object = json_object();

	stats_json_set(object, "index", index);
	stats_json_set(object, "cpu-ns", word[STATS_WORKER_CPU_NS]);
	stats_json_set(object, "run-delay-ns", delay_ns);
	json_object_set_new(object, "run-delay-share",
			    json_real(share(delay_ns, delay_ns + word[STATS_WORKER_CPU_NS])));
	stats_json_set(object, "steal-ns", word[STATS_WORKER_STEAL_NS]);
	json_object_set_new(object, "steal-share", json_real(share(word[STATS_WORKER_STEAL_NS], window_ns)));
	return object;
}

/* What the host had to do with it: of the workers that serve the disk now, in the same span of time. */
static json_t *describe_host(const struct daemon *daemon, const struct disk *disk, struct stats_covered covered)
{
	const uint64_t workers = placement_workers_of(&daemon->placement, disk);
	const uint64_t window_ns = covered.to_ns - covered.from_ns;
	uint64_t delay_ns = 0, cpu_ns = 0, steal_ns = 0;
	json_t *array = json_array();

	for (unsigned i = 0; i < stats_worker_count(daemon->host.stats); i++) {
		uint64_t word[STATS_WORKER_WORDS];

		if (!(workers >> i & 1))
			continue;
		stats_worker_between(daemon->host.stats, i, covered, word);
		json_array_append_new(array, describe_worker(i, word, window_ns));
		delay_ns += word[STATS_WORKER_RUN_DELAY_NS];
		cpu_ns += word[STATS_WORKER_CPU_NS];
		steal_ns += word[STATS_WORKER_STEAL_NS];
	}
	return json_pack("{s:I,s:f,s:I,s:f,s:o}", "run-delay-ns", (json_int_t)delay_ns, "run-delay-share",
			 share(delay_ns, delay_ns + cpu_ns), "steal-ns", (json_int_t)steal_ns, "steal-share",
			 share(steal_ns, window_ns * json_array_size(array)), "workers", array);
}

int method_budget_get(struct rpc_call *call, struct error *err)
{
	const struct daemon *daemon = call->daemon;
	const char *op = json_string_value(json_object_get(call->params, "op"));
	const struct fleet_disk *member = stats_json_disk(call, err);
	struct stats_covered covered;
	struct stats_sum *sum;
	uint64_t since_ns, epoch;

	if (!member)
		return err->code;
	sum = malloc(sizeof(*sum));
	if (!sum)
		return error_set(err, -ENOMEM, "no memory for statistics");
	covered = stats_disk_read(member->disk.stats, stats_json_span(call->params, 0), ops_of(op), true, sum);
	epoch = stats_epoch(daemon->host.stats, member->disk.stats, &since_ns);
	call->result =
		json_pack("{s:s,s:s?,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:o}", "disk", member->config->name, "op", op,
			  "from-ns", (json_int_t)covered.from_ns, "to-ns", (json_int_t)covered.to_ns, "epoch",
			  (json_int_t)epoch, "requests", (json_int_t)sum->reading.total.count, "levels",
			  describe_levels(&sum->reading), "stages", describe_stages(&sum->reading), "total",
			  stats_json_times(&sum->reading.total), "host", describe_host(daemon, &member->disk, covered));
	free(sum);
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}
