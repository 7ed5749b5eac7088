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

struct queue;

struct request {
	struct storage_io io; /* first, so that one is found from the other */
	struct queue *queue;
	struct virtq_chain chain; /* its head is the request's place in the queue's pool */
	uint8_t state;            /* enum request_state */
	bool under_way;           /* counted as such by its disk's qos_node */
	uint64_t held_since;      /* ticks */
};

static inline struct request *request_of(struct storage_io *io)
{
	return (struct request *)io;
}

/* Assert that the table above has a way from the request's state to this one, and go it. */
void request_set_state(struct request *request, enum request_state state);

#endif
