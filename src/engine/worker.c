/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/poll_policy.h"
#include "storage/bounce.h"

#define RING_ENTRIES 512

/* The low bits of a completion's data say what it belongs to; all these objects are aligned. */
enum tag {
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
	struct queue *queues; /* linked by queue->next */
	unsigned unkicked;    /* queues without a kick descriptor: no sleep while there are any */
	bool mailbox_armed;
	bool quit;
	struct worker_counters counters;

	struct mailbox mailbox;
	struct storage_io *posted; /* stack of results from foreign threads */

	pthread_t pthread;
	sem_t ready;
	struct worker_options options;
	enum ring_profile profile;
	struct error start_error;
	struct mailbox_message quit_message;
};

const struct worker_counters *worker_counters(const struct worker *worker)
{
	return &worker->counters;
}

enum ring_profile worker_ring_profile(const struct worker *worker)
{
	return worker->profile;
}

struct storage_thread *worker_storage_thread(struct worker *worker)
{
	return &worker->thread;
}

void worker_post(struct worker *worker, struct mailbox_message *message)
{
	mailbox_post(&worker->mailbox, message);
}

/* storage_thread.post: the result travels in io->progress, which nobody needs any more. */
static void post_result(struct storage_thread *thread, struct storage_io *io, int result)
{
	struct worker *worker = (struct worker *)thread;
	struct storage_io *top = __atomic_load_n(&worker->posted, __ATOMIC_RELAXED);

	io->progress = (uint64_t)(int64_t)result;
	do {
		io->next = top;
	} while (!__atomic_compare_exchange_n(&worker->posted, &top, io, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (!top)
		eventfd_write(worker->mailbox.event_fd, 1);
}

static bool collect_posted(struct worker *worker)
{
	struct storage_io *io;

	if (!__atomic_load_n(&worker->posted, __ATOMIC_RELAXED))
		return false;
	io = __atomic_exchange_n(&worker->posted, NULL, __ATOMIC_ACQUIRE);
	while (io) {
		struct storage_io *next = io->next;

		io->done(io, (int)(int64_t)io->progress);
		io = next;
	}
	return true;
}

static void arm_poll(struct worker *worker, int fd, void *object, enum tag tag)
{
	struct io_uring_sqe *sqe = storage_sqe(&worker->thread);

	/* Multishot and never read: each eventfd_write() wakes us once, at no system call of ours. */
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, (uintptr_t)object | tag);
}

void worker_add_queue(struct worker *worker, struct queue *queue)
{
	queue->next = worker->queues;
	worker->queues = queue;
	if (queue->kick_fd >= 0) {
		arm_poll(worker, queue->kick_fd, queue, TAG_KICK);
		queue->kick_armed = true;
	} else {
		worker->unkicked++;
	}
	virtq_disable_kicks(&queue->vq);
}

/* A queue that is to stop and has nothing in flight: first its poll has to go. True when the queue can be let go. */
static bool ready_to_leave(struct worker *worker, struct queue *queue)
{
	struct io_uring_sqe *sqe;

	if (!queue->stopping || queue->in_flight)
		return false;
	if (queue->kick_armed && !queue->kick_cancelled) {
		sqe = storage_sqe(&worker->thread);
		/* Not a removal of the poll: that fails where a kick has just come, as it may at each attempt. */
		io_uring_prep_cancel64(sqe, (uintptr_t)queue | TAG_KICK, 0);
		io_uring_sqe_set_data64(sqe, TAG_IGNORE);
		queue->kick_cancelled = true;
	}
	return !queue->kick_armed;
}

static void handle_kick(struct worker *worker, struct queue *queue, const struct io_uring_cqe *cqe)
{
	if (cqe->res >= 0)
		QUEUE_COUNT(queue->counters.kicks, 1);
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	queue->kick_armed = false;
	if (!queue->kick_cancelled && cqe->res >= 0) {
		arm_poll(worker, queue->kick_fd, queue, TAG_KICK);
		queue->kick_armed = true;
	} else if (!queue->kick_cancelled) {
		log_error("disk %s: queue %u: its kick descriptor cannot be polled: %s", queue->name, queue->index,
			  strerror(-cqe->res));
	}
}

static void handle_completion(struct worker *worker, const struct io_uring_cqe *cqe)
{
	void *object = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);

	switch ((enum tag)(cqe->user_data & TAG_MASK)) {
	case TAG_STORAGE: {
		struct storage_io *io = object;

		io->event(io, cqe->res);
		break;
	}
	case TAG_KICK:
		handle_kick(worker, object, cqe);
		break;
	case TAG_MAILBOX:
		if (!(cqe->flags & IORING_CQE_F_MORE))
			worker->mailbox_armed = false;
		break;
	case TAG_IGNORE:
		break;
	}
}

static bool reap(struct worker *worker)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(&worker->ring, head, cqe)
	{
		handle_completion(worker, cqe);
		count++;
	}
	io_uring_cq_advance(&worker->ring, count);
	return count > 0;
}

/* One system call for everything that was prepared, none if that is nothing. */
static void enter(struct worker *worker)
{
	if (io_uring_sq_ready(&worker->ring))
		io_uring_submit_and_get_events(&worker->ring);
	else if (ring_needs_enter(&worker->ring))
		io_uring_get_events(&worker->ring);
	else
		return;
	worker->thread.submits++;
}

static void flush_queues(struct worker *worker)
{
	struct queue **link = &worker->queues;

	while (*link) {
		struct queue *queue = *link;

		queue_flush(queue);
		if (!ready_to_leave(worker, queue)) {
			link = &queue->next;
			continue;
		}
		if (queue->kick_fd < 0)
			worker->unkicked--;
		*link = queue->next;
		mailbox_post(queue->stopped_to, &queue->stopped);
	}
}

