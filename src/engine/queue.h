/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_QUEUE_H
#define STRAIT_ENGINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "engine/call_policy.h"
#include "engine/mailbox.h"
#include "engine/poll_policy.h"
#include "engine/qos.h"
#include "engine/request.h"
#include "virtio/virtq.h"

struct stage_clock;
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
	uint64_t moves;    /* to another worker */
	uint64_t moves_given_up;
	uint64_t move_pause_max_ns; /* longest time a move kept it from being looked at */
	uint64_t held;              /* requests that had to wait for a limit */
	uint64_t held_ns;           /* and how long those that have passed did, together */
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

/* How a disk wants its queues to be served; see poll_policy.h and call_policy.h. */
struct queue_policy {
	enum poll_mode poll;
	uint32_t coalesce_count; /* requests that a call may stand for */
	uint32_t coalesce_ns;    /* that a call may be held back; 0: none is */
	uint32_t in_flight_max;  /* requests taken and not given back; more wait in the ring. 0: as many as there are */
};

/* Why a queue takes nothing more and drains. */
enum queue_leaving {
	QUEUE_STAYS,
	QUEUE_STOPS,
	QUEUE_MOVES, /* to another worker */
};

/* Requests that wait for their disk's limits, oldest first, linked by io.next. */
struct queue_held {
	struct request *first, *last;
};

struct queue_setup {
	struct virtq_setup ring;
	int kick_fd, call_fd, err_fd; /* become the queue's, also on failure; each may be -1 */
	struct log_quota *quota;      /* for what its driver does wrong; outlives its run. NULL: no limit */
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
	struct queue_policy policy;
	const uint64_t *op_counts; /* the device's: requests handled, by operation type; may be NULL */
	struct stage_clock *clock; /* the owner's: stage_clock_create(), lives through stops and starts. NULL: none */
	struct qos_node *qos;      /* its disk's; NULL: it has none */

	/* the control thread's, at any time, relaxed */
	bool limited; /* qos is to be asked */

	/* the worker's while it runs */
	struct virtq vq;
	struct storage_thread *thread; /* its worker's */
	char *pool;                    /* vq.size requests of ops->request_size bytes, the place of each is its head */
	struct iovec *iovs;            /* VIRTQ_MAX_IOV for each request */
	struct virtq_range *ranges;    /* the same, where a dirty log is kept; else NULL */
	struct queue *next;            /* of its worker */
	uint32_t in_flight;            /* may be read by anyone, as the counters */
	uint32_t held_now;             /* the same; of those in flight */
	struct queue_held held[QOS_DIRECTION_COUNT];
	qos_time held_until; /* none of them can pass before */
	bool held_both;      /* what refused the first of them holds either direction back */
	bool in_debt;        /* held ones passed at a stop: until that is paid for the queue takes nothing */
	int kick_fd, call_fd, err_fd;
	enum queue_leaving leaving;
	bool broken_said;
	bool full_said;
	bool call_first;          /* as soon as it runs */
	bool stamp_each;          /* the stage clock's: each request before it is handled */
	bool kick_armed;          /* the ring has a poll on kick_fd */
	bool kick_cancelled;      /* and was asked to end it */
	uint32_t given_back;      /* since the last queue_flush() */
	struct call_policy calls; /* time is in ticks */
	struct worker *move_to;
	uint64_t move_patience_ns;
	uint64_t move_since, move_deadline; /* ticks; move_since is 0 while it does not move */
	struct queue_counters counters;
	struct log_quota *quota;

	/* crossing over */
	struct worker *worker; /* changed by the worker that a queue leaves for another one */
	struct mailbox_message start, stop, stopped, move;
	bool move_pending;   /* the last queue_move() has not come to its end */
	bool stopping;       /* the control thread's: queue_stop() was called */
	uint32_t calls_sent; /* the control thread's: queue_set_call()s, as many of which have to arrive before it stops
			      */
	uint32_t calls_came; /* the worker's, and which of them the call descriptor is of */
	uint32_t call_serial;
	struct mailbox *stopped_to;
	void (*on_stopped)(struct queue *queue);
	size_t pool_bytes, iov_bytes, range_bytes;
};

