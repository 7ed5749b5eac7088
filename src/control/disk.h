/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DISK_H
#define STRAIT_CONTROL_DISK_H

#include <stdbool.h>

#include "base/error.h"
#include "control/config.h"
#include "control/loop.h"
#include "control/placement.h"
#include "device/blk/blk.h"
#include "engine/mailbox.h"
#include "vhost/session.h"

/* What disks share; the daemon's. */
struct disk_host {
	struct loop *loop;
	struct placement *placement;
	struct mailbox *mailbox;                 /* the control thread's */
	void (*changed)(struct disk_host *host); /* a disk was connected, disconnected or closed */
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
	struct vhost_session *session; /* NULL while no front end is connected */
	struct loop_source listener;   /* fd -1: serves a single connection that was handed over */
	struct loop_source connection;
	struct loop_source watch; /* storage_watch_fd() */
	uint64_t session_start_ns;
	bool closing; /* disk_close() was called */
	bool closed;
};

/* Open everything and listen. Negative errno with err set: nothing is left behind. */
int disk_open(struct disk *disk, struct disk_host *host, const struct config_disk *config, struct error *err);

/*
 * Stop listening, drain and end the session, close the storage. Takes time:
 * disk->closed says when it is done, and host->changed() is called then.
 */
void disk_close(struct disk *disk);

/* Look at the size of the image again and tell the guest if it has changed. */
void disk_refresh(struct disk *disk);

#endif
