/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "audit/exits.h"
#include "host/model_json.h"

static json_t *real(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *histogram(const struct hist *hist)
{
	json_t *steps = json_array();

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		if (hist->bucket[i])
			json_array_append_new(steps, json_pack("{s:I,s:I}", "from-ns", (json_int_t)hist_lower(i),
							       "count", (json_int_t)hist->bucket[i]));
	}
	return steps;
}

static void add_times(json_t *json, const struct hist *taken)
{
	json_object_set_new(json, "min-ns", json_integer((json_int_t)taken->min));
	json_object_set_new(json, "mean-ns", json_real((double)taken->sum / (double)taken->count));
	json_object_set_new(json, "p50-ns", json_integer((json_int_t)hist_quantile(taken, 0.5)));
	json_object_set_new(json, "p99-ns", json_integer((json_int_t)hist_quantile(taken, 0.99)));
	json_object_set_new(json, "max-ns", json_integer((json_int_t)taken->max));
	json_object_set_new(json, "histogram", histogram(taken));
}

static json_t *row_json(const struct exit_row *row)
{
	json_t *json = json_pack("{s:o,s:f,s:o,s:o,s:o}", "reason", host_text_json(row->reason), "rate", row->rate,
				 "share", real(row->share), "time-share", real(row->time), "verdict",
				 host_text_json(exit_verdict_name(row->verdict)));

	if (row->limit)
		json_object_set_new(json, "then", json_string(row->limit->then));
	if (row->limit && row->limit->worrying > 0) {
		json_object_set_new(json, "normal-below", json_real(row->limit->normal));
		json_object_set_new(json, "worrying-above", json_real(row->limit->worrying));
	}
	if (row->taken && row->taken->count)
		add_times(json, row->taken);
	return json;
}

static json_t *guest_json(const struct guest_exits *entry)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < entry->count; i++)
		json_array_append_new(rows, row_json(&entry->row[i]));
	return json_pack("{s:o,s:o,s:s,s:o,s:o}", "guest", host_text_json(entry->guest ? entry->guest->name : NULL),
			 "pid", entry->pid > 0 ? json_integer(entry->pid) : json_null(), "by",
			 entry->traced ? "tracepoints" : "statistics", "rate", real(entry->rate), "exits", rows);
}

json_t *exits_json(const struct host_exits *exits, const struct exit_summary *summary, const struct error *why)
{
	json_t *guests = json_array();

	for (unsigned i = 0; i < summary->count; i++)
		json_array_append_new(guests, guest_json(&summary->guest[i]));
	return json_pack("{s:o,s:o,s:I,s:o,s:o}", "source", host_text_json(exits->source), "seconds",
			 exits->seconds > 0 ? json_real(exits->seconds) : json_null(), "lost", (json_int_t)exits->lost,
			 "not-traced", host_text_json(why->code ? why->text : NULL), "guests", guests);
}
