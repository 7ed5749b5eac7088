/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_QOS_SETTINGS_H
#define STRAIT_CONTROL_QOS_SETTINGS_H

#include <jansson.h>
#include <stdint.h>

#include "engine/qos.h"

#define QOS_MAX_GROUPS         1024
#define QOS_MAX_GROUP_LEVELS   (QOS_LEVELS - 1)
#define QOS_MIN_BPS            1024
#define QOS_MAX_IOPS           1000000000
#define QOS_MAX_BURST_SECONDS  3600
#define QOS_MAX_LATENCY_TARGET 60000000

/* What is said of a disk's or a group's share. Zeroed but for the weight: no limits. Compared byte by byte. */
struct qos_settings {
	char group[64];             /* of a group: its parent. "": none */
	uint32_t weight;            /* in that group, 1 to QOS_WEIGHT_MAX */
	uint32_t latency_target_us; /* of a disk's p99; 0: none */
	struct qos_limits limits;
};

void qos_settings_defaults(struct qos_settings *settings);

/* As RPC tells it, in the keys of straitd.yaml(5), those that say something; parent is "group" or "parent". NULL: no
 * memory. */
json_t *qos_settings_json(const struct qos_settings *settings, const char *parent);

/* The limits of them alone. */
json_t *qos_limits_json(const struct qos_limits *limits);

/* For people: "1000 iops (5000 for 10 s), 100 MiB/s writes"; "" where there are no limits. */
void qos_settings_describe(const struct qos_settings *settings, char *text, size_t capacity);

#endif
