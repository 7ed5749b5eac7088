/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CONFIG_SCHEMA_H
#define STRAIT_CONTROL_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/qos.h"

/*
 * A configuration file as libcyaml loads it: which keys there are, what kind
 * each value has and which words are allowed. Numbers are still text, because
 * one message ("expected a whole number from 1 to 64") serves "x", "-1" and
 * "65" alike; config_check.c reads them. NULL or 0: the key was not given.
 */
enum config_switch {
	CONFIG_SWITCH_DEFAULT,
	CONFIG_SWITCH_OFF,
	CONFIG_SWITCH_ON,
};

struct config_raw_fault {
	uint32_t on; /* bit 1 << enum storage_op */
	char *rate;
	char *offset;
	char *length;
	char *count;
	int error; /* positive errno */
};

struct config_raw_delay {
	uint32_t on;
	int distribution; /* enum storage_delay_kind */
	char *mean_us;
	char *spread_us;
};

struct config_raw_qos {
	char *group;
	char *weight;
	char *latency_target_us;
	char *rate[QOS_KIND_COUNT], *burst[QOS_KIND_COUNT], *burst_seconds[QOS_KIND_COUNT];
};

struct config_raw_group {
	char *name;
	char *parent;
	struct config_raw_qos qos; /* without group and latency target */
};

struct config_raw_access {
	char *owner, *group, *mode;
};

struct config_raw_disk {
	char *name;
	char *socket;
	char *file;
	char *null_size;
	char *serial;
	int cache; /* enum storage_cache */
	int lock;  /* enum config_lock */
	enum config_switch read_only;
	enum config_switch discard;
	char *queues;
	char *queue_size_max;
	char *in_flight_max;
	char *memory_max;
	char *memory_regions_max;
	char *connection_rate;
	struct config_raw_access access;
	int polling; /* enum poll_mode */
	char *coalesce_us;
	char *coalesce_count;
	char *slow_threshold_us;
	char *slow_percentile;
	struct config_raw_fault *fault;
	uint32_t fault_count;
	struct config_raw_delay *delay;
	struct config_raw_qos *qos;
	char *record;
};

/* "worker-cpus" is a text or a list, which libcyaml cannot express: it is read from the document. */
struct config_raw {
	char *workers;
	char *workers_max;
	char *poll_max_us;
	int placement; /* enum config_placement */
	struct config_raw_access access;
	char *user;
	int sandbox;              /* enum sandbox_mode */
	uint32_t sandbox_without; /* enum sandbox_part */
	int log_level;            /* enum log_level; 0: not given */
	char *upgrade_socket;
	char *rpc_socket;
	struct config_raw_access rpc_access;
	char *rpc_admin_group;
	char *http_listen;
	struct config_raw_group *groups;
	uint32_t groups_count;
	struct config_raw_disk *disks;
	uint32_t disks_count;
};

extern const cyaml_schema_value_t config_schema;

/* The word of a disk's key for a value, as in "cache: none"; NULL where the key has no words or not that one. */
const char *config_disk_word(const char *key, int64_t value);

/*
 * Load text, which has been compared with the schema before. A failure is then
 * an oversight of ours or a lack of memory: err quotes libcyaml. The caller
 * frees *raw with config_raw_free().
 */
int config_raw_load(const char *text, size_t length, struct config_raw **raw, struct error *err);

/* raw may be NULL, or built by hand with malloc(3). */
void config_raw_free(struct config_raw *raw);

#endif
