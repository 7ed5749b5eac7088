/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_QUEUE_H
#define STRAIT_ENGINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/mailbox.h"
#include "engine/request.h"
#include "virtio/virtq.h"

struct worker;

/*
 * Written by the queue's worker alone, read by anyone at any time (relaxed).
 * They go on through stops and starts.
 */
struct queue_counters {
	uint64_t requests; /* given back to the driver */
	uint64_t kicks;    /* wake-ups by the driver */
	uint64_t calls;    /* made to the driver */
	uint64_t broken;   /* times the driver broke the ring's rules */
};

#define QUEUE_COUNT(counter, by)                                                                                       \
	__atomic_store_n(&(counter), __atomic_load_n(&(counter), __ATOMIC_RELAXED) + (by), __ATOMIC_RELAXED)

/* What a device does with a queue. Both run on the queue's worker. */
struct queue_device_ops {
	size_t request_size; /* bytes of the device's request, which begins with a struct request */

	/*
	 * A chain has been taken: submit it to storage (request_submit()) or finish
	 * it (request_done()). -EPROTO, after virtq_break(), where it breaks the
	 * queue: the request is dropped.
	 */
	int (*handle)(struct queue *queue, struct request *request);
};

struct queue_setup {
	struct virtq_setup ring;
	int kick_fd, call_fd, err_fd; /* become the queue's, also on failure; each may be -1 */
};

/*
 * A virtqueue at run time. The control thread starts and stops it; in between
 * it belongs to its worker.
 */
struct queue {
	/* set once by the owner */
	const struct queue_device_ops *ops;
	void *device;
	struct storage *storage;
	const char *name; /* the disk's, for the log */
	unsigned index;   /* of the device's queues */

	/* the worker's while it runs */
	struct virtq vq;
	struct storage_thread *thread; /* its worker's */
	char *pool;                    /* vq.size requests of ops->request_size bytes, the place of each is its head */
	struct iovec *iovs;            /* VIRTQ_MAX_IOV for each request */
	struct queue *next;            /* of its worker */
	uint32_t in_flight;
	int kick_fd, call_fd, err_fd;
	bool stopping;
	bool broken_said;
	bool kick_armed;     /* the ring has a poll on kick_fd */
	bool kick_cancelled; /* and was asked to end it */
	struct queue_counters counters;

	/* crossing over */
	struct worker *worker;
	struct mailbox_message start, stop, stopped;
	struct mailbox *stopped_to;
	void (*on_stopped)(struct queue *queue);
	size_t pool_bytes, iov_bytes;
};

/*
 * Control thread. Set up the ring and its requests and hand the queue to
 * worker. Negative errno with err set where the ring is not in guest memory or
 * memory runs out; the descriptors are closed then.
 */
int queue_start(struct queue *queue, struct worker *worker, const struct queue_setup *setup, struct error *err);

/*
 * Control thread. Take no more from the ring, wait for what is in flight, then
 * call on_stopped(queue) from mailbox to; vq.avail_next is what to go on from.
 * Afterwards guest memory and the ring are no longer used.
 */
void queue_stop(struct queue *queue, struct mailbox *to, void (*on_stopped)(struct queue *queue));

/* Control thread. Use another call descriptor from now on, which becomes the queue's. -ENOMEM: nothing has changed. */
int queue_set_call(struct queue *queue, int fd);

/* Worker: take what the driver has made available, up to a batch. True where there was something. */
bool queue_take(struct queue *queue);

/* Worker: publish what is done and call the driver if it wants that. */
void queue_flush(struct queue *queue);

/* Worker, devices: hand request->io to the storage. io.done was set and gets the result. */
void request_submit(struct request *request);

/* Worker, devices: the answer is in guest memory, written bytes of it. Gives the chain back. */
void request_done(struct request *request, uint32_t written);

#endif
