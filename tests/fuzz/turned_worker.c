/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's own source, but for where it would begin its thread: there it is
 * set up on the calling one.
 */
#include <pthread.h>

static int begin_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *worker);
#define pthread_create begin_thread
/* What is included defines all that libengine's worker would, so that the latter is not linked. */
#include "engine/worker.c"
#undef pthread_create
#include "engine/worker_loop.c"

#include "input.h"
#include "turned_worker.h"

static int begin_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument)
{
	struct worker *worker = argument;

	*thread = pthread_self();
	(void)attributes;
	(void)function;
	(void)worker_main;
	MUST(worker_set_up(worker) == 0);
	sem_post(&worker->ready);
	return 0;
}

struct worker *turned_worker_create(void)
{
	const struct worker_options options = {.best_ring = RING_DEFER_TASKRUN};
	struct error err = {0};
	struct worker *worker;

	clock_init();
	worker = worker_create(&options, &err);
	MUST(worker && worker_start(worker, &err) == 0);
	return worker;
}

bool turned_worker_turn(struct worker *worker)
{
	return turn(worker);
}

void turned_worker_work(struct worker *worker)
{
	for (unsigned turns = 0; turns < 200; turns++) {
		if (turn(worker))
			continue;
		/* As before a sleep: it may find that there is reason not to. */
		worker_release_calls(worker);
		if (prepare_sleep(worker))
			break;
	}
	for (struct queue *queue = worker->queues; queue; queue = queue->next)
		virtq_disable_kicks(&queue->vq);
}
