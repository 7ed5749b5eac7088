/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_METRICS_H
#define STRAIT_CONTROL_METRICS_H

#include "base/error.h"
#include "control/http_routes.h"

/*
 * /metrics: counters and histograms of disks, groups, workers, host and
 * process for Prometheus, in its text format 0.0.4. docs/metrics.md has the
 * list. What it costs is bounded: it is made at most ten times a second, and
 * readers that take their time share what was made. Control thread.
 */
struct metrics;

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* With what takes rights. NULL with err set. */
struct metrics *metrics_new(struct daemon *daemon, struct error *err);

/* Bodies that are still in use stay. NULL is allowed. */
void metrics_free(struct metrics *metrics);

/* One user is the caller's. NULL: no memory. */
struct http_body *metrics_body(struct metrics *metrics);

#endif
