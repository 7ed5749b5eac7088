/* SPDX-License-Identifier: Apache-2.0 */
#include "top/report_json.h"

#include <math.h>

static json_t *known(double value)
{
	return isnan(value) ? json_null() : json_real(value);
}

static json_t *known_ns(double value)
{
	return isnan(value) ? json_null() : json_integer((json_int_t)value);
}

static json_t *text_or_null(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

static json_t *disk(const struct top_row *row)
{
	return json_pack("{s:s, s:s, s:o, s:b, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:o, s:o, s:o, s:o, s:o, s:o}",
			 "name", row->name, "state", row->state, "group", text_or_null(row->group), "noisy", row->noisy,
			 "pressure", row->pressure, "iops", known(row->iops), "read-iops", known(row->read_iops),
			 "write-iops", known(row->write_iops), "read-bps", known(row->read_bytes), "write-bps",
			 known(row->write_bytes), "errors", known(row->errors), "depth", known(row->depth), "p50-ns",
			 known_ns(row->p50_ns), "p99-ns", known_ns(row->p99_ns), "p999-ns", known_ns(row->p999_ns),
			 "max-ns", known_ns(row->max_ns), "stage", text_or_null(row->stage), "stage-share",
			 known(row->stage_share), "held", known_ns(row->held), "held-share", known(row->held_share),
			 "worker-cpu", known(row->cpu), "kicks-per-io", known(row->kicks), "calls-per-io",
			 known(row->calls), "sleeps", known(row->sleeps));
}

static json_t *worker(const struct top_worker_row *row)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "index", (int)row->index, "cpu", known(row->cpu),
			 "run-delay", known(row->run_delay), "polls", known(row->polls), "sleeps", known(row->sleeps),
			 "cpus", text_or_null(row->cpus));
}

json_t *top_report_json(const struct top_view *view, struct top_rates *rates)
{
	json_t *disks = json_array(), *workers = json_array();

	top_rows_sort(rates->rows, rates->count, view->sort, view->reverse);
	for (unsigned i = 0; i < rates->count; i++) {
		if (top_row_matches(&rates->rows[i], view->filter))
			json_array_append_new(disks, disk(&rates->rows[i]));
	}
	for (unsigned i = 0; i < rates->worker_count; i++)
		json_array_append_new(workers, worker(&rates->workers[i]));
	return json_pack("{s:o, s:o, s:o}", "seconds", known(rates->seconds), "disks", disks, "workers", workers);
}
