/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_DEVICE_H
#define STRAIT_FRONTEND_DEVICE_H

#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "frontend/channel.h"
#include "frontend/memory.h"
#include "frontend/queue.h"

/*
 * A virtio-blk device behind a vhost-user socket, driven as a VMM and the
 * guest's driver together would: connect, negotiate, give it memory, start its
 * queues, stop them, go away, come back.
 *
 *   driver_device_connect()      -> negotiated; config and limits are known
 *   driver_device_set_memory()   -> the back end can reach the rings
 *   driver_device_start_queue()  -> for each queue
 *   driver_device_ready()        -> DRIVER_OK; requests may flow
 *   driver_device_stop_queue()   -> drained; requests not taken stay in the ring
 *   driver_device_disconnect()   -> and from here back to connect
 *
 * Functions return 0 or a negative errno with err set: those of channel.h,
 * -ENOTSUP where the back end lacks something indispensable.
 */

/* A bit of the device's status (virtio 1.2 section 2.1). */
enum driver_status {
	DRIVER_STATUS_ACKNOWLEDGE = 1,
	DRIVER_STATUS_DRIVER = 2,
	DRIVER_STATUS_DRIVER_OK = 4,
	DRIVER_STATUS_FEATURES_OK = 8,
};

/* Everything this front end understands. */
extern const uint64_t driver_known_features;
extern const uint64_t driver_known_protocol_features;

struct driver_wishes {
	uint64_t features;          /* virtio features to accept when offered */
	uint64_t protocol_features; /* likewise; without VHOST_USER_F_PROTOCOL_FEATURES in features none */
	int timeout_ms;             /* for each answer of the back end */
};

struct driver_device {
	struct driver_channel channel;
	struct driver_wishes wishes;
	uint64_t offered_features;
	uint64_t features; /* negotiated */
	uint64_t offered_protocol_features;
	uint64_t protocol_features;
	struct virtio_blk_config config;    /* fields that no negotiated feature covers are 0 */
	unsigned queues_offered;            /* what the transport and the disk both allow */
	unsigned memory_slots;              /* regions the back end takes */
	const struct driver_memory *memory; /* as last set; the caller's */
	int backend_fd;                     /* our end of the channel for the back end's requests, or -1 */
	uint64_t config_changes;            /* notices received */
	struct vhost_reader backend_reader;
};

/* On failure nothing is left open. */
int driver_device_connect(struct driver_device *device, const char *path, const struct driver_wishes *wishes,
			  struct error *err);

/* The same on a socket that is already connected, and that the device owns from now on, also on failure. */
int driver_device_adopt(struct driver_device *device, int fd, const char *name, const struct driver_wishes *wishes,
			struct error *err);

int driver_device_set_memory(struct driver_device *device, const struct driver_memory *memory, struct error *err);

/*
 * Start queue->ring as virtqueue queue->index. base: where the device is to go
 * on, ring->ops->base() for a ring that is new or whose device is gone, else
 * what driver_device_stop_queue() said. The queue is kicked once if the ring
 * has anything in flight, unless the back end tracks that and so looks itself.
 */
int driver_device_start_queue(struct driver_device *device, struct driver_queue *queue, uint32_t base,
			      struct error *err);

/*
 * The base for a queue whose back end has vanished without an answer to
 * GET_VRING_BASE, as QEMU has it. Split: the used index, which the ring tells.
 * Packed: the one of its last start, since the ring tells nothing. Whoever
 * tracks what is in flight knows better and does not heed it.
 */
uint32_t driver_device_lost_base(const struct driver_device *device, const struct driver_queue *queue);

int driver_device_ready(struct driver_device *device, struct error *err);

/*
 * GET_VRING_BASE: the back end finishes what it took (or only says it did:
 * ring->ops->taken() tells what to expect) and touches the ring no more.
 */
int driver_device_stop_queue(struct driver_device *device, struct driver_queue *queue, uint32_t *base,
			     struct error *err);

/* Reset the status if that was negotiated, and close. Queues count as stopped. */
void driver_device_disconnect(struct driver_device *device);

/* Close without a word, as a front end that was killed would: for a back end that no longer answers. */
void driver_device_abandon(struct driver_device *device);

static inline bool driver_device_has(const struct driver_device *device, unsigned feature)
{
	return device->features >> feature & 1;
}

static inline bool driver_device_has_protocol(const struct driver_device *device, unsigned feature)
{
	return device->protocol_features >> feature & 1;
}

/* Read the config space again. */
int driver_device_read_config(struct driver_device *device, struct error *err);

/*
 * Handle what the back end sent on its own channel, without waiting: a notice
 * that the config space changed makes it be read again. 0, or an error.
 */
int driver_device_poll_backend(struct driver_device *device, struct error *err);

#endif
