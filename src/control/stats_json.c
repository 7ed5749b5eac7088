/* SPDX-License-Identifier: Apache-2.0 */
#include "control/stats_json.h"

#include <errno.h>
#include <math.h>

#include "control/daemon_parts.h"
#include "control/methods.h"

struct fleet_disk *stats_json_disk(struct rpc_call *call, struct error *err)
{
	struct fleet_disk *member = method_find_disk(call, "disk", err);

	if (!member || member->disk.stats)
		return member;
	error_set(err, -ENODEV, "disk %s: it is not served, so there is nothing to tell of it", member->config->name);
	rpc_blame(call, "disk", err);
	return NULL;
}

static uint64_t seconds(const json_t *params, const char *name, uint64_t instead_ns)
{
	const json_t *value = json_object_get(params, name);

	return value ? (uint64_t)(json_number_value(value) * 1e9) : instead_ns;
}

struct stats_span stats_json_span(const json_t *params, uint64_t instead_ns)
{
	return (struct stats_span){.window_ns = seconds(params, "window", instead_ns),
				   .ago_ns = seconds(params, "ago", 0)};
}

json_t *stats_json_stages(const double spent_ns[STAGE_COUNT], uint64_t *total_ns)
{
	json_t *stages = json_object();

	*total_ns = 0;
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		const uint64_t ns = (uint64_t)llround(spent_ns[stage]);

		stats_json_set(stages, stage_names[stage], ns);
		*total_ns += ns;
	}
	return stages;
}

json_t *stats_json_times(const struct hist *hist)
{
	json_t *times = json_object();

	stats_json_set(times, "mean-ns", hist->count ? hist->sum / hist->count : 0);
	stats_json_set(times, "p50-ns", hist_quantile(hist, 0.5));
	stats_json_set(times, "p99-ns", hist_quantile(hist, 0.99));
	stats_json_set(times, "p999-ns", hist_quantile(hist, 0.999));
	stats_json_set(times, "max-ns", hist->max);
	return times;
}
