/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DISK_H
#define STRAIT_CONTROL_DISK_H

#include <stdbool.h>

#include "base/error.h"
#include "control/config.h"
#include "control/drain.h"
#include "control/loop.h"
#include "control/placement.h"
#include "control/throttle.h"
#include "device/blk/blk.h"
#include "engine/mailbox.h"
#include "vhost/session.h"

struct disk;
struct stats;
struct stats_disk;
struct qos_tree;

/* What disks share; the daemon's. */
struct disk_host {
	struct loop *loop;
	struct placement *placement;
	struct stats *stats;                                        /* NULL: none are kept */
	struct qos_tree *qos;                                       /* limits; NULL: there are none */
	struct mailbox *mailbox;                                    /* the control thread's */
	void (*changed)(struct disk_host *host);                    /* a disk was connected, disconnected or closed */
	void (*held)(struct disk_host *host, struct disk *disk);    /* see disk_hold() */
	void (*settled)(struct disk_host *host, struct disk *disk); /* see disk_quiet() */
};

/* Why a disk's queues are not to run; bits of disk.quiet. */
enum disk_quiet {
	DISK_PAUSED = 1 << 0,   /* an operator wants it */
	DISK_CHANGING = 1 << 1, /* something is changed that queues must not see changing */
};

/*
 * One disk: its storage, the device made of it, the socket it is served on and
 * the front end connected there. Everything runs on the control thread.
 */
struct disk {
	struct disk_host *host;
	const struct config_disk *config;
	struct storage *storage;
	struct blk blk;
	struct stats_disk *stats;      /* of the device; NULL where no memory was left for them */
	struct vhost_session *session; /* NULL while no front end is connected */
	struct loop_source listener;   /* fd -1: serves a single connection that was handed over */
	struct loop_source connection;
	struct loop_source watch; /* storage_watch_fd() */
	struct drain drain;
	uint64_t session_start_ns;
	struct throttle throttle;
	unsigned quiet; /* enum disk_quiet */
	bool held;      /* see disk_hold() */
	bool shared;  /* another process serves the socket and the image, or may have to: they are not done away with */
	bool closing; /* disk_close() was called */
	bool closed;
};

/*
 * Open everything and listen. Negative errno with err set: nothing is left
 * behind. A disk whose socket is a predecessor's is held and shared.
 */
int disk_open(struct disk *disk, struct disk_host *host, const struct config_disk *config, struct error *err);

/*
 * Stop listening, drain and end the session, close the storage. Takes time:
 * disk->closed says when it is done, and host->changed() is called then.
 */
void disk_close(struct disk *disk);

/*
 * Let no front end in, hear no more of the one that is there, pause its
 * session. host->held() is called once nothing of the disk runs, perhaps from
 * here; the session may have ended by then.
 */
void disk_hold(struct disk *disk);

/* Go on with a disk that is held, or was to be. */
void disk_release(struct disk *disk);

/*
 * Stop the disk's queues, or take that back; they run while there is no reason
 * against it. Requests under way finish, others wait in the rings, the front
 * end stays connected and is heard, and another may come. Nothing may run at
 * once (disk_is_quiet()); else host->settled() is called from the event loop
 * when that is so, perhaps more than once.
 */
void disk_quiet(struct disk *disk, enum disk_quiet why, bool quiet);
bool disk_is_quiet(const struct disk *disk);

/* The session of a held disk goes on in another process: let go of ours. */
void disk_drop_session(struct disk *disk);

/* The counters of another process go on here; see blk_restore(). */
void disk_restore(struct disk *disk, bool writeback, const struct blk_counters *device,
		  const struct queue_counters *queues);

/* The session of another process goes on here, with the disk released. It is paused, and owns its socket. */
void disk_adopt_session(struct disk *disk, struct vhost_session *session, uint64_t start_ns);
/* Let front ends come (again), unless none is wanted any more. */
void disk_listen(struct disk *disk);

/* Memory of some front end is gone: end the session if it is this disk's. */
void disk_check_memory(struct disk *disk);

/* Look at the size of the image again and tell the guest if it has changed. */
void disk_refresh(struct disk *disk);

/* Make the disk larger, to size bytes, and tell the guest. Negative errno with err set: nothing has changed. */
int disk_resize(struct disk *disk, uint64_t size, struct error *err);

/*
 * config has changed in what may change while the disk is there: go by it.
 * Nothing runs (disk_is_quiet()) where its queues are concerned.
 */
void disk_reconfigure(struct disk *disk);

/* Requests that are under way. */
unsigned disk_in_flight(const struct disk *disk);

#endif
