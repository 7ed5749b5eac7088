/* SPDX-License-Identifier: Apache-2.0 */
#include "control/metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "control/metrics_parts.h"

/* What was made is new for so long. */
#define NEW_NS 100000000ull

/* While so many bytes wait for readers, these get what was made last, however old it is. */
#define WAITING_MAX (64u << 20)

/* Of all texts that somebody reads, or may. One thread. */
static size_t bytes_in_use;

struct metrics *metrics_new(struct daemon *daemon, struct error *err)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics) {
		error_set(err, -ENOMEM, "no memory for metrics");
		return NULL;
	}
	metrics->daemon = daemon;
	metrics_process_open(&metrics->process);
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	http_body_drop(metrics->made);
	metrics_process_close(&metrics->process);
	metrics_disks_free(metrics);
	free(metrics);
}

static void put_daemon(const struct metrics *metrics, struct metrics_text *text)
{
	static const char *const states[] = {"open", "connected", "failed"};
	const struct fleet_tally tally = fleet_count(&metrics->daemon->fleet);
	const unsigned numbers[] = {tally.open, tally.connected, tally.failed};
	const struct metrics_labels version = {.name = {"version", "compiler"}, .value = {STRAIT_VERSION, __VERSION__}};

	metrics_text_family(text, "strait_build_info", "gauge", "1; the labels say which straitd this is.");
	metrics_text_uint(text, "strait_build_info", &version, 1);
	metrics_text_family(text, "strait_disks", "gauge",
			    "Disks by state; those that are connected are open as well.");
	for (unsigned i = 0; i < 3; i++) {
		const struct metrics_labels labels = {.name = {"state"}, .value = {states[i]}};

		metrics_text_uint(text, "strait_disks", &labels, numbers[i]);
	}
	metrics_text_family(text, "strait_metrics_seconds", "gauge", "What the previous of these pages took to make.");
	metrics_text_seconds(text, "strait_metrics_seconds", NULL, metrics->spent_ns);
}

static void release(struct http_body *body)
{
	bytes_in_use -= body->length;
	free(body->data);
}

static struct http_body *make(struct metrics *metrics)
{
	/* About as much as last time. */
	const size_t room = metrics->length + metrics->length / 16;
	struct metrics_text text = {.at = room ? malloc(room) : NULL};

	text.room = text.at ? room : 0;
	metrics_disks_look(metrics);
	put_daemon(metrics, &text);
	metrics_disks_put(metrics, &text);
	metrics_qos_put(metrics, &text);
	metrics_workers_put(metrics, &text);
	metrics_process_put(&metrics->process, &text);
	if (text.failed) {
		free(text.at);
		return NULL;
	}
	metrics->length = text.length;
	bytes_in_use += text.length;
	return http_body_new(text.at, text.length, release);
}

struct http_body *metrics_body(struct metrics *metrics)
{
	const uint64_t now_ns = clock_monotonic_ns();

	if (!metrics->made || (now_ns - metrics->made_ns > NEW_NS && bytes_in_use <= WAITING_MAX)) {
		http_body_drop(metrics->made);
		metrics->made = make(metrics);
		metrics->made_ns = clock_monotonic_ns();
		metrics->spent_ns = metrics->made_ns - now_ns;
	}
	if (metrics->made)
		http_body_keep(metrics->made);
	return metrics->made;
}
