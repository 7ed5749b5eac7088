/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include <errno.h>
#include <jansson.h>

#include "bench/feature_names.h"

/* Raised when a key changes its meaning or goes; a new key does not count. */
#define SCHEMA 1

static json_t *unsigned_json(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* A share of something that may be nothing. */
static json_t *ratio(double value, double of)
{
	return of > 0 ? json_real(value / of) : json_null();
}

static void set_features(json_t *object, const char *key, uint64_t bits, const char *(*name)(unsigned))
{
	json_t *list = json_array();

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(bits >> bit & 1))
			continue;
		json_array_append_new(list, name(bit) ? json_string(name(bit)) : json_sprintf("bit %u", bit));
	}
	json_object_set_new(object, key, list);
}

static json_t *options_json(const struct bench_options *options)
{
	json_t *object = json_object();

	json_object_set_new(object, "rw", json_string(options->rw));
	json_object_set_new(object, "read_percent", options->mixed ? json_integer(options->read_percent) : json_null());
	json_object_set_new(object, "block_size", json_string(options->block_text));
	json_object_set_new(object, "segment_size", unsigned_json(options->segment_size));
	json_object_set_new(object, "depth", json_integer(options->depth));
	json_object_set_new(object, "queues", json_integer(options->queues));
	json_object_set_new(object, "queue_size", json_integer(options->queue_size));
	json_object_set_new(object, "ring", json_string(options->packed ? "packed" : "split"));
	json_object_set_new(object, "mode", json_string(options->mode == BENCH_POLLED ? "polled" : "event"));
	json_object_set_new(object, "event_idx", json_boolean(options->event_idx));
	json_object_set_new(object, "indirect", json_boolean(options->indirect));
	json_object_set_new(object, "flush_every", json_integer(options->flush_every));
	json_object_set_new(object, "unmap", json_boolean(options->unmap));
	json_object_set_new(object, "rate", options->rate > 0 ? json_real(options->rate) : json_null());
	json_object_set_new(object, "time_seconds",
			    options->time_ns ? json_real((double)options->time_ns / 1e9) : json_null());
	json_object_set_new(object, "warm_up_seconds", json_real((double)options->warm_up_ns / 1e9));
	json_object_set_new(object, "io_count", options->io_count ? unsigned_json(options->io_count) : json_null());
	json_object_set_new(object, "verify", json_boolean(options->verify));
	json_object_set_new(object, "seed", unsigned_json(options->seed));
	json_object_set_new(object, "reconnect", json_integer(options->reconnects));
	json_object_set_new(object, "inflight", json_boolean(options->inflight));
	json_object_set_new(object, "survive_seconds",
			    options->survive_ns ? json_real((double)options->survive_ns / 1e9) : json_null());
	return object;
}

static json_t *device_json(const struct bench_result *result)
{
	const struct bench_device_info *device = &result->device;
	json_t *object = json_object();

	json_object_set_new(object, "capacity_bytes", unsigned_json(device->capacity));
	json_object_set_new(object, "block_size", json_integer(device->block_size));
	json_object_set_new(object, "read_only", json_boolean(device->read_only));
	json_object_set_new(object, "queues", json_integer(device->queues_offered));
	json_object_set_new(object, "memory_slots", json_integer(device->memory_slots));
	/* Any bytes can be in there. */
	json_object_set_new(object, "serial", json_string(device->serial) ?: json_null());
	set_features(object, "features", device->features, bench_feature_name);
	set_features(object, "protocol_features", device->protocol_features, bench_protocol_feature_name);
	json_object_set_new(object, "config_changes", unsigned_json(result->config_changes));
	return object;
}

static json_t *latency_json(const struct hist *hist)
{
	static const struct {
		const char *key;
		double q;
	} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99_9", 0.999}, {"p99_99", 0.9999}};
	json_t *object;

	if (!hist->count)
		return json_null();
	object = json_object();
	json_object_set_new(object, "min", unsigned_json(hist->min));
	json_object_set_new(object, "mean", json_real((double)hist->sum / (double)hist->count));
	for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		json_object_set_new(object, quantiles[i].key, unsigned_json(hist_quantile(hist, quantiles[i].q)));
	json_object_set_new(object, "max", unsigned_json(hist->max));
	return object;
}

/* What there is to say of one operation, or of all together. */
static json_t *throughput_json(const struct hist *latency, uint64_t bytes, double seconds)
{
	json_t *object = json_object();

	json_object_set_new(object, "ios", unsigned_json(latency->count));
	json_object_set_new(object, "iops", ratio((double)latency->count, seconds));
	json_object_set_new(object, "bytes", unsigned_json(bytes));
	json_object_set_new(object, "bytes_per_second", ratio((double)bytes, seconds));
	json_object_set_new(object, "latency_ns", latency_json(latency));
	return object;
}

