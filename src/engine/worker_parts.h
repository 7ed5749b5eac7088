/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_WORKER_PARTS_H
#define STRAIT_ENGINE_WORKER_PARTS_H

#include <pthread.h>
#include <semaphore.h>

#include "engine/poll_policy.h"
#include "engine/worker.h"

/*
 * What the parts of a worker share. Nothing outside worker*.c includes this.
 *
 *   worker.c         the thread: begin and end
 *   worker_loop.c    its loop: look everywhere, enter the kernel, sleep
 *   worker_queues.c  its queues: how one comes, is kicked, moves on and goes
 */

/* The low bits of a completion's data say what it belongs to; all these objects are aligned. */
enum worker_tag {
	TAG_STORAGE = 0,
	TAG_KICK = 1,    /* a queue */
	TAG_MAILBOX = 2, /* the worker's */
	TAG_IGNORE = 3,
	TAG_MASK = 3,
};

struct worker {
	struct storage_thread thread; /* first: found from it by post_result() */
	struct io_uring ring;
	struct poll_policy poll;
	struct queue *queues;                /* linked by queue->next */
	unsigned polled_as[POLL_MODE_COUNT]; /* queues of each mode */
	unsigned unkicked;                   /* queues without a kick descriptor: no sleep while there are any */
	unsigned moving;                     /* queues that drain in order to move: no sleep either; of the last turn */
	unsigned held;                       /* queues with a call held back; of the last turn */
	unsigned holding;                    /* queues with requests held back; of the last turn */
	bool mailbox_armed;
	bool quit;
	struct worker_counters counters;
	uint64_t report_ticks; /* between two reports; 0: none are wanted */
	uint64_t reported;     /* ticks, when the last was sent */
	bool report_pending;   /* it has not been read yet */
	struct mailbox_message report;
	int schedstat_fd; /* of the thread, or -1 */

	struct mailbox mailbox;
	struct storage_io *posted; /* stack of results from foreign threads */

	pthread_t pthread;
	sem_t ready;
	struct worker_options options;
	enum ring_profile profile;
	bool ring_restricted;
	bool started;
	struct error start_error;
	struct mailbox_message quit_message;
	struct mailbox_message ask_again;
	bool ask_again_pending;
};

/* worker_loop.c */
void worker_run(struct worker *worker);

/* worker_queues.c */

/* Have a descriptor that becomes readable wake the worker. */
void worker_arm_poll(struct worker *worker, int fd, void *object, enum worker_tag tag);
void worker_handle_kick(struct worker *worker, struct queue *queue, const struct io_uring_cqe *cqe);

/* Held requests of any queue are to be looked at in this turn. */
void worker_look_at_held(struct worker *worker);

/* Publish and call for each queue; let those go that are ready to. */
void worker_flush_queues(struct worker *worker);

/* Call the drivers whose calls were held back. */
void worker_release_calls(struct worker *worker);

#endif
