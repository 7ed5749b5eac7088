/* SPDX-License-Identifier: Apache-2.0 */
#include "top/reading.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number(const json_t *object, const char *key)
{
	const json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

static double fraction(const json_t *object, const char *key)
{
	const double value = json_number_value(json_object_get(object, key));

	return isfinite(value) && value > 0 ? value : 0;
}

/* Cut to what fits; a terminal gets no byte that it could obey. */
static void text(char *out, const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));
	unsigned length = 0;

	for (; value && value[length] && length < TOP_TEXT - 1; length++)
		out[length] = value[length] >= ' ' && value[length] <= '~' ? value[length] : '?';
	out[length] = '\0';
}

static void parse_latency(struct top_latency *latency, const json_t *object)
{
	latency->requests = number(object, "requests");
	latency->p50_ns = number(object, "p50-ns");
	latency->p99_ns = number(object, "p99-ns");
	latency->p999_ns = number(object, "p999-ns");
	latency->max_ns = number(object, "max-ns");
	latency->mean_ns = fraction(object, "mean-ns");
	text(latency->stage, object, "dominant-stage");
	latency->stage_share = fraction(object, "dominant-share");
}

static void parse_counters(struct top_counters *counters, const json_t *object)
{
	*counters = (struct top_counters){
		.reads = number(object, "reads"),
		.writes = number(object, "writes"),
		.flushes = number(object, "flushes"),
		.discards = number(object, "discards"),
		.write_zeroes = number(object, "write-zeroes"),
		.bytes_read = number(object, "bytes-read"),
		.bytes_written = number(object, "bytes-written"),
		.errors = number(object, "errors"),
		.requests = number(object, "requests"),
		.kicks = number(object, "kicks"),
		.calls = number(object, "calls"),
		.in_flight = number(object, "in-flight"),
		.held_now = number(object, "held-now"),
		.held_ns = number(object, "held-ns"),
	};
}

static void parse_disk(struct top_disk *disk, const json_t *object)
{
	const json_t *worker;
	size_t i;

	text(disk->name, object, "name");
	text(disk->state, object, "state");
	text(disk->group, object, "group");
	disk->window_ns = number(object, "window-ns");
	disk->noisy = json_is_true(json_object_get(object, "noisy"));
	disk->pressure = fraction(object, "pressure");
	parse_counters(&disk->counters, json_object_get(object, "counters"));
	parse_latency(&disk->latency, json_object_get(object, "latency"));
	json_array_foreach(json_object_get(object, "workers"), i, worker)
	{
		const json_int_t index = json_is_integer(worker) ? json_integer_value(worker) : -1;

		if (index >= 0 && index < TOP_MAX_WORKERS)
			disk->worker[index] = true;
	}
}

static void parse_worker(struct top_worker *worker, const json_t *object)
{
	worker->index = (unsigned)number(object, "index");
	worker->cpu_ns = number(object, "cpu-ns");
	worker->run_delay_ns = number(object, "run-delay-ns");
	worker->idle_ns = number(object, "idle-ns");
	worker->turns = number(object, "turns");
	worker->sleeps = number(object, "sleeps");
	text(worker->cpus, object, "cpus");
}

int top_reading_parse(struct top_reading *reading, const json_t *result, struct error *err)
{
	const json_t *disks = json_object_get(result, "disks"), *workers = json_object_get(result, "workers");
	const json_t *element;
	size_t i;

	memset(reading, 0, sizeof(*reading));
	if (!json_is_array(disks) || !json_is_array(workers))
		return error_set(err, -EPROTO,
				 "stats.get: its result has no lists \"disks\" and \"workers\": is this a straitd of "
				 "another version?");
	reading->epoch = number(result, "epoch");
	reading->time_ns = number(result, "time-ns");
	reading->steal_ns = number(json_object_get(result, "host"), "steal-ns");
	reading->disks = calloc(json_array_size(disks) + 1, sizeof(*reading->disks));
	reading->workers = calloc(json_array_size(workers) + 1, sizeof(*reading->workers));
	if (!reading->disks || !reading->workers)
		return error_set(err, -ENOMEM, "out of memory");
	json_array_foreach(disks, i, element) parse_disk(&reading->disks[reading->disk_count++], element);
	json_array_foreach(workers, i, element) parse_worker(&reading->workers[reading->worker_count++], element);
	return 0;
}

void top_reading_free(struct top_reading *reading)
{
	free(reading->disks);
	free(reading->workers);
	memset(reading, 0, sizeof(*reading));
}
