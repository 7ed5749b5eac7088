/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_VHOST_SESSION_H
#define STRAIT_VHOST_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vhost/codec.h"
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
	int kick_fd; /* eventfd; -1: the driver does not kick, the ring has to be polled */
	int call_fd; /* eventfd; -1: the driver polls */
	int err_fd;  /* eventfd or -1 */
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

	/* Swap the call descriptor of a running queue, which owns fd from here on. */
	void (*queue_set_call)(void *device, uint32_t index, int fd);

	/* Guest memory was mapped, or is about to be unmapped. No queue runs. */
	void (*memory_changed)(void *device, void *base, uint64_t length, bool added);

	/* Back to the state after power-on (RESET_DEVICE, status 0, end of the session). No queue runs. */
	void (*reset)(void *device);
};

struct vhost_vring {
	uint32_t size;
	uint16_t base;
	uint64_t desc, avail, used;
	int kick_fd, call_fd, err_fd; /* the session's own; the queue gets duplicates */
	bool started;                 /* SET_VRING_KICK has come, GET_VRING_BASE has not */
	bool enabled;
	bool running;  /* the queue has been started and has not stopped yet */
	bool rejected; /* could not be started as it is set up; said once */
};

struct vhost_session {
	int socket;
	const char *name; /* the disk's, for the log */
	const struct vhost_ops *ops;
	void *device;
	struct vhost_reader reader;
	struct vhost_msg msg; /* being worked on */
	unsigned stopping;    /* queues still to stop before it goes on */
	bool closing;
	int backend_fd; /* channel for our own requests, or -1 */
	uint64_t features, protocol_features;
	uint8_t status;
	uint32_t vring_count;
	struct memmap memory;
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

/* The session waits for queues to stop and wants no vhost_session_readable(). */
static inline bool vhost_session_busy(const struct vhost_session *session)
{
	return session->stopping > 0;
}

/*
 * A queue that vhost_ops.queue_stop() was called for has stopped with this
 * next available index. Same result as vhost_session_readable().
 */
bool vhost_session_queue_stopped(struct vhost_session *session, uint32_t index, uint16_t base);

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
