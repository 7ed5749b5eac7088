/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_DAEMON_PARTS_H
#define STRAIT_CONTROL_DAEMON_PARTS_H

#include "control/daemon.h"
#include "control/fleet.h"
#include "control/loop.h"
#include "control/placement.h"
#include "control/qos_tree.h"
#include "control/qos_watch.h"
#include "control/rpc_server.h"
#include "control/upgrade_server.h"

/*
 * What the parts of the daemon share: daemon*.c, the methods of RPC
 * (methods*.c) and what reads statistics. Control thread.
 *
 *   daemon.c        its life: begin, event loop, end
 *   daemon_rpc.c    its RPC server
 *   daemon_disks.c  its disks: open, close, forget, tell how many there are
 *   daemon_http.c   what it serves by HTTP
 *   daemon_add.c    a disk that comes at run time
 *   daemon_change.c and is changed there, with who waits for that
 *   daemon_config.c what runs as configuration, and how a file differs
 *   daemon_reload.c   and how to make it the same
 *   daemon_workers.c  what is changed of the daemon itself
 */
struct daemon {
	struct config *config; /* what it was started with; of disks, the fleet has what counts */
	struct loop loop;
	struct mailbox mailbox;
	struct placement placement;
	struct qos_tree qos;
	struct qos_watch qos_watch;
	struct disk_host host; /* has the statistics, too */
	struct fleet fleet;
	struct loop_source signals, messages, lost_memory;
	struct watchdog *watchdog;
	const char **socket_paths;     /* the sweeper's */
	struct mailbox_message forget; /* see daemon_disks.c */
	bool forgetting;
	struct disk_wait *waits;   /* see daemon_change.c */
	struct reload *reload;     /* see daemon_reload.c; NULL: none is under way */
	struct loop_source vacate; /* timer of daemon_workers.c; fd -1: none runs */
	uint64_t vacate_patience_ns;
	bool confined;        /* in the sandbox: no path can be opened */
	uint64_t descriptors; /* that there may be, of files and sockets */
	bool ready;           /* everything was opened */
	bool stopping;        /* on the way out */
	bool told;            /* to stop, by a signal */
	bool handed_over;     /* another process is the service now */

	struct rpc_server rpc;
	struct http *http; /* NULL: none */
	struct metrics *metrics;
	int http_fd; /* that it listens on; -1: none */

	struct upgrade_server upgrades;        /* of us, by a successor */
	struct upgrade_client *taking;         /* the upgrade of our predecessor under way; NULL: none */
	const struct daemon_upgrade *upgraded; /* to be told when that is done */
	struct error failure;                  /* why it was not */
	uid_t owner;                           /* who started us */
};

/*
 * daemon_rpc.c: what takes rights (the socket, unless it is a predecessor's),
 * then, when the daemon is ready, to serve there. Negative errno with err set.
 */
void daemon_init_rpc(struct daemon *daemon);
int daemon_open_rpc(struct daemon *daemon, struct error *err);
int daemon_serve_rpc(struct daemon *daemon, struct error *err);

/* End it. The socket stays where it has become a successor's. */
void daemon_close_rpc(struct daemon *daemon);

/*
 * daemon_workers.c: go by what set says of workers, poll-max-us, placement and
 * log-level (null: the default). Negative errno with err set and field naming
 * the key.
 */
int daemon_set(struct daemon *daemon, const json_t *set, char *field, size_t field_size, struct error *err);
void daemon_end_vacating(struct daemon *daemon);

/* daemon_disks.c */

/* Open all of the fleet. Negative errno with err set where none can be served, or a predecessor's cannot. */
int daemon_open_disks(struct daemon *daemon, struct error *err);

/* Open one, and say so in the log. Negative errno with err set: it is closed and failed. */
int daemon_open_disk(struct daemon *daemon, struct fleet_disk *member, struct error *err);

void daemon_close_disks(struct daemon *daemon);

/* STATUS= for systemd, with what prefix has before it. */
void daemon_report_status(const struct daemon *daemon, const char *prefix);

/* How many descriptors all disks can take up together. */
uint64_t daemon_descriptors(const struct daemon *daemon);

/* disk_host.changed() and settled() */
void daemon_disks_changed(struct disk_host *host);
void daemon_disk_settled(struct disk_host *host, struct disk *disk);

/* daemon_http.c */

/* With rights: open what is configured. */
void daemon_open_http(struct daemon *daemon);

/* Serve from here on. */
void daemon_start_http(struct daemon *daemon);
void daemon_close_http(struct daemon *daemon);

#endif
