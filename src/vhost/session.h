/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VHOST_SESSION_H
#define STRAIT_VHOST_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "vhost/codec.h"
#include "virtio/dirty_log.h"
#include "virtio/memmap.h"
#include "virtio/virtq.h"

/*
 * One front end's connection (QEMU docs/interop/vhost-user.rst): its features,
 * memory and vrings, and when each vring runs. Knows no device and no thread:
 * both are behind vhost_ops. Everything here runs on the control thread.
 *
 * A message that touches a running vring stops it first. Stopping drains it
 * and takes time; until vhost_session_queue_stopped() the session reads no
 * further message. After each message, vrings that are ready are started.
 */
#define VHOST_MAX_QUEUES 64

/* What a queue is started with. The descriptors become the queue's: it closes them. */
struct vhost_queue_setup {
	struct virtq_setup ring;
	int kick_fd;             /* eventfd; -1: the driver does not kick, the ring has to be polled */
	int call_fd;             /* eventfd; -1: the driver polls */
	int err_fd;              /* eventfd or -1 */
	struct log_quota *quota; /* the session's, which outlives the queue's run */
};

/* How much a front end may have mapped at a time. */
struct vhost_limits {
	uint64_t memory;  /* bytes, from the beginning of each region's file */
	uint32_t regions; /* up to MEMMAP_MAX_REGIONS */
};

struct vhost_ops {
	/* virtio features offered (without VHOST_USER_F_PROTOCOL_FEATURES) and the number of queues. */
	uint64_t (*features)(void *device);
	uint32_t (*queue_count)(void *device);

	/* The front end's choice, a subset of what was offered. No queue runs. */
	void (*features_set)(void *device, uint64_t features);

	/* Device configuration space. 0 or negative errno; offset + size is checked by the callee. */
	int (*get_config)(void *device, uint32_t offset, uint32_t size, void *data);
	int (*set_config)(void *device, uint32_t offset, uint32_t size, const void *data);

	/* Start a queue. On failure (negative errno, err set) the descriptors are closed as well. */
	int (*queue_start)(void *device, uint32_t index, const struct vhost_queue_setup *setup, struct error *err);

	/* Stop and drain; vhost_session_queue_stopped() follows, not before this returns. */
	void (*queue_stop)(void *device, uint32_t index);

	/* The front end has stopped the last queue (GET_VRING_BASE, status 0): it may hand the disk over. None runs. */
	void (*all_stopped)(void *device);

	/* Swap the call descriptor of a running queue, which owns fd from here on. */
	void (*queue_set_call)(void *device, uint32_t index, int fd);

	/* Optional: without it, what fits is mapped. */
	const struct vhost_limits *(*limits)(void *device);

	/* Guest memory was mapped, or is about to be unmapped. No queue runs. */
	void (*memory_changed)(void *device, void *base, uint64_t length, bool added);

	/* Back to the state after power-on (RESET_DEVICE, end of the session). No queue runs. */
	void (*reset)(void *device);
};

struct vhost_vring {
	uint32_t size;
	uint32_t base; /* virtq_base(); of a ring that was never used if not based */
	bool based;
	bool was_based; /* before status 0, after which it is told where it was, but starts anew */
	uint64_t desc, avail, used;
	bool log;                     /* what the device writes into the used ring is logged, */
	uint64_t log_guest;           /* as if it were written from this guest address on */
	int kick_fd, call_fd, err_fd; /* the session's own; the queue gets duplicates */
	bool started;                 /* SET_VRING_KICK has come, GET_VRING_BASE has not */
	bool enabled;
	bool running;  /* the queue has been started and has not stopped yet */
	bool rejected; /* could not be started as it is set up; said once */
};

/* The dirty log as SET_LOG_BASE and SET_LOG_FD have it. */
struct vhost_log {
	struct dirty_log dirty;
	struct memguard *guard;  /* of the mapping that dirty.bits lies in; NULL: none */
	struct vhost_log_msg at; /* where it is in the file, */
	int fd;                  /* which stays open while there is a guard */
	bool missing;            /* queues wait for one that covers guest memory */
};

