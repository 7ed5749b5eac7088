/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_CONFIG_H
#define STRAIT_CONTROL_CONFIG_H

#include <jansson.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "control/listener.h"
#include "control/qos_settings.h"
#include "control/sandbox.h"
#include "engine/queue.h"
#include "storage/storage.h"
#include "vhost/session.h"

/*
 * What a daemon is told to do, checked as far as it can be without opening
 * anything: ranges, units, exclusive keys, names and sockets used twice.
 * Owned by the caller of config_load(); strings live as long as it does.
 */
#define CONFIG_MAX_WORKERS     64
#define CONFIG_MAX_DISKS       1024
#define CONFIG_MAX_QUEUES      64
#define CONFIG_MAX_QUEUE_SIZE  32768
#define CONFIG_MAX_FAULT_RULES 16

/* When the image is locked against other writers. */
enum config_lock {
	CONFIG_LOCK_ALWAYS,  /* as long as it is served */
	CONFIG_LOCK_RUNNING, /* while a front end's queues run: a guest can migrate */
};

struct config_disk {
	char *name;   /* unique, [A-Za-z0-9._-]{1,63} */
	char *socket; /* path; NULL where the daemon was given a connected socket */
	struct listener_access access;
	struct vhost_limits limits;
	uint32_t connection_rate; /* front ends a second; 0: no limit */
	int socket_fd;            /* a listening or connected socket handed over, or -1; with a path, a predecessor's */
	int image_fd;             /* a predecessor's open image, or -1; whoever opens the disk takes it */
	bool at_run_time;   /* added by an operator: the two above are new, and whoever opens the disk takes both */
	bool confined;      /* and by a daemon in its sandbox: no path can be opened or looked at */
	char *file;         /* path of the image or block device; NULL for a null disk */
	uint64_t null_size; /* bytes, where file is NULL */
	char serial[21];    /* GET_ID; "" derives it from the name */
	enum storage_cache cache;
	enum config_lock lock;
	bool read_only;
	bool discard;            /* offered to the guest; default true */
	uint32_t queues;         /* 1 to CONFIG_MAX_QUEUES, default 16 */
	uint32_t queue_size_max; /* power of two, default 1024 */
	struct queue_policy policy;
	uint64_t slow_threshold_ns; /* what is recorded as slow: what takes longer, */
	double slow_percentile;     /* or is beyond this percentile; both 0: the slowest */
	struct storage_fault_rule fault[CONFIG_MAX_FAULT_RULES];
	uint32_t fault_count;
	bool has_delay;
	struct storage_delay_options delay;
	struct qos_settings qos;
	char *record; /* path of a recording of what changes the disk; NULL: none */
};

/* Which worker gets a queue. */
enum config_placement {
	PLACEMENT_ADAPTIVE, /* a disk's queues together, spread while that pays; the default */
	PLACEMENT_TOGETHER, /* all queues of a disk on one worker */
	PLACEMENT_SPREAD,   /* each where the fewest are */
};

/* Disks, and groups of disks, that share something; see engine/qos.h. */
struct config_group {
	char name[64]; /* unique, as a disk's */
	struct qos_settings qos;
};

struct config {
	uint32_t workers;     /* 1 to CONFIG_MAX_WORKERS, default 1 */
	uint32_t workers_max; /* that there can be at run time; at least workers */
	/*
	 * CPU set of worker i, of workers_max, from "worker-cpus": a list with a CPU list for each
	 * worker ("0-1"), or one CPU list whose CPUs are dealt out one a worker.
	 */
	bool pinned;
	cpu_set_t worker_cpus[CONFIG_MAX_WORKERS];
	enum config_placement placement;
	struct listener_access access; /* of disks that do not say */
	struct sandbox_options sandbox;
	char *upgrade_socket; /* where a successor comes for an upgrade in place; NULL: none may */
	char *rpc_socket;     /* where straitd is controlled by JSON-RPC; NULL: nowhere */
	struct listener_access rpc_access;
	char *rpc_admin_group; /* whose members may change something, by name or number; NULL: none's */
	char *http_listen;     /* where HTTP is served, see http_address.h; NULL: nowhere */
	int log_level;         /* enum log_level; 0 where the file does not say */
	uint32_t poll_max_us;  /* longest time a worker looks for work before it sleeps; default 20, 0 never polls */
	struct config_disk *disks;
	unsigned disk_count;
	struct config_group *groups;
	unsigned group_count;
	void *document; /* what the strings point into */
	/*
	 * The same as JSON, as it was written: the keys that were given, numbers and
	 * switches as such, sizes and words as text. What is written back is made of
	 * it, so that a key keeps the form that somebody gave it.
	 */
	json_t *tree;
	char *path; /* of the file, absolute; NULL: it was none */
};

/*
 * Load and check a YAML file. On failure returns a negative errno and err names
 * file, line, key, value and what is allowed.
 */
int config_load(const char *path, struct config **out, struct error *err);

/*
 * The same of text that is no file, as it comes from a client. Without look no
 * path is looked at: two names of one file are then not recognised. A message
 * begins with the key, "disks[0].queues: ...".
 */
int config_load_text(const char *text, size_t length, bool look, struct config **out, struct error *err);

/* The same of what a client has read from path: messages name that and the line. */
int config_load_sent(const char *path, const char *text, size_t length, struct config **out, struct error *err);

/* The configuration of straitd --socket-path=S --blk-file=F [--read-only]; strings are copied. */
int config_single(const char *socket, int socket_fd, const char *file, bool read_only, struct config **out,
		  struct error *err);

void config_free(struct config *config);

/* A disk's configuration that owns its strings; descriptors are the same. NULL: no memory. */
struct config_disk *config_disk_copy(const struct config_disk *from);

/* Of a copy. NULL is allowed; descriptors stay open. */
void config_disk_free(struct config_disk *disk);

/* Whether two disks are to be the same, descriptors aside. Where it cannot be told they are not. */
bool config_disk_same(const struct config_disk *a, const struct config_disk *b);

/* Everything but strings and descriptors becomes what it is in from. */
void config_disk_update(struct config_disk *disk, const struct config_disk *from);

#endif
