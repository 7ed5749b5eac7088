/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <string.h>

#include "bench/units.h"

#define TEXT 32

static const char *const columns[] = {"",    "IOPS", "THROUGHPUT", "MIN",    "MEAN", "P50",
				      "P90", "P99",  "P99.9",      "P99.99", "MAX",  "ERRORS"};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999};

static int add_line(struct libscols_table *table, const char *name, const struct hist *latency, uint64_t bytes,
		    double seconds, uint64_t errors)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char text[TEXT];
	unsigned at = 0;
	int ret;

	if (!line)
		return -ENOMEM;
	ret = scols_line_set_data(line, at++, name);
	if (seconds <= 0)
		seconds = 1;
	ret |= scols_line_set_data(line, at++, bench_format_count((double)latency->count / seconds, text, TEXT));
	strcpy(text, "-");
	if (bytes)
		strcat(bench_format_bytes((double)bytes / seconds, text, TEXT - 2), "/s");
	ret |= scols_line_set_data(line, at++, text);
	if (latency->count) {
		const double mean = (double)latency->sum / (double)latency->count;

		ret |= scols_line_set_data(line, at++, bench_format_ns((double)latency->min, text, TEXT));
		ret |= scols_line_set_data(line, at++, bench_format_ns(mean, text, TEXT));
		for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
			const double value = (double)hist_quantile(latency, quantiles[i]);

			ret |= scols_line_set_data(line, at++, bench_format_ns(value, text, TEXT));
		}
		ret |= scols_line_set_data(line, at, bench_format_ns((double)latency->max, text, TEXT));
	}
	snprintf(text, TEXT, "%llu", (unsigned long long)errors);
	ret |= scols_line_set_data(line, COLUMNS - 1, text);
	return ret ? -ENOMEM : 0;
}

static uint64_t errors_of(const struct bench_op_result *one)
{
	uint64_t errors = 0;

	for (unsigned kind = 0; kind < BENCH_ERROR_KINDS; kind++)
		errors += one->errors[kind];
	return errors;
}

static int fill_table(struct libscols_table *table, const struct bench_result *result)
{
	unsigned lines = 0;
	struct hist latency;
	uint64_t bytes;
	int ret = 0;

	for (unsigned i = 0; i < COLUMNS && !ret; i++) {
		if (!scols_table_new_column(table, columns[i], 0, i ? SCOLS_FL_RIGHT : 0))
			ret = -ENOMEM;
	}
	for (unsigned op = 0; op < BENCH_OP_COUNT && !ret; op++) {
		const struct bench_op_result *one = &result->op[op];

		if (!one->latency.count && !errors_of(one))
			continue;
		ret = add_line(table, bench_op_names[op], &one->latency, one->bytes, result->seconds, errors_of(one));
		lines++;
	}
	if (!ret && lines != 1) {
		bench_result_total(result, &latency, &bytes);
		ret = add_line(table, "all", &latency, bytes, result->seconds, bench_result_errors(result));
	}
	return ret;
}

static int print_table(FILE *out, const struct bench_result *result)
{
	struct libscols_table *table;
	int ret;

	scols_init_debug(0);
	table = scols_new_table();
	if (!table)
		return -ENOMEM;
	scols_table_set_stream(table, out);
	ret = fill_table(table, result);
	if (!ret && scols_print_table(table) < 0)
		ret = -EIO;
	scols_unref_table(table);
	return ret;
}

static void print_heading(FILE *out, const struct bench_options *options, const struct bench_result *result)
{
	const struct bench_device_info *device = &result->device;
	char size[TEXT], region[TEXT];

	fprintf(out, "%s: %s (process %d), %s%s", options->socket, device->process, (int)device->pid,
		bench_format_bytes((double)device->capacity, size, TEXT), device->read_only ? ", read-only" : "");
	if (device->serial[0])
		fprintf(out, ", serial %s", device->serial);
	fprintf(out, "\n%s of %s over %s, %u %s queue%s of %u, depth %u, %s%s%s, %.3g s%s\n\n", options->rw,
		options->block_text, bench_format_bytes((double)result->region_size, region, TEXT), options->queues,
		options->packed ? "packed" : "split", options->queues == 1 ? "" : "s", options->queue_size,
		options->depth, options->mode == BENCH_POLLED ? "polled" : "event-driven",
		options->event_idx ? "" : ", no event index", options->indirect ? "" : ", no indirect descriptors",
		result->seconds, result->interrupted ? " (interrupted)" : "");
}

static void print_process(FILE *out, const char *name, const struct bench_procstat *used,
			  const struct bench_result *result, uint64_t ios)
{
	const double cpu = used->cpu_s;

	if (!used->valid) {
		fprintf(out, "%-17s CPU unknown\n", name);
		return;
	}
	fprintf(out, "%-17s %.2f CPUs", name, result->seconds > 0 ? cpu / result->seconds : 0.0);
	if (ios)
		fprintf(out, ", %.3g us per I/O", cpu * 1e6 / (double)ios);
	fprintf(out, " (user %.2f s, system %.2f s), context switches: %llu voluntary, %llu involuntary\n",
		used->user_s, used->system_s, (unsigned long long)used->voluntary,
		(unsigned long long)used->involuntary);
}

