/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "bench/load.h"

/* True if every ring will call at its next completion; false if one already has something. */
static bool calls_on(struct bench_run *run)
{
	for (unsigned i = 0; i < run->queue_count; i++) {
		struct driver_ring *ring = run->queues[i].queue.ring;

		if (!ring->ops->calls_on(ring))
			return false;
	}
	return true;
}

static void calls_off(struct bench_run *run)
{
	for (unsigned i = 0; i < run->queue_count; i++) {
		struct driver_ring *ring = run->queues[i].queue.ring;

		ring->ops->calls_off(ring);
	}
}

/* The next time anything has to be done unasked. */
static void time_left(const struct bench_run *run, struct timespec *left)
{
	const uint64_t now = clock_ticks();
	uint64_t until = run->next_chore, ns;

	/* A full house waits for completions, not for the next arrival. */
	if (run->rated && run->to_send && run->in_flight < (uint64_t)run->queue_count * run->options->depth) {
		const uint64_t arrival = bench_schedule_next(&run->schedule);

		if (arrival < until)
			until = arrival;
	}
	ns = until > now ? clock_ticks_to_ns(until - now) : 0;
	left->tv_sec = (time_t)(ns / 1000000000u);
	left->tv_nsec = (long)(ns % 1000000000u);
}

/* Everything whose readiness ends the sleep; the calls come first. */
static nfds_t fill_poll(const struct bench_run *run, struct pollfd *poller)
{
	nfds_t count = 0;

	for (unsigned i = 0; i < run->queue_count; i++)
		poller[count++] = (struct pollfd){.fd = run->queues[i].queue.call_fd, .events = POLLIN};
	for (unsigned i = 0; i < run->queue_count; i++)
		poller[count++] = (struct pollfd){.fd = run->queues[i].queue.err_fd, .events = POLLIN};
	poller[count++] = (struct pollfd){.fd = run->device.channel.fd, .events = POLLRDHUP};
	poller[count++] = (struct pollfd){.fd = run->device.backend_fd, .events = POLLIN};
	return count;
}

int bench_wait(struct bench_run *run)
{
	struct pollfd poller[2 * BENCH_MAX_QUEUES + 2];
	const nfds_t count = fill_poll(run, poller);
	struct timespec left;
	int ready;

	if (!calls_on(run)) {
		calls_off(run);
		return 0;
	}
	time_left(run, &left);
	ready = ppoll(poller, count, &left, NULL);
	if (ready < 0 && errno != EINTR)
		return error_set(&run->err, -errno, "cannot wait for calls: %s", strerror(errno));
	calls_off(run);
	for (nfds_t i = 0; ready > 0 && i < count; i++) {
		if (!poller[i].revents)
			continue;
		if (i < run->queue_count)
			driver_queue_collect_calls(&run->queues[i].queue);
		else
			run->next_chore = 0;
	}
	/* A signal may have asked for the end. */
	if (ready < 0)
		run->next_chore = 0;
	return 0;
}
