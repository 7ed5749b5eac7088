/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_UPGRADE_WIRE_H
#define STRAIT_CONTROL_UPGRADE_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/parcel.h"
#include "control/config.h"
#include "device/blk/blk.h"

/*
 * What two daemons say to each other during an upgrade in place, in parcels
 * over the upgrade socket. The successor asks, the predecessor answers; each
 * kind has one fixed structure, and a parcel of another length is refused.
 *
 *   successor             predecessor
 *   HELLO                 WELCOME, or REFUSED
 *   DESCRIBE n            DISK: what it is, with its listening socket and image
 *   PREPARE n             SESSION..., PREPARED: the session as it is now, to try it
 *   TAKE n                SESSION..., STATE: from here on disk n stands still
 *   TAKEN n               -  (the session is the successor's, whatever happens to it)
 *   FINISH                FAREWELL
 *
 * Either says REFUSED, with a sentence, to end it. A predecessor closes the
 * connection after REFUSED or FAREWELL only, or by its death: where neither was
 * said, the successor serves what is left. Whoever changes a structure
 * here, or the meaning of a parcel, raises UPGRADE_VERSION; HELLO and REFUSED
 * stay what they are.
 */
#define UPGRADE_MAGIC   0x61727453u /* "Stra" */
#define UPGRADE_VERSION 2u

/* How long a peer may take for an answer, seconds. */
#define UPGRADE_PATIENCE 5

/* And a successor that knows all disks, to open them and to start: nothing stands still meanwhile. */
#define UPGRADE_START_PATIENCE 60

enum upgrade_kind {
	UPGRADE_HELLO = 1, /* struct upgrade_hello */
	UPGRADE_REFUSED,   /* a sentence, not terminated */
	UPGRADE_WELCOME,   /* struct upgrade_welcome; descriptors: standard error, the listeners */
	UPGRADE_DESCRIBE,  /* uint32_t: number of the predecessor's disk */
	UPGRADE_DISK,      /* struct upgrade_disk; descriptors: the listening socket, the image if has_image */
	UPGRADE_PREPARE,   /* uint32_t */
	UPGRADE_SESSION,   /* vhost/handover.h */
	UPGRADE_PREPARED,  /* struct upgrade_prepared */
	UPGRADE_TAKE,      /* struct upgrade_take */
	UPGRADE_STATE,     /* struct upgrade_state; descriptor: the front end's socket if connected */
	UPGRADE_TAKEN,     /* uint32_t */
	UPGRADE_FINISH,    /* nothing */
	UPGRADE_FAREWELL,  /* nothing */
};

struct upgrade_hello {
	uint32_t magic;
	uint32_t version;
};

/* Variables of the environment that belong to the service, not to the process; "" where not set. */
enum upgrade_variable {
	UPGRADE_NOTIFY_SOCKET,
	UPGRADE_WATCHDOG_USEC,
	UPGRADE_JOURNAL_STREAM,
	UPGRADE_VARIABLES,
};
extern const char *const upgrade_variables[UPGRADE_VARIABLES];

/* Sockets that a daemon listens on beside those of its disks. */
enum upgrade_listener {
	UPGRADE_LISTENER_UPGRADE,
	UPGRADE_LISTENER_RPC,
	UPGRADE_LISTENER_HTTP,
	UPGRADE_LISTENERS,
};

struct upgrade_welcome {
	uint32_t disk_count;
	uint32_t listeners; /* bit 1 << enum upgrade_listener: its descriptor is there, in that order */
	char variable[UPGRADE_VARIABLES][256];
};

/* Of disk n, in its predecessor's words; strings are terminated. */
struct upgrade_disk {
	char name[64]; /* "": it is not served */
	char socket[108];
	char file[4096]; /* "" for a null disk */
	uint64_t null_size;
	uint32_t cache;         /* enum storage_cache */
	uint32_t queues;        /* that the front end was offered; 0: none is connected */
	uint32_t largest_queue; /* that it uses, entries */
	uint8_t read_only;
	uint8_t discard;
	uint8_t has_image;
	uint8_t lock; /* enum config_lock */
	uint8_t padding[4];
};

struct upgrade_prepared {
	uint64_t memory_version; /* of the session that was told, 0: there is none */
};

struct upgrade_take {
	uint32_t disk;
	uint32_t padding;
	uint64_t memory_version; /* what the successor has mapped, 0: nothing */
};

#define UPGRADE_COUNTERS 32

struct upgrade_state {
	uint64_t start_ns; /* CLOCK_MONOTONIC: when the front end connected */
	uint64_t pause_ns; /* and since when its queues take no more */
	uint64_t size;     /* of the disk, as the front end knows it */
	uint32_t connected;
	uint32_t writeback;
	uint64_t counter[UPGRADE_COUNTERS];
};

/* What goes on being counted, each in its place for ever; a place without a counter yet is 0. */
void upgrade_put_counters(struct upgrade_state *state, const struct blk *blk);
void upgrade_get_counters(const struct upgrade_state *state, struct blk_counters *device,
			  struct queue_counters *queues);

/* A parcel of one structure, with up to two descriptors (-1: none). Its result is parcel_send()'s. */
int upgrade_send(int socket, enum upgrade_kind kind, const void *data, size_t length, int fd_a, int fd_b);
int upgrade_send_number(int socket, enum upgrade_kind kind, uint32_t number);

/* WELCOME; listeners are UPGRADE_LISTENERS descriptors or -1, and *welcome says so afterwards. */
int upgrade_send_welcome(int socket, struct upgrade_welcome *welcome, const int *listeners);

/* The listeners that came with it, -1 where one did not. The caller owns them. */
void upgrade_take_listeners(const struct upgrade_welcome *welcome, struct parcel *parcel, int *listeners);

/* Connect to who listens at path, as a blocking socket with UPGRADE_PATIENCE. Negative errno with err set. */
int upgrade_connect(const char *path, struct error *err);

/* Say that it ends here, if the peer listens. Its result is parcel_send()'s. */
int upgrade_refuse(int socket, const char *reason);

/* parcel_receive(), but that it hears what a peer said before it left, whatever it had not read itself. */
int upgrade_receive(int socket, struct parcel *parcel);

/* The sentence of a REFUSED, for a message: only printable characters of it. */
void upgrade_reason(const struct parcel *parcel, char *text, size_t size);

/* Copy the structure out of a parcel. False where it has another length. */
bool upgrade_read(const struct parcel *parcel, void *data, size_t length);

/*
 * Who is on the other side may be root or owner, nobody else. -EPERM with err
 * set; *pid, which may be NULL, is its process.
 */
int upgrade_check_peer(int socket, uid_t owner, pid_t *pid, struct error *err);

#endif