static void print_notifications(FILE *out, const struct bench_result *result, uint64_t ios)
{
	const double each = ios ? 1.0 / (double)ios : 0;

	fprintf(out, "%-17s %.3g kicks and %.3g calls per I/O (%llu and %llu), %.3g I/Os a publish\n", "notifications",
		(double)result->kicks * each, (double)result->calls * each, (unsigned long long)result->kicks,
		(unsigned long long)result->calls, result->publishes ? (double)ios / (double)result->publishes : 0.0);
}

static void print_verify(FILE *out, const struct bench_verify *verify)
{
	char written[TEXT], checked[TEXT];
	const char *separator = "";

	fprintf(out, "%-17s %s written, %s checked: ", "verification",
		bench_format_bytes((double)verify->written, written, TEXT),
		bench_format_bytes((double)verify->checked, checked, TEXT));
	if (!bench_verify_errors(verify)) {
		fprintf(out, "all as written\n");
		return;
	}
	for (unsigned i = BENCH_STAMP_GOOD + 1; i < BENCH_STAMP_VERDICTS; i++) {
		if (verify->bad[i]) {
			fprintf(out, "%s%llu %s", separator, (unsigned long long)verify->bad[i], bench_stamp_names[i]);
			separator = ", ";
		}
	}
	fprintf(out, " sectors in %llu reads\n", (unsigned long long)verify->bad_requests);
	for (unsigned i = 0; i < verify->sample_count; i++) {
		const struct bench_verify_sample *sample = &verify->sample[i];

		fprintf(out, "  sector at %llu, read with %u bytes at %llu: %s", (unsigned long long)sample->offset,
			sample->request_length, (unsigned long long)sample->request_offset,
			bench_stamp_names[sample->verdict]);
		if (sample->expected_generation)
			fprintf(out, ", expected write %u", sample->expected_generation);
		else
			fprintf(out, ", expected zeroes");
		if (sample->verdict == BENCH_STAMP_MISPLACED)
			fprintf(out, ", found write %u of offset %llu", sample->found.generation,
				(unsigned long long)sample->found.offset);
		else if (sample->verdict == BENCH_STAMP_STALE || sample->verdict == BENCH_STAMP_TORN)
			fprintf(out, ", found write %u", sample->found.generation);
		fputc('\n', out);
	}
}

static void print_errors(FILE *out, const struct bench_result *result)
{
	for (unsigned i = 0; i < result->sample_count; i++) {
		const struct bench_error_sample *sample = &result->sample[i];

		fprintf(out, "%-17s %s of %u bytes at %llu: %s (status %u, %u bytes used)\n", i ? "" : "errors",
			bench_op_names[sample->op], sample->length, (unsigned long long)sample->offset,
			bench_error_names[sample->kind], sample->status, sample->used_length);
	}
}

static void print_reconnects(FILE *out, const struct bench_reconnect_result *reconnect)
{
	char longest[TEXT];

	fprintf(out, "%-17s %llu, the longest took %s; %llu requests came after the stop, %llu stayed in the rings\n",
		"reconnects", (unsigned long long)reconnect->done,
		bench_format_ns((double)reconnect->longest_ns, longest, TEXT), (unsigned long long)reconnect->undrained,
		(unsigned long long)reconnect->left);
}

static void print_survived(FILE *out, const struct bench_survive_result *survived)
{
	const struct hist *const hists[] = {&survived->to_connect, &survived->to_first, &survived->outage};
	static const char *const names[] = {"to the next connection", "from there to a completion", "both"};
	char median[TEXT], p99[TEXT], most[TEXT];

	fprintf(out, "%-17s %llu; the longest stall took %s\n", "crashes survived", (unsigned long long)survived->count,
		bench_format_ns((double)survived->longest_stall_ns, most, TEXT));
	for (unsigned i = 0; survived->outage.count && i < 3; i++)
		fprintf(out, "%-17s   %-26s  median %s, p99 %s, max %s\n", "", names[i],
			bench_format_ns((double)hist_quantile(hists[i], 0.5), median, TEXT),
			bench_format_ns((double)hist_quantile(hists[i], 0.99), p99, TEXT),
			bench_format_ns((double)hists[i]->max, most, TEXT));
}

int bench_report_text(FILE *out, const struct bench_options *options, const struct bench_result *result)
{
	struct hist latency;
	uint64_t bytes;
	char text[TEXT];
	int ret;

	bench_result_total(result, &latency, &bytes);
	print_heading(out, options, result);
	ret = print_table(out, result);
	if (ret < 0)
		return ret;
	fputc('\n', out);
	print_process(out, "back end", &result->back_end, result, latency.count);
	print_process(out, "front end", &result->front_end, result, latency.count);
	print_notifications(out, result, latency.count);
	fprintf(out, "%-17s %s after connecting\n", "first completion",
		bench_format_ns((double)result->first_completion_ns, text, TEXT));
	if (options->rate > 0)
		fprintf(out, "%-17s %s IOPS asked for, %llu requests behind at the end\n", "schedule",
			bench_format_count(options->rate, text, TEXT), (unsigned long long)result->backlog);
	if (options->reconnects)
		print_reconnects(out, &result->reconnect);
	if (options->survive_ns)
		print_survived(out, &result->survived);
	print_errors(out, result);
	if (result->verified)
		print_verify(out, &result->verify);
	return fflush(out) == EOF || ferror(out) ? -EIO : 0;
}