/*
 * Control thread. Set up the ring and its requests and hand the queue to
 * worker. Negative errno with err set where the ring is not in guest memory or
 * memory runs out; the descriptors are closed then.
 */
int queue_start(struct queue *queue, struct worker *worker, const struct queue_setup *setup, struct error *err);

/*
 * Control thread. Take no more from the ring, wait for what is in flight, then
 * call on_stopped(queue) from mailbox to; virtq_base() is what to go on from.
 * Afterwards guest memory and the ring are no longer used.
 */
void queue_stop(struct queue *queue, struct mailbox *to, void (*on_stopped)(struct queue *queue));

/*
 * Control thread. Hand a running queue to another worker: it drains, is taken
 * up there and loses nothing. Where draining takes longer than patience it
 * stays, and counters.moves_given_up says so. Does nothing while an earlier
 * move has not come to its end.
 */
#define QUEUE_MOVE_PATIENCE_NS 500000u
void queue_move_within(struct queue *queue, struct worker *to, uint64_t patience_ns);

static inline void queue_move(struct queue *queue, struct worker *to)
{
	queue_move_within(queue, to, QUEUE_MOVE_PATIENCE_NS);
}

/* Any thread: the worker that has the queue or, just now, gets it. */
static inline struct worker *queue_worker(const struct queue *queue)
{
	return __atomic_load_n(&queue->worker, __ATOMIC_ACQUIRE);
}

/* Control thread. Use another call descriptor from now on, which becomes the queue's. -ENOMEM: nothing has changed. */
int queue_set_call(struct queue *queue, int fd);

/*
 * Worker: the queue is to stop, but has not taken again all that was in flight
 * before it started. That was taken long ago, so it is to be drained as well.
 */
static inline bool queue_owes(const struct queue *queue)
{
	return queue->leaving == QUEUE_STOPS && !queue->broken_said && virtq_recovering(&queue->vq);
}

/* Worker: it has as many requests as it may; the next can be taken when one has come back. */
static inline bool queue_is_full(const struct queue *queue)
{
	return queue->policy.in_flight_max && queue->in_flight >= queue->policy.in_flight_max;
}

/* Worker: requests that a storage has. */
static inline uint32_t queue_under_way(const struct queue *queue)
{
	return queue->in_flight - queue->held_now;
}

/* Worker: take what the driver has made available, up to a batch. True where there was something. */
bool queue_take(struct queue *queue);

/*
 * queue_held.c, worker: submit held requests that may pass now, up to a batch.
 * True where there were any. A queue that stops lets all of them pass, and its
 * disk pays for it later: a front end that waits for GET_VRING_BASE stands
 * still, and could do so for minutes at one request a second. One that moves
 * takes them along.
 */
bool queue_release_held(struct queue *queue);

/*
 * Worker: the queue has to wait until what passed at its last stop is paid for.
 * Else a driver could evade its limits by filling its ring and resetting, over and over.
 */
bool queue_pays(struct queue *queue);

/* Worker: whether a request that is about to be submitted for the first time may be. False: it is held. */
bool queue_admit(struct request *request);

/* Worker: publish what is done and call the driver if it wants that and the call need not be held back. */
void queue_flush(struct queue *queue);

/* Worker: make the call that is held back, if one is. */
void queue_release_call(struct queue *queue);

/* Worker: pass a drained queue on to move_to, or keep it; there: it has come, by a move or from the control thread. */
void queue_hand_over(struct queue *queue);
void queue_give_up_move(struct queue *queue);
void queue_has_moved(struct queue *queue);

/* Worker, devices: hand request->io to the storage. io.done was set and gets the result. */
void request_submit(struct request *request);

/* Worker, devices: the answer is in guest memory, written bytes of it. Gives the chain back. */
void request_done(struct request *request, uint32_t written);

#endif