/* Look everywhere once. True where something was found to do. */
static bool turn(struct worker *worker)
{
	bool found = mailbox_run(&worker->mailbox);

	found |= collect_posted(worker);
	for (struct queue *queue = worker->queues; queue; queue = queue->next) {
		found |= queue_take(queue);
		if (queue->in_flight && storage_needs_poll(queue->storage))
			found |= storage_poll(queue->storage, &worker->thread) > 0;
	}
	enter(worker);
	found |= reap(worker);
	flush_queues(worker);
	QUEUE_COUNT(worker->counters.turns, 1);
	return found;
}

static bool anything_in_flight(const struct worker *worker)
{
	for (const struct queue *queue = worker->queues; queue; queue = queue->next) {
		if (queue->in_flight)
			return true;
	}
	return false;
}

/* Ask for kicks. False where work has come meanwhile, so that there is no reason to sleep. */
static bool prepare_sleep(struct worker *worker)
{
	if (!worker->mailbox_armed) {
		arm_poll(worker, worker->mailbox.event_fd, NULL, TAG_MAILBOX);
		worker->mailbox_armed = true;
	}
	for (struct queue *queue = worker->queues; queue; queue = queue->next) {
		if (queue->in_flight && storage_needs_poll(queue->storage))
			return false;
		if (!queue->stopping && !queue->broken_said && virtq_enable_kicks(&queue->vq))
			return false;
	}
	return !mailbox_has_messages(&worker->mailbox) && !__atomic_load_n(&worker->posted, __ATOMIC_RELAXED);
}

static void sleep_until_event(struct worker *worker)
{
	if (worker->unkicked == 0 && prepare_sleep(worker)) {
		QUEUE_COUNT(worker->counters.sleeps, 1);
		io_uring_submit_and_wait(&worker->ring, 1);
		worker->thread.submits++;
	}
	for (struct queue *queue = worker->queues; queue; queue = queue->next)
		virtq_disable_kicks(&queue->vq);
}

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void run(struct worker *worker)
{
	while (!worker->quit) {
		uint64_t idle_since, window_ticks;
		uint32_t window;
		bool in_flight;

		if (turn(worker))
			continue;
		/* Nothing anywhere: look for a while, then sleep. */
		in_flight = anything_in_flight(worker);
		window = poll_policy_window(&worker->poll, in_flight);
		window_ticks = clock_ns_to_ticks(window);
		idle_since = clock_ticks();
		while (!turn(worker) && !worker->quit) {
			if (clock_ticks() - idle_since >= window_ticks)
				sleep_until_event(worker);
			else
				relax();
		}
		poll_policy_learn(&worker->poll, in_flight, clock_ticks_to_ns(clock_ticks() - idle_since), window);
	}
}

static void run_quit(struct mailbox_message *message)
{
	struct worker *worker = (struct worker *)((char *)message - offsetof(struct worker, quit_message));

	worker->quit = true;
}

static int worker_set_up(struct worker *worker)
{
	struct error *err = &worker->start_error;
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "worker-%u", worker->options.index);
	prctl(PR_SET_NAME, name);
	if (worker->options.cpus) {
		ret = pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), worker->options.cpus);
		if (ret)
			return error_set(err, -ret, "worker %u cannot run on the CPUs configured for it: %s",
					 worker->options.index, strerror(ret));
	}
	ret = ring_setup(&worker->ring, RING_ENTRIES, worker->options.best_ring, &worker->profile, err);
	if (ret < 0)
		return ret;
	ret = storage_bounce_create(&worker->thread.bounce, err);
	if (ret < 0)
		io_uring_queue_exit(&worker->ring);
	return ret;
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	bool up = worker_set_up(worker) == 0;

	sem_post(&worker->ready);
	if (!up)
		return NULL;
	run(worker);
	io_uring_queue_exit(&worker->ring);
	storage_bounce_destroy(worker->thread.bounce);
	return NULL;
}

/* Signals are the control thread's. */
static int create_thread(struct worker *worker)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&worker->pthread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -ret;
}

static struct worker *abandon(struct worker *worker)
{
	mailbox_destroy(&worker->mailbox);
	sem_destroy(&worker->ready);
	free(worker);
	return NULL;
}

struct worker *worker_create(const struct worker_options *options, struct error *err)
{
	struct worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);

	if (!worker) {
		error_set(err, -ENOMEM, "no memory for a worker");
		return NULL;
	}
	memset(worker, 0, sizeof(*worker));
	worker->options = *options;
	worker->thread = (struct storage_thread){
		.ring = &worker->ring, .post = post_result, .random = clock_monotonic_ns() + options->index};
	poll_policy_init(&worker->poll, options->poll_max_us * 1000);
	sem_init(&worker->ready, 0, 0);
	if (mailbox_init(&worker->mailbox) < 0 || create_thread(worker) < 0) {
		error_set(err, -EAGAIN, "a worker's thread or eventfd cannot be created: %s", strerror(errno));
		return abandon(worker);
	}
	while (sem_wait(&worker->ready) < 0)
		continue;
	if (worker->start_error.code) {
		*err = worker->start_error;
		pthread_join(worker->pthread, NULL);
		return abandon(worker);
	}
	return worker;
}

void worker_destroy(struct worker *worker)
{
	worker->quit_message.run = run_quit;
	worker_post(worker, &worker->quit_message);
	pthread_join(worker->pthread, NULL);
	abandon(worker);
}
