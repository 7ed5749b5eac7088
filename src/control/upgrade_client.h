/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_UPGRADE_CLIENT_H
#define STRAIT_CONTROL_UPGRADE_CLIENT_H

#include "control/config.h"
#include "control/fleet.h"
#include "control/loop.h"
#include "control/upgrade_wire.h"

/*
 * The successor's side of an upgrade in place (upgrade_wire.h). First all that
 * can fail is tried while the predecessor serves; then, from the event loop,
 * disk by disk is taken over. Control thread.
 */
struct upgrade_client;

/*
 * Connect to the running straitd and compare its disks with config, whose
 * disks get the sockets and images that are open there; NOTIFY_SOCKET and WATCHDOG_USEC
 * become its. Negative errno with
 * err set: nothing has changed there.
 */
int upgrade_client_connect(struct config *config, struct upgrade_client **out, struct error *err);

/*
 * The fleet, filled from config and still of the same order, is open: set up
 * every session there is, short of running it.
 */
int upgrade_client_prepare(struct upgrade_client *client, const struct fleet *fleet, struct error *err);

/*
 * Begin to take over. done() follows, once: err NULL: all disks are ours, but
 * for those that failed, and so is the standard error of the service.
 * Else there is no connection any more, and the disks that we have are to be
 * closed: the predecessor goes on, or has died and left nothing to serve.
 */
int upgrade_client_start(struct upgrade_client *client, struct loop *loop,
			 void (*done)(void *context, const struct error *err), void *context, struct error *err);

/* Tell the predecessor to go on, and why, before disks are closed. done() is not called any more. */
void upgrade_client_give_up(struct upgrade_client *client, const char *reason);

/* For how long, nanoseconds, a disk with a front end stood still; the longest of all. */
uint64_t upgrade_client_longest_pause(const struct upgrade_client *client);

/*
 * A socket that the predecessor listens on, which becomes the caller's; -1
 * where there is none. Until done() it is listening there, too.
 */
int upgrade_client_take_listener(struct upgrade_client *client, enum upgrade_listener which);

/* NULL is allowed. After done(), or upgrade_client_give_up(). */
void upgrade_client_free(struct upgrade_client *client);

#endif