static json_t *errors_json(const uint64_t *errors)
{
	json_t *object = json_object();

	for (unsigned kind = 0; kind < BENCH_ERROR_KINDS; kind++)
		json_object_set_new(object, bench_error_names[kind], unsigned_json(errors[kind]));
	return object;
}

static json_t *operations_json(const struct bench_result *result)
{
	json_t *object = json_object();

	for (unsigned op = 0; op < BENCH_OP_COUNT; op++) {
		const struct bench_op_result *one = &result->op[op];
		json_t *entry;
		uint64_t errors = 0;

		for (unsigned kind = 0; kind < BENCH_ERROR_KINDS; kind++)
			errors += one->errors[kind];
		if (!one->latency.count && !errors)
			continue;
		entry = throughput_json(&one->latency, one->bytes, result->seconds);
		json_object_set_new(entry, "errors", errors_json(one->errors));
		json_object_set_new(object, bench_op_names[op], entry);
	}
	return object;
}

static json_t *process_json(const struct bench_procstat *used, double seconds, uint64_t ios)
{
	json_t *object;

	if (!used->valid)
		return json_null();
	object = json_object();
	json_object_set_new(object, "user_seconds", json_real(used->user_s));
	json_object_set_new(object, "system_seconds", json_real(used->system_s));
	json_object_set_new(object, "cpus", ratio(used->cpu_s, seconds));
	json_object_set_new(object, "us_per_io", ratio(used->cpu_s * 1e6, (double)ios));
	json_object_set_new(object, "voluntary_switches", unsigned_json(used->voluntary));
	json_object_set_new(object, "involuntary_switches", unsigned_json(used->involuntary));
	return object;
}

static json_t *back_end_json(const struct bench_result *result, uint64_t ios)
{
	json_t *object = json_object();

	json_object_set_new(object, "pid", json_integer(result->device.pid));
	json_object_set_new(object, "process", json_string(result->device.process) ?: json_null());
	json_object_set_new(object, "cpu", process_json(&result->back_end, result->seconds, ios));
	return object;
}

static json_t *notifications_json(const struct bench_result *result, uint64_t ios)
{
	json_t *object = json_object();

	json_object_set_new(object, "kicks", unsigned_json(result->kicks));
	json_object_set_new(object, "calls", unsigned_json(result->calls));
	json_object_set_new(object, "kicks_per_io", ratio((double)result->kicks, (double)ios));
	json_object_set_new(object, "calls_per_io", ratio((double)result->calls, (double)ios));
	json_object_set_new(object, "publishes", unsigned_json(result->publishes));
	json_object_set_new(object, "ios_per_publish", ratio((double)ios, (double)result->publishes));
	return object;
}

