/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_ENGINE_RIG_H
#define STRAIT_TESTS_ENGINE_RIG_H

#include "engine/worker.h"
#include "hand_packed.h"
#include "traces.h"

/*
 * What a queue needs around it, all of it real: guest memory, a worker thread
 * with its io_uring, event descriptors, and the mailbox of the control thread,
 * which is the test itself. Whoever waits here waits for an event; only a hang
 * takes longer than the deadline, and fails the test.
 */
#define RIG_DEADLINE_MS 60000

struct rig {
	struct guest guest;
	struct mailbox control;
	struct worker *worker;
};

/* A worker that prefers this ring and polls for so long. */
void rig_create(struct rig *rig, enum ring_profile best, uint32_t poll_max_us);
void rig_destroy(struct rig *rig);

/* Run what has been posted to the control thread, waiting for it if need be. */
void rig_run_control(struct rig *rig);

/* Return when the worker has looked everywhere at least once since the call. */
void rig_let_worker_turn(struct rig *rig);

/* The driver of one queue. Its ring is split, or packed: then ring is not there. */
struct driver {
	struct rig *rig;
	struct queue *queue;
	struct hand_ring ring;
	struct hand_packed packed_ring;
	bool packed;
	bool event_idx;
	int kick_fd, call_fd, err_fd; /* the driver's ends; -1: has none */
	struct log_quota *quota;      /* of its queue, or NULL */
	uint16_t kicked;              /* where the ring stood when the device was last told */
	bool kicked_wrap;             /* and of a packed one the wrap counter */
};

/* The layout that drivers get: packed where the environment says RING=packed. */
bool rig_has_packed_rings(void);

/*
 * A driver with all three descriptors and a ring at guest address at that
 * begins at index start. The queue's ops, device, storage, name and index are
 * set by the caller.
 */
void driver_create(struct driver *driver, struct rig *rig, struct queue *queue, uint64_t at, uint32_t size,
		   uint16_t start);
void driver_destroy(struct driver *driver);

/* Start the queue where the driver stands, or where it was stopped. */
void driver_start(struct driver *driver);
void driver_start_at(struct driver *driver, uint32_t base);

/* Ask it to stop; wait for that; both. The result is where to go on. */
void driver_ask_to_stop(struct driver *driver);
bool driver_has_stopped(const struct driver *driver);
uint32_t driver_wait_stopped(struct driver *driver);
uint32_t driver_stop(struct driver *driver);

/* After a stop: forget the chains that a broken queue did not give back. */
void driver_forget(struct driver *driver);

/* Kick, if the device asked for that. */
void driver_kick(struct driver *driver);
/* Write a chain into descriptors from head on, which is its id, and make it available; NEXT is added. Kicks not. */
void driver_put(struct driver *driver, const struct vring_desc *chain, unsigned count, uint16_t head);
/* Fetch the next used element. False: none has come. */
bool driver_collect(struct driver *driver, struct vring_used_elem *element);

/* Offer a chain of a split ring and kick. */
void driver_offer(struct driver *driver, uint16_t head);

/* Fetch the next used element, sleeping on the call descriptor. */
struct vring_used_elem driver_wait(struct driver *driver);

/* Wait until a descriptor is readable. */
void wait_readable(int fd);
bool is_readable(int fd);
uint64_t read_event(int fd);

/* Read as any thread may. */
uint64_t count_of(const uint64_t *counter);

/* Wait until the worker sleeps and has nothing to do: its loop does not turn any more. */
void wait_asleep(const struct worker *worker);

#endif
