/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/run.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/load.h"

volatile sig_atomic_t bench_interrupted;

void bench_interrupt(void)
{
	bench_interrupted = 1;
}

static void take_baseline(struct bench_run *run, struct bench_baseline *baseline)
{
	memset(baseline, 0, sizeof(*baseline));
	for (unsigned i = 0; i < run->queue_count; i++) {
		struct driver_queue *queue = &run->queues[i].queue;

		driver_queue_collect_calls(queue);
		baseline->kicks += queue->kicks;
		baseline->calls += queue->calls;
	}
	baseline->publishes = run->publishes;
	bench_procstat_read(&baseline->back_end, run->result->device.pid);
	bench_procstat_read(&baseline->front_end, getpid());
}

static void begin_phase(struct bench_run *run, const char *phase, struct bench_workload *source, uint64_t count,
			uint64_t time_ns)
{
	const uint64_t now = clock_ticks();

	run->phase = phase;
	run->source = source;
	run->planned = run->to_send = count;
	run->began = now;
	run->deadline = time_ns ? now + clock_ns_to_ticks(time_ns) : UINT64_MAX;
	run->next_chore = now;
	run->next_progress = now + clock_ns_to_ticks(1000000000u);
	run->last_completion = now;
	run->has_pending = false;
	bench_progress_begin(&run->progress, clock_monotonic_ns(), run->completed);
}

/* Fill or read back: the whole region, as fast as it goes. */
static int sweep(struct bench_run *run, const char *phase, enum bench_op op)
{
	run->rated = false;
	bench_workload_init_sweep(&run->sweep, &run->load, op, run->sweep.blocks.max);
	begin_phase(run, phase, &run->sweep, bench_workload_sweep_count(&run->sweep), 0);
	return bench_load_run(run);
}

static void start_schedule(struct bench_run *run)
{
	run->rated = run->options->rate > 0;
	if (run->rated)
		bench_schedule_init(&run->schedule, run->began, 1e9 / clock_ns_per_tick, run->options->rate);
}

static int warm_up(struct bench_run *run)
{
	begin_phase(run, "warm-up", &run->load, UINT64_MAX, run->options->warm_up_ns);
	start_schedule(run);
	return bench_load_run(run);
}

static int measure(struct bench_run *run)
{
	struct bench_result *result = run->result;
	struct bench_baseline *before = &run->baseline, after;
	uint64_t end, due_until;
	int ret;

	take_baseline(run, before);
	begin_phase(run, "measure", &run->load, run->options->io_count ? run->options->io_count : UINT64_MAX,
		    run->options->time_ns);
	start_schedule(run);
	run->reconnects_left = run->options->reconnects;
	run->measuring = true;
	ret = bench_load_run(run);
	/* Too short a run to fit them all in; they were asked for all the same. */
	while (!ret && run->reconnects_left && !bench_interrupted) {
		run->reconnects_left--;
		ret = bench_session_reconnect(run);
	}
	run->measuring = false;
	end = clock_ticks();
	result->seconds = (double)clock_ticks_to_ns(end - run->began) / 1e9;
	take_baseline(run, &after);
	result->kicks = after.kicks - before->kicks;
	result->calls = after.calls - before->calls;
	result->publishes = after.publishes - before->publishes;
	result->back_end = bench_procstat_between(&before->back_end, &after.back_end);
	result->front_end = bench_procstat_between(&before->front_end, &after.front_end);
	/* With a count, the schedule goes on after its last request. */
	due_until = end < run->deadline ? end : run->deadline;
	if (run->rated && !run->options->io_count)
		result->backlog = bench_schedule_backlog(&run->schedule, due_until);
	return ret;
}

static int run_phases(struct bench_run *run)
{
	const struct bench_options *options = run->options;
	const bool writes = options->mixed || options->op != BENCH_READ;
	int ret = 0;

	if (options->verify && !writes)
		ret = sweep(run, "fill", BENCH_WRITE);
	if (!ret && options->warm_up_ns && !bench_interrupted)
		ret = warm_up(run);
	if (!ret && !bench_interrupted)
		ret = measure(run);
	if (!ret && options->verify && writes && !bench_interrupted)
		ret = sweep(run, "read back", BENCH_READ);
	if (!ret)
		ret = bench_load_read_serial(run);
	return ret ? ret : bench_session_close(run);
}

static int pin(const struct bench_options *options, struct error *err)
{
	/* A rate and event mode sleep to the microsecond. */
	prctl(PR_SET_TIMERSLACK, 1);
	if (options->has_cpus && sched_setaffinity(0, sizeof(options->cpus), &options->cpus) < 0)
		return error_set(err, -errno, "--cpu: cannot run on these CPUs: %s", strerror(errno));
	return 0;
}

static void copy_verify(struct bench_run *run)
{
	struct bench_result *result = run->result;

	result->verified = run->options->verify;
	result->verify = run->verify;
	result->verify.expected = NULL;
	result->verify.busy = NULL;
}

void bench_run(const struct bench_options *options, struct bench_result *result)
{
	struct bench_run *run = calloc(1, sizeof(*run));
	int ret;

	memset(result, 0, sizeof(*result));
	for (unsigned op = 0; op < BENCH_OP_COUNT; op++)
		hist_reset(&result->op[op].latency);
	hist_reset(&result->survived.to_connect);
	hist_reset(&result->survived.to_first);
	hist_reset(&result->survived.outage);
	if (!run) {
		result->outcome = BENCH_FAILED;
		snprintf(result->failure, sizeof(result->failure), "out of memory");
		return;
	}
	run->options = options;
	run->result = result;
	run->device.channel.fd = run->device.backend_fd = -1;
	bench_progress_init(&run->progress, options->quiet ? 0 : options->progress);
	ret = pin(options, &run->err);
	if (ret < 0)
		result->outcome = BENCH_REFUSED;
	if (!ret)
		ret = bench_session_open(run);
	if (!ret)
		ret = run_phases(run);
	bench_progress_clear(&run->progress);
	/* It may have come where no phase was there to notice. */
	if (bench_interrupted)
		result->interrupted = true;
	copy_verify(run);
	if (ret < 0) {
		if (result->outcome == BENCH_FINISHED)
			result->outcome = BENCH_FAILED;
		snprintf(result->failure, sizeof(result->failure), "%s", run->err.text);
	}
	bench_session_free(run);
	free(run);
}
