/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/clock.h"
#include "bench/load.h"

/* How often a loop that never sleeps looks after things, and one that sleeps at the latest. */
#define POLLED_INTERVAL_NS 2000000u
#define EVENT_INTERVAL_NS  100000000u
#define PROGRESS_NS        1000000000u

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static const char *still_in_flight(const struct bench_run *run)
{
	return run->in_flight == 1 ? "request" : "requests";
}

static int back_end_gone(struct bench_run *run)
{
	return error_set(&run->err, -ECONNRESET,
			 "%s: the back end (%s, process %d) closed the connection with %llu %s in flight: it died or "
			 "gave up, see its log",
			 run->options->socket, run->result->device.process, (int)run->result->device.pid,
			 (unsigned long long)run->in_flight, still_in_flight(run));
}

static int check_back_end(struct bench_run *run, uint64_t now)
{
	const char *socket = run->options->socket;
	int ret;

	if (!driver_channel_alive(&run->device.channel))
		return run->options->survive_ns ? bench_survive(run) : back_end_gone(run);
	for (unsigned i = 0; i < run->queue_count; i++) {
		if (driver_queue_failed(&run->queues[i].queue))
			return error_set(&run->err, -EIO,
					 "%s: the back end reports that queue %u is broken, with %llu %s in flight: "
					 "see its log",
					 socket, i, (unsigned long long)run->in_flight, still_in_flight(run));
	}
	ret = driver_device_poll_backend(&run->device, &run->err);
	if (ret < 0)
		return ret;
	if (run->completed != run->last_completed || !run->in_flight) {
		run->last_completed = run->completed;
		run->last_completion = now;
	} else if (now - run->last_completion > clock_ns_to_ticks(run->options->timeout_ns)) {
		return error_set(&run->err, -ETIMEDOUT, "%s: nothing has completed for %.3g s with %llu %s in flight",
				 socket, (double)run->options->timeout_ns / 1e9, (unsigned long long)run->in_flight,
				 still_in_flight(run));
	}
	return 0;
}

/* How much of the phase is over, 0 to 1. */
static double share_done(const struct bench_run *run, uint64_t now)
{
	double share = 0, sent;

	if (run->deadline != UINT64_MAX)
		share = (double)(now - run->began) / (double)(run->deadline - run->began);
	if (run->planned != UINT64_MAX) {
		sent = (double)(run->planned - run->to_send) / (double)run->planned;
		if (sent > share)
			share = sent;
	}
	return share > 1 ? 1 : share;
}

static void show_progress(struct bench_run *run, uint64_t now)
{
	if (now < run->next_progress)
		return;
	run->next_progress = now + clock_ns_to_ticks(PROGRESS_NS);
	bench_progress_show(&run->progress, run->phase, share_done(run, now), clock_monotonic_ns(),
			    clock_ticks_to_ns(now - run->began), run->completed);
}

/* --reconnect: evenly over the measured phase, by time or by requests, whichever is further. */
static int reconnect_if_due(struct bench_run *run, uint64_t now)
{
	const unsigned total = run->options->reconnects;
	const unsigned done = total - run->reconnects_left;

	if (!run->measuring || !run->reconnects_left || share_done(run, now) * (total + 1) < done + 1)
		return 0;
	run->reconnects_left--;
	return bench_session_reconnect(run);
}

/* When the next reconnect is due, as far as time says. */
static uint64_t next_reconnect(const struct bench_run *run)
{
	const unsigned total = run->options->reconnects;
	const unsigned next = total - run->reconnects_left + 1;

	if (!run->measuring || !run->reconnects_left || run->deadline == UINT64_MAX)
		return UINT64_MAX;
	return run->began + (uint64_t)((double)(run->deadline - run->began) * next / (total + 1)) + 1;
}

int bench_chores(struct bench_run *run, uint64_t now)
{
	const bool event = run->options->mode == BENCH_EVENT;
	int ret = check_back_end(run, now);

	if (ret < 0)
		return ret;
	if (bench_interrupted) {
		run->result->interrupted = true;
		bench_stop_sending(run);
	}
	ret = reconnect_if_due(run, now);
	if (ret < 0)
		return ret;
	if (now >= run->deadline)
		bench_stop_sending(run);
	show_progress(run, now);
	run->next_chore = now + clock_ns_to_ticks(event ? EVENT_INTERVAL_NS : POLLED_INTERVAL_NS);
	run->next_chore = earlier(run->next_chore, next_reconnect(run));
	if (now < run->deadline)
		run->next_chore = earlier(run->next_chore, run->deadline);
	return 0;
}