static json_t *error_samples_json(const struct bench_result *result)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < result->sample_count; i++) {
		const struct bench_error_sample *sample = &result->sample[i];
		json_t *object = json_object();

		json_object_set_new(object, "kind", json_string(bench_error_names[sample->kind]));
		json_object_set_new(object, "operation", json_string(bench_op_names[sample->op]));
		json_object_set_new(object, "offset", unsigned_json(sample->offset));
		json_object_set_new(object, "length", unsigned_json(sample->length));
		json_object_set_new(object, "status", json_integer(sample->status));
		json_object_set_new(object, "used_length", unsigned_json(sample->used_length));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *verify_samples_json(const struct bench_verify *verify)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < verify->sample_count; i++) {
		const struct bench_verify_sample *sample = &verify->sample[i];
		const bool stamped = sample->verdict == BENCH_STAMP_STALE || sample->verdict == BENCH_STAMP_TORN ||
				     sample->verdict == BENCH_STAMP_MISPLACED;
		json_t *object = json_object();

		json_object_set_new(object, "kind", json_string(bench_stamp_names[sample->verdict]));
		json_object_set_new(object, "offset", unsigned_json(sample->offset));
		json_object_set_new(object, "request_offset", unsigned_json(sample->request_offset));
		json_object_set_new(object, "request_length", unsigned_json(sample->request_length));
		json_object_set_new(object, "expected_generation", unsigned_json(sample->expected_generation));
		json_object_set_new(object, "found_generation",
				    stamped ? unsigned_json(sample->found.generation) : json_null());
		json_object_set_new(object, "found_offset",
				    stamped ? unsigned_json(sample->found.offset) : json_null());
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *verify_json(const struct bench_result *result)
{
	const struct bench_verify *verify = &result->verify;
	json_t *object, *bad;

	if (!result->verified)
		return json_null();
	object = json_object();
	bad = json_object();
	json_object_set_new(object, "bytes_written", unsigned_json(verify->written));
	json_object_set_new(object, "bytes_checked", unsigned_json(verify->checked));
	json_object_set_new(object, "bytes_unknown", unsigned_json(verify->unknown));
	json_object_set_new(object, "bad_requests", unsigned_json(verify->bad_requests));
	for (unsigned i = BENCH_STAMP_GOOD + 1; i < BENCH_STAMP_VERDICTS; i++)
		json_object_set_new(bad, bench_stamp_names[i], unsigned_json(verify->bad[i]));
	json_object_set_new(object, "bad_sectors", bad);
	json_object_set_new(object, "samples", verify_samples_json(verify));
	return object;
}

static json_t *reconnects_json(const struct bench_options *options, const struct bench_result *result)
{
	const struct bench_reconnect_result *reconnect = &result->reconnect;
	json_t *object;

	if (!options->reconnects)
		return json_null();
	object = json_object();
	json_object_set_new(object, "done", unsigned_json(reconnect->done));
	json_object_set_new(object, "retries", unsigned_json(reconnect->retries));
	json_object_set_new(object, "undrained", unsigned_json(reconnect->undrained));
	json_object_set_new(object, "left_in_ring", unsigned_json(reconnect->left));
	json_object_set_new(object, "longest_ns", unsigned_json(reconnect->longest_ns));
	return object;
}

static json_t *survived_json(const struct bench_options *options, const struct bench_result *result)
{
	const struct bench_survive_result *survived = &result->survived;
	json_t *object;

	if (!options->survive_ns)
		return json_null();
	object = json_object();
	json_object_set_new(object, "count", unsigned_json(survived->count));
	json_object_set_new(object, "retries", unsigned_json(survived->retries));
	json_object_set_new(object, "to_connect_ns", latency_json(&survived->to_connect));
	json_object_set_new(object, "to_first_completion_ns", latency_json(&survived->to_first));
	json_object_set_new(object, "outage_ns", latency_json(&survived->outage));
	json_object_set_new(object, "longest_stall_ns", unsigned_json(survived->longest_stall_ns));
	return object;
}

static json_t *report_json(const struct bench_options *options, const struct bench_result *result)
{
	json_t *root = json_object(), *total;
	struct hist latency;
	uint64_t bytes, errors[BENCH_ERROR_KINDS] = {0};

	bench_result_total(result, &latency, &bytes);
	total = throughput_json(&latency, bytes, result->seconds);
	for (unsigned op = 0; op < BENCH_OP_COUNT; op++) {
		for (unsigned kind = 0; kind < BENCH_ERROR_KINDS; kind++)
			errors[kind] += result->op[op].errors[kind];
	}
	json_object_set_new(root, "schema", json_integer(SCHEMA));
	json_object_set_new(root, "version", json_string(STRAIT_VERSION));
	json_object_set_new(root, "socket", json_string(options->socket) ?: json_null());
	json_object_set_new(root, "failure",
			    result->outcome == BENCH_FINISHED ? json_null() : json_string(result->failure));
	json_object_set_new(root, "exit_code", json_integer(bench_result_exit_code(result)));
	json_object_set_new(root, "interrupted", json_boolean(result->interrupted));
	json_object_set_new(root, "options", options_json(options));
	json_object_set_new(root, "region",
			    json_pack("{s:o, s:o}", "offset_bytes", unsigned_json(result->region), "size_bytes",
				      unsigned_json(result->region_size)));
	json_object_set_new(root, "device", device_json(result));
	json_object_set_new(root, "seconds", json_real(result->seconds));
	json_object_set_new(root, "connect_ns", unsigned_json(result->connect_ns));
	json_object_set_new(root, "first_completion_ns",
			    result->first_completion_ns ? unsigned_json(result->first_completion_ns) : json_null());
	json_object_set_new(root, "total", total);
	json_object_set_new(root, "operations", operations_json(result));
	json_object_set_new(root, "errors", errors_json(errors));
	json_object_set_new(root, "error_samples", error_samples_json(result));
	json_object_set_new(root, "notifications", notifications_json(result, latency.count));
	json_object_set_new(root, "backlog", options->rate > 0 ? unsigned_json(result->backlog) : json_null());
	json_object_set_new(root, "back_end", back_end_json(result, latency.count));
	json_object_set_new(root, "front_end", process_json(&result->front_end, result->seconds, latency.count));
	json_object_set_new(root, "reconnects", reconnects_json(options, result));
	json_object_set_new(root, "survived", survived_json(options, result));
	json_object_set_new(root, "verify", verify_json(result));
	return root;
}

int bench_report_json(FILE *out, const struct bench_options *options, const struct bench_result *result)
{
	json_t *root = report_json(options, result);
	int ret;

	if (!root)
		return -ENOMEM;
	ret = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	json_decref(root);
	if (ret < 0 || fputc('\n', out) == EOF || fflush(out) == EOF)
		return -EIO;
	return 0;
}
