/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_STATS_JSON_H
#define STRAIT_CONTROL_STATS_JSON_H

#include <jansson.h>

#include "control/fleet.h"
#include "control/rpc.h"
#include "control/stats.h"

/* What the methods that tell statistics share. Control thread. */

/*
 * The disk that a call is about, with its statistics, or NULL with err set:
 * there is none, or it has no device. *result, to which it owes an answer,
 * is a new object.
 */
struct fleet_disk *stats_json_disk(struct rpc_call *call, struct error *err);

/* The span that parameters window and ago ask for (seconds). No window: instead_ns. */
struct stats_span stats_json_span(const json_t *params, uint64_t instead_ns);

/* Numbers of an object. */
static inline void stats_json_set(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* An object with a member for each stage, whole nanoseconds; *total_ns is what they add up to. */
json_t *stats_json_stages(const double spent_ns[STAGE_COUNT], uint64_t *total_ns);

/* {mean-ns, p50-ns, p99-ns, p999-ns, max-ns} */
json_t *stats_json_times(const struct hist *hist);

#endif