/* The in-flight region (virtio/inflight.h). */
struct vhost_inflight {
	struct vhost_inflight_msg as; /* as SET_INFLIGHT_FD has it */
	int fd;                       /* with which it came, or -1 */
	char *at;                     /* NULL: there is none */
	struct memguard *guard;
};

struct vhost_session {
	int socket;
	const char *name; /* the disk's, for the log */
	const struct vhost_ops *ops;
	void *device;
	struct vhost_reader reader;
	struct vhost_msg msg;   /* being worked on */
	unsigned stopping;      /* queues still to stop before it goes on */
	unsigned refused;       /* messages so far */
	struct log_quota quota; /* for lines about anything else that is wrong */
	bool waiting;           /* msg waits for queues to stop */
	bool pausing;           /* vhost_session_pause() was called, and nothing since */
	bool quiet;             /* vhost_session_quiet() */
	bool closing;
	int reply_fd;   /* goes with the reply to msg, and is closed then; or -1 */
	int backend_fd; /* channel for our own requests, or -1 */
	uint64_t features, protocol_features;
	uint8_t status;
	uint32_t vring_count;
	struct memmap memory;
	uint64_t memory_version; /* another after each change of memory; no two sessions have the same */
	struct vhost_log log;
	struct vhost_inflight inflight;
	struct vhost_vring vring[VHOST_MAX_QUEUES];
};

/* Begin a session on a connected non-blocking socket, which it owns. Allocates; NULL when out of memory. */
struct vhost_session *vhost_session_new(int socket, const char *name, const struct vhost_ops *ops, void *device);

/*
 * The socket is readable: work on what has come. Returns false where the
 * session is over (the peer left or broke the protocol, which was logged): the
 * caller then calls vhost_session_close().
 */
bool vhost_session_readable(struct vhost_session *session);

/*
 * The front end has taken away memory that we have mapped, so that the session
 * is over: true, once, with a line in the log; vhost_session_close() is next.
 */
bool vhost_session_lost_memory(struct vhost_session *session);

/* The session waits for queues to stop and wants no vhost_session_readable(). */
static inline bool vhost_session_busy(const struct vhost_session *session)
{
	return session->stopping > 0;
}

/*
 * A queue that vhost_ops.queue_stop() was called for has stopped with this
 * virtq_base(). Same result as vhost_session_readable().
 */
bool vhost_session_queue_stopped(struct vhost_session *session, uint32_t index, uint32_t base);

/*
 * Stop and drain all queues once the message under way is done, start none and
 * read nothing more. True: it is paused. False: it will be, once
 * vhost_session_queue_stopped() has been called for the queues under way; that
 * may end the session instead. In a paused session the back end's side of each
 * ring is where vring.base says, and guest memory is not touched.
 */
bool vhost_session_pause(struct vhost_session *session);

static inline bool vhost_session_paused(const struct vhost_session *session)
{
	return session->pausing && session->stopping == 0;
}

/* Go on. What the front end has sent meanwhile waits in its socket. */
void vhost_session_resume(struct vhost_session *session);

/*
 * Queues are to run no more, or to run again. Unlike in a pause messages are
 * read meanwhile and carried out as far as nothing has to run for them.
 */
void vhost_session_quiet(struct vhost_session *session, bool quiet);

/* None runs, nor will one until vhost_session_quiet(session, false). */
static inline bool vhost_session_is_quiet(const struct vhost_session *session)
{
	return session->quiet && session->stopping == 0;
}

/*
 * End the session. True: it is closed, and vhost_session_free() is next. False:
 * queues are being stopped; call again when vhost_session_queue_stopped()
 * returns false.
 */
bool vhost_session_close(struct vhost_session *session);
void vhost_session_free(struct vhost_session *session);

/* Tell the front end that the configuration space has changed, if it listens. */
void vhost_session_config_changed(struct vhost_session *session);

#endif
