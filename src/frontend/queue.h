/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_FRONTEND_QUEUE_H
#define STRAIT_FRONTEND_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "frontend/ring.h"

/* A ring and its notifications: the eventfds that SET_VRING_KICK, _CALL and _ERR hand to the back end. */
struct driver_queue {
	struct driver_ring *ring;
	unsigned index;
	int kick_fd;
	int call_fd; /* non-blocking; readable: the device called */
	int err_fd;  /* non-blocking; readable: the back end gave the queue up */
	bool started;
	uint32_t base;  /* with which it was last started */
	uint64_t kicks; /* sent */
	uint64_t calls; /* received, as far as the eventfd was read */
};

/* Create the three eventfds. On failure nothing is left open. */
int driver_queue_open(struct driver_queue *queue, unsigned index, struct driver_ring *ring, struct error *err);
void driver_queue_close(struct driver_queue *queue);

void driver_queue_kick(struct driver_queue *queue);

/* Read the call eventfd into queue->calls. */
void driver_queue_collect_calls(struct driver_queue *queue);

/* True if the back end reported the queue broken since the last time. */
bool driver_queue_failed(struct driver_queue *queue);

#endif
