/* SPDX-License-Identifier: Apache-2.0 */
/* --survive: the back end dies and another one takes over. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "bench/load.h"

#define RETRY_NS 500000u

/* What the dead one had put into the rings has come back; only after that is what comes next the successor's. */
static int reap_the_last(struct bench_run *run)
{
	int ret = 0;

	for (unsigned i = 0; i < run->queue_count && ret >= 0; i++) {
		do {
			ret = bench_load_reap(run, &run->queues[i]);
		} while (ret > 0);
	}
	return ret;
}

/* Nobody is there yet, or whoever was there is gone again. */
static bool may_try_again(int ret)
{
	return ret == -ECONNREFUSED || ret == -ECONNRESET || ret == -ENOENT || ret == -EPIPE;
}

/* One attempt, from connect(2) to the point from which requests may come back. */
static int attempt(struct bench_run *run)
{
	uint32_t bases[BENCH_MAX_QUEUES];
	int ret = bench_session_connect(run);

	if (ret < 0)
		return ret;
	run->survived.connected = clock_monotonic_ns();
	for (unsigned i = 0; i < run->queue_count; i++)
		bases[i] = driver_device_lost_base(&run->device, &run->queues[i].queue);
	return bench_session_start_queues(run, bases);
}

int bench_survive(struct bench_run *run)
{
	const struct timespec pause = {.tv_nsec = RETRY_NS};
	const uint64_t lost = clock_monotonic_ns();
	int ret = reap_the_last(run);

	if (ret < 0)
		return ret;
	/* One that dies before it has completed anything is part of the outage before it. */
	if (!run->survived.waiting)
		run->survived.lost = lost;
	run->survived.waiting = true;
	run->result->survived.count++;
	for (;;) {
		driver_device_abandon(&run->device);
		ret = attempt(run);
		if (!may_try_again(ret) || clock_monotonic_ns() - lost >= run->options->survive_ns || bench_interrupted)
			break;
		run->result->survived.retries++;
		nanosleep(&pause, NULL);
	}
	if (ret < 0)
		return ret;
	bench_session_describe(run);
	hist_add(&run->result->survived.to_connect, run->survived.connected - lost);
	/* Another process has used that CPU time. */
	run->baseline.back_end.valid = false;
	run->last_completed = run->completed - 1;
	return 0;
}

void bench_survived(struct bench_run *run)
{
	struct bench_survive_result *result = &run->result->survived;
	const uint64_t now = clock_monotonic_ns(), stall = now - run->survived.last_reap;

	run->survived.waiting = false;
	hist_add(&result->to_first, now - run->survived.connected);
	hist_add(&result->outage, now - run->survived.lost);
	if (stall > result->longest_stall_ns)
		result->longest_stall_ns = stall;
}
