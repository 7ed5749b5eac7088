/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_UPGRADE_SERVER_H
#define STRAIT_CONTROL_UPGRADE_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "control/fleet.h"
#include "control/loop.h"
#include "control/upgrade_wire.h"

/*
 * The predecessor's side of an upgrade in place (upgrade_wire.h): waits for a
 * successor and gives it one disk after the other. Until it has said TAKEN a
 * disk is ours: whatever goes wrong, it goes on here. Control thread.
 */
struct upgrade_server {
	struct loop *loop;
	struct fleet *fleet;
	/*
	 * The disks as a successor numbers them, from its greeting to the end of the
	 * connection: meanwhile none may come or go (upgrade_server_busy()).
	 */
	struct disk **disks;
	unsigned disk_count;
	/*
	 * All is handed over to process successor, and the disks that it did not
	 * take are being closed. disk->closed says of each when it is.
	 */
	void (*finished)(struct upgrade_server *server, pid_t successor);

	uid_t owner;                      /* who, beside root, may take over */
	const char *path;                 /* of the upgrade socket */
	int listeners[UPGRADE_LISTENERS]; /* what a successor gets of them; -1: there is none */
	struct loop_source listener;      /* fd -1: not open */
	struct loop_source connection;    /* to the successor; fd -1: there is none */
	struct loop_source timer;         /* its answer is due */
	unsigned patience;                /* of the timer, seconds */
	bool unsaid;                      /* called off, which the successor could not be told yet */
	char refusal[256];                /* why */
	pid_t successor;
	int taking; /* number of the disk that it has asked for and not yet taken, or -1 */
	uint64_t taking_version;
	uint64_t pause_ns; /* since when it stands still, or is about to */
};

/* Where nobody is waited for yet; finished as above. Everything given outlives the server. */
void upgrade_server_init(struct upgrade_server *server, struct loop *loop, struct fleet *fleet,
			 void (*finished)(struct upgrade_server *server, pid_t successor));

/* A successor is connected: disks stay what and how many they are. */
static inline bool upgrade_server_busy(const struct upgrade_server *server)
{
	return server->connection.fd >= 0;
}

/*
 * Wait at path for a successor that is run by root or by owner; the socket is
 * made, or is fd if that is not -1. Negative errno with err set.
 */
int upgrade_server_open(struct upgrade_server *server, const char *path, int fd, uid_t owner, struct error *err);

/* disk_host.held() of one of the disks. */
void upgrade_server_held(struct upgrade_server *server, struct disk *disk);

/* Call off an upgrade under way, wait for no more. The socket file goes unless it has become the successor's. */
void upgrade_server_close(struct upgrade_server *server);

#endif
