/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "control/daemon_parts.h"
#include "control/methods.h"
#include "control/stats_json.h"

#define WINDOW_NS 10000000000ull /* where none is asked for */

static const struct {
	const char *name;
	unsigned word;
} counters[] = {
	{"reads", STATS_OPS + STORAGE_READ},
	{"writes", STATS_OPS + STORAGE_WRITE},
	{"flushes", STATS_OPS + STORAGE_FLUSH},
	{"discards", STATS_OPS + STORAGE_DISCARD},
	{"write-zeroes", STATS_OPS + STORAGE_WRITE_ZEROES},
	{"bytes-read", STATS_BYTES_READ},
	{"bytes-written", STATS_BYTES_WRITTEN},
	{"errors", STATS_ERRORS},
	{"requests", STATS_REQUESTS},
	{"kicks", STATS_KICKS},
	{"calls", STATS_CALLS},
	{"held", STATS_HELD},
	{"held-ns", STATS_HELD_NS},
};

static json_t *describe_counters(const struct disk *disk)
{
	json_t *object = json_object();
	uint64_t word[STATS_WORDS], held_now = 0;

	stats_disk_epoch_words(disk->stats, word);
	for (unsigned i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		stats_json_set(object, counters[i].name, word[counters[i].word]);
	for (uint32_t i = 0; i < disk->blk.queue_count; i++)
		held_now += __atomic_load_n(&disk->blk.queue[i].queue.held_now, __ATOMIC_RELAXED);
	stats_json_set(object, "in-flight", disk_in_flight(disk));
	stats_json_set(object, "held-now", held_now);
	return object;
}

/* What makes the slow ones slow: of the stages the one in which requests around p99 spend most. */
static void describe_dominant(json_t *object, const struct stage_reading *reading)
{
	double spent_ns[STAGE_COUNT], total_ns;
	unsigned most = 0;

	stage_reading_budget(reading, 0.99, spent_ns, &total_ns);
	for (unsigned stage = 1; stage < STAGE_COUNT; stage++) {
		if (spent_ns[stage] > spent_ns[most])
			most = stage;
	}
	json_object_set_new(object, "dominant-stage", total_ns > 0 ? json_string(stage_names[most]) : json_null());
	json_object_set_new(object, "dominant-share", json_real(total_ns > 0 ? spent_ns[most] / total_ns : 0));
}

static json_t *describe_latency(const struct stage_reading *reading)
{
	json_t *object = stats_json_times(&reading->total);

	stats_json_set(object, "requests", reading->total.count);
	describe_dominant(object, reading);
	return object;
}

static json_t *describe_workers(const struct daemon *daemon, const struct disk *disk)
{
	const uint64_t workers = placement_workers_of(&daemon->placement, disk);
	json_t *array = json_array();

	for (unsigned i = 0; i < CONFIG_MAX_WORKERS; i++) {
		if (workers >> i & 1)
			json_array_append_new(array, json_integer(i));
	}
	return array;
}

static json_t *describe_disk(const struct daemon *daemon, const struct fleet_disk *member, struct stats_span span,
			     struct stats_sum *sum)
{
	const struct disk *disk = &member->disk;
	const struct qos_disk *qos = qos_tree_find_disk(&daemon->qos, member->config->name);
	const char *group = member->config->qos.group;
	json_t *object = json_pack("{s:s,s:s,s:s?}", "name", member->config->name, "state", method_disk_state(member),
				   "group", group[0] ? group : NULL);
	struct stats_covered covered;

	if (!disk->stats)
		return object;
	if (qos) {
		json_object_set_new(object, "noisy", json_boolean(qos->noise.noisy));
		json_object_set_new(object, "pressure", json_real(qos->noise.pressure));
	}
	covered = stats_disk_read(disk->stats, span, STATS_ALL_OPS, false, sum);
	stats_json_set(object, "window-ns", covered.to_ns - covered.from_ns);
	json_object_set_new(object, "counters", describe_counters(disk));
	json_object_set_new(object, "latency", describe_latency(&sum->reading));
	json_object_set_new(object, "workers", describe_workers(daemon, disk));
	return object;
}

static json_t *describe_worker(const struct daemon *daemon, unsigned index)
{
	uint64_t word[STATS_WORKER_WORDS];
	json_t *object = json_object();
	char cpus[256];

	stats_worker_read(daemon->host.stats, index, word);
	cpus_format(&daemon->placement.cpus[index], cpus, sizeof(cpus));
	stats_json_set(object, "index", index);
	stats_json_set(object, "cpu-ns", word[STATS_WORKER_CPU_NS]);
	stats_json_set(object, "run-delay-ns", word[STATS_WORKER_RUN_DELAY_NS]);
	stats_json_set(object, "turns", word[STATS_WORKER_TURNS]);
	stats_json_set(object, "sleeps", word[STATS_WORKER_SLEEPS]);
	stats_json_set(object, "idle-ns", word[STATS_WORKER_IDLE_NS]);
	stats_json_set(object, "steal-ns", word[STATS_WORKER_STEAL_NS]);
	json_object_set_new(object, "cpus", json_string(cpus));
	return object;
}

static json_t *describe_host(const struct daemon *daemon)
{
	json_t *object = json_object();
	unsigned cpu_count;

	stats_json_set(object, "steal-ns", stats_steal_ns(daemon->host.stats, &cpu_count));
	stats_json_set(object, "cpu-count", cpu_count);
	return object;
}

int method_stats_get(struct rpc_call *call, struct error *err)
{
	const struct daemon *daemon = call->daemon;
	const struct stats_span span = stats_json_span(call->params, WINDOW_NS);
	struct fleet_disk *only = NULL;
	struct stats_sum *sum;
	json_t *disks, *workers;
	uint64_t since_ns;

	if (json_object_get(call->params, "disk") && !(only = method_find_disk(call, "disk", err)))
		return err->code;
	sum = malloc(sizeof(*sum));
	if (!sum)
		return error_set(err, -ENOMEM, "no memory for statistics");
	disks = json_array();
	workers = json_array();
	for (struct fleet_disk *member = daemon->fleet.first; member; member = member->next) {
		if (!only || member == only)
			json_array_append_new(disks, describe_disk(daemon, member, span, sum));
	}
	for (unsigned i = 0; i < stats_worker_count(daemon->host.stats); i++)
		json_array_append_new(workers, describe_worker(daemon, i));
	free(sum);
	call->result = json_pack(
		"{s:I,s:I,s:I,s:o,s:o,s:o,s:o}", "epoch", (json_int_t)stats_epoch(daemon->host.stats, NULL, &since_ns),
		"time-ns", (json_int_t)clock_monotonic_ns(), "window-ns", (json_int_t)span.window_ns, "disks", disks,
		"workers", workers, "host", describe_host(daemon), "groups", method_describe_groups(daemon));
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}

int method_stats_reset(struct rpc_call *call, struct error *err)
{
	struct fleet_disk *only = NULL;

	if (json_object_get(call->params, "disk") && !(only = stats_json_disk(call, err)))
		return err->code;
	call->result = json_pack("{s:I}", "epoch",
				 (json_int_t)stats_reset(call->daemon->host.stats, only ? only->disk.stats : NULL));
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}
