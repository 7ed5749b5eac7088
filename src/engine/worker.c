/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/worker_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/bounce.h"

#define RING_ENTRIES   512
#define TIMER_SLACK_NS 1000

const struct worker_counters *worker_counters(const struct worker *worker)
{
	return &worker->counters;
}

enum ring_profile worker_ring_profile(const struct worker *worker)
{
	return worker->profile;
}

bool worker_ring_restricted(const struct worker *worker)
{
	return worker->ring_restricted;
}

struct storage_thread *worker_storage_thread(struct worker *worker)
{
	return &worker->thread;
}

void worker_post(struct worker *worker, struct mailbox_message *message)
{
	mailbox_post(&worker->mailbox, message);
}

static void run_ask_again(struct mailbox_message *message)
{
	struct worker *worker = (struct worker *)((char *)message - offsetof(struct worker, ask_again));

	/* Before looking: what changes from here on has another message. */
	__atomic_store_n(&worker->ask_again_pending, false, __ATOMIC_SEQ_CST);
	worker_look_at_held(worker);
}

void worker_ask_again(struct worker *worker)
{
	if (!__atomic_exchange_n(&worker->ask_again_pending, true, __ATOMIC_SEQ_CST))
		worker_post(worker, &worker->ask_again);
}

struct adjustment {
	struct mailbox_message message;
	struct worker *worker;
	uint32_t poll_max_us, report_ms;
};

static void run_adjustment(struct mailbox_message *message)
{
	struct adjustment *adjustment = (struct adjustment *)message;
	struct worker *worker = adjustment->worker;

	/* What it has learned holds for the longest look that it was allowed. */
	if (worker->poll.max_ns != adjustment->poll_max_us * 1000)
		poll_policy_init(&worker->poll, adjustment->poll_max_us * 1000);
	if (worker->options.report_to)
		worker->report_ticks = clock_ns_to_ticks(adjustment->report_ms * 1000000ull);
	free(adjustment);
}

int worker_adjust(struct worker *worker, uint32_t poll_max_us, uint32_t report_ms)
{
	struct adjustment *adjustment = malloc(sizeof(*adjustment));

	if (!adjustment)
		return -ENOMEM;
	*adjustment = (struct adjustment){
		.message.run = run_adjustment, .worker = worker, .poll_max_us = poll_max_us, .report_ms = report_ms};
	worker_post(worker, &adjustment->message);
	return 0;
}

bool worker_is_current(const struct worker *worker)
{
	return pthread_equal(worker->pthread, pthread_self());
}

/* Documentation/scheduler/sched-stats.rst: time on the CPU, time waiting for one, both in nanoseconds. */
struct worker_run_times worker_run_times(const struct worker *worker)
{
	unsigned long long running, waiting;
	char text[128];
	ssize_t length = worker->schedstat_fd < 0 ? -1 : pread(worker->schedstat_fd, text, sizeof(text) - 1, 0);

	if (length <= 0)
		return (struct worker_run_times){0};
	text[length] = '\0';
	if (sscanf(text, "%llu %llu", &running, &waiting) != 2)
		return (struct worker_run_times){0};
	return (struct worker_run_times){.running = running, .waiting = waiting};
}

static void run_report(struct mailbox_message *message)
{
	struct worker *worker = (struct worker *)((char *)message - offsetof(struct worker, report));

	__atomic_store_n(&worker->report_pending, false, __ATOMIC_RELEASE);
	worker->options.on_report(worker->options.report_context);
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
	/* A held request is due at a time: by default the kernel may be 50 us late. */
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	if (worker->options.cpus) {
		ret = pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), worker->options.cpus);
		if (ret)
			return error_set(err, -ret, "worker %u cannot run on the CPUs configured for it: %s",
					 worker->options.index, strerror(ret));
	}
	ret = ring_enable(&worker->ring);
	if (ret < 0)
		return error_set(err, ret, "worker %u cannot use its io_uring: %s", worker->options.index,
				 strerror(-ret));
	/* Kernels before 5.19 do without: then each attempt to register an image fails. */
	io_uring_register_files_sparse(&worker->ring, STORAGE_RING_FILES);
	ret = storage_bounce_create(&worker->thread.bounce, err);
	if (ret == 0)
		worker->schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	return ret;
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	bool up = worker_set_up(worker) == 0;

	sem_post(&worker->ready);
	if (!up)
		return NULL;
	worker_run(worker);
	storage_bounce_destroy(worker->thread.bounce);
	if (worker->schedstat_fd >= 0)
		close(worker->schedstat_fd);
	worker->schedstat_fd = -1;
	return NULL;
}

/*
 * Signals are the control thread's, but for those that a thread sends itself: by touching guest memory that is gone
 * (memguard.h), and by a system call that the sandbox refuses.
 */
static int create_thread(struct worker *worker)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSYS);
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

/* The ring is there from the beginning: it takes rights and system calls that a sandbox takes away. */
static int create_ring(struct worker *worker, struct error *err)
{
	int ret = ring_setup(&worker->ring, RING_ENTRIES, worker->options.best_ring, &worker->profile, err);

	if (ret < 0 || !worker->options.restrict_ring)
		return ret;
	worker->ring_restricted = ring_restrict(&worker->ring) == 0;
	return 0;
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
	worker->schedstat_fd = -1;
	worker->thread = (struct storage_thread){.ring = &worker->ring,
						 .post = post_result,
						 .random = clock_monotonic_ns() + options->index,
						 .index = options->index,
						 .now = clock_ticks()};
	poll_policy_init(&worker->poll, options->poll_max_us * 1000);
	if (options->report_to) {
		worker->report.run = run_report;
		worker->report_ticks = clock_ns_to_ticks(options->report_ms * 1000000ull);
	}
	worker->ask_again.run = run_ask_again;
	sem_init(&worker->ready, 0, 0);
	if (mailbox_init(&worker->mailbox) < 0) {
		error_set(err, -errno, "a worker's eventfd cannot be created: %s", strerror(errno));
		return abandon(worker);
	}
	return create_ring(worker, err) < 0 ? abandon(worker) : worker;
}

int worker_start(struct worker *worker, struct error *err)
{
	int ret = create_thread(worker);

	if (ret < 0)
		return error_set(err, ret, "a worker's thread cannot be created: %s", strerror(-ret));
	while (sem_wait(&worker->ready) < 0)
		continue;
	if (!worker->start_error.code) {
		worker->started = true;
		return 0;
	}
	*err = worker->start_error;
	pthread_join(worker->pthread, NULL);
	return err->code;
}

void worker_stop(struct worker *worker)
{
	if (!worker->started)
		return;
	worker->quit_message.run = run_quit;
	worker_post(worker, &worker->quit_message);
	pthread_join(worker->pthread, NULL);
	worker->started = false;
	/* A report that is still on its way is part of the worker. */
	if (__atomic_load_n(&worker->report_pending, __ATOMIC_ACQUIRE))
		mailbox_run(worker->options.report_to);
}

void worker_destroy(struct worker *worker)
{
	worker_stop(worker);
	io_uring_queue_exit(&worker->ring);
	abandon(worker);
}
