/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_REQUEST_H
#define STRAIT_ENGINE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/storage.h"
#include "virtio/virtq.h"

/*
 * A request from the moment its chain is taken off the ring until it is given
 * back: exactly once, on the worker that took it.
 *
 *   state      who has it               next
 *   FREE       nobody                   PARSED
 *   PARSED     the device               SUBMITTED, HELD, DONE (answered without I/O)
 *   HELD       its queue, until limits  SUBMITTED
 *              let it pass
 *   SUBMITTED  a storage back end       SUBMITTED (next part of it), DONE
 *   DONE       its queue, to be given   FREE
 *              back to the driver
 */
enum request_state {
	REQUEST_FREE,
	REQUEST_PARSED,
	REQUEST_HELD,
	REQUEST_SUBMITTED,
	REQUEST_DONE,
	REQUEST_STATE_COUNT,
};

/* How far the stamps of a request go. */
enum request_stamp {
	STAMP_NONE,      /* it has none: it is being handled, and may be over before that returns */
	STAMP_TAKEN,     /* taken and admitted */
	STAMP_HANDED,    /* submitted, for now; to be set anew if the next io_uring_enter carries it */
	STAMP_SUBMITTED, /* all */
};

struct queue;

struct request {
	struct storage_io io; /* first, so that one is found from the other */
	struct queue *queue;
	struct virtq_chain chain; /* its head is the request's place in the queue's pool */
	uint8_t state;            /* enum request_state */
	bool under_way;           /* counted as such by its disk's qos_node */
	uint64_t held_since;      /* ticks */

	/* The stage clock's (stage_clock.h); times in ticks. Of no meaning while stamp is STAMP_NONE. */
	uint8_t stamp; /* enum request_stamp */
	uint8_t activity;
	bool unsubmitted;                 /* in its clock's list of these */
	uint32_t depth;                   /* requests in flight when it was taken */
	uint64_t seen, taken, gap;        /* gap: before it was taken, without a look at its ring */
	uint64_t admitted;                /* by QoS; set by who holds it, otherwise taken */
	uint64_t handed, submitted;       /* to the back end; to the kernel */
	struct request *next_unsubmitted; /* its clock's */
};

static inline struct request *request_of(struct storage_io *io)
{
	return (struct request *)io;
}

/* Assert that the table above has a way from the request's state to this one, and go it. */
void request_set_state(struct request *request, enum request_state state);

#endif
