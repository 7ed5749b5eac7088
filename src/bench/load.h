/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_LOAD_H
#define STRAIT_BENCH_LOAD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "bench/options.h"
#include "bench/progress.h"
#include "bench/result.h"
#include "bench/schedule.h"
#include "bench/verify.h"
#include "bench/workload.h"
#include "frontend/blk.h"
#include "frontend/device.h"
#include "frontend/inflight.h"
#include "frontend/packed.h"
#include "frontend/split.h"

/*
 * The inside of a run, shared by its parts: session.c has the connection,
 * load.c the requests, chores.c what is looked after now and then, wait.c
 * sleep, run.c the phases. Everything here belongs to the one thread that
 * runs the benchmark.
 */

/* A place for one request in flight. */
struct bench_slot {
	struct driver_blk_request request; /* first: the ring hands back its chain */
	uint64_t start;                    /* ticks: sent, or with --rate due */
	struct bench_io io;
	uint32_t generation; /* --verify */
};

struct bench_queue {
	struct driver_queue queue;
	struct bench_slot *slots; /* depth of them, and one for the flushes of --flush-every */
	struct bench_slot **free; /* a stack of depth slots, the last used on top */
	unsigned free_count;
	struct bench_slot *flusher; /* NULL while its flush is in flight, or without --flush-every */
	unsigned writes;            /* since the last flush */
	bool added;                 /* something was added and not published */
};

/* What a phase starts from: to be subtracted at its end. */
struct bench_baseline {
	uint64_t kicks, calls, publishes;
	struct bench_procstat back_end, front_end;
};

struct bench_run {
	const struct bench_options *options;
	struct bench_result *result;
	struct error err;

	struct driver_device device;
	struct driver_wishes wishes;
	struct driver_inflight inflight;
	struct driver_memory memory;
	struct bench_queue *queues;
	unsigned queue_count;
	uint64_t connect_started; /* ns */

	struct bench_workload load;  /* what is measured */
	struct bench_workload sweep; /* fill or read back */
	struct bench_verify verify;

	/* The phase. */
	const char *phase;
	struct bench_workload *source;
	bool measuring;
	uint64_t to_send;  /* requests left to send */
	uint64_t planned;  /* requests of this phase, UINT64_MAX where time ends it */
	uint64_t began;    /* ticks */
	uint64_t deadline; /* ticks, UINT64_MAX where requests end it */
	bool rated;
	struct bench_schedule schedule;
	unsigned next_queue; /* of the next arrival of the schedule */
	bool has_pending;
	struct bench_io pending; /* drawn, but with a place in flight */
	unsigned reconnects_left;

	/* Counters. */
	uint64_t now; /* ticks, at the last completions or --rate arrivals */
	uint64_t in_flight;
	uint64_t completed; /* over the whole run, errors included */
	uint64_t publishes;
	struct bench_baseline baseline;

	/* --survive, all in ns of the monotonic clock. */
	struct {
		bool waiting; /* for the first completion by a back end that has taken over */
		uint64_t lost, connected;
		uint64_t last_reap; /* of the last completion before */
	} survived;

	/* Chores, all in ticks. */
	uint64_t next_chore;
	uint64_t next_progress;
	uint64_t last_completion;
	uint64_t last_completed; /* the counter, when last_completion was noted */
	struct bench_progress progress;
};

/* Set by bench_interrupt(). */
extern volatile sig_atomic_t bench_interrupted;

/* session.c: 0, or a negative errno with run->err set. */
int bench_session_open(struct bench_run *run);
int bench_session_reconnect(struct bench_run *run);
int bench_session_close(struct bench_run *run); /* stop the queues, say goodbye; only where all went well */
void bench_session_free(struct bench_run *run); /* always */
/* Its parts: connect to a back end like the first one, say what it is, hand it memory and rings. */
int bench_session_connect(struct bench_run *run);
void bench_session_describe(struct bench_run *run);
/* Each queue goes on where bases[i] or, if NULL, the ring says. */
int bench_session_start_queues(struct bench_run *run, const uint32_t *bases);

/*
 * survive.c: the back end has closed the connection: wait for one that takes
 * over, and go on with the same rings and in-flight region. Then, when the
 * first completion has come.
 */
int bench_survive(struct bench_run *run);
void bench_survived(struct bench_run *run);

/* plan.c: what the options mean on this disk, and memory and slots for it. -EINVAL: they do not go with it. */
int bench_plan_check(struct bench_run *run);
int bench_plan_prepare(struct bench_run *run);
void bench_plan_free(struct bench_run *run);

/* load.c: send and await the requests of the current phase. */
int bench_load_run(struct bench_run *run);
/* Fetch what a queue completed: how many, or a negative errno with run->err set. */
int bench_load_reap(struct bench_run *run, struct bench_queue *queue);
/* Ask for the disk's serial number while nothing else is in flight. */
int bench_load_read_serial(struct bench_run *run);

/* chores.c: once in a while. 0, or a negative errno with run->err set. */
int bench_chores(struct bench_run *run, uint64_t now);

/* wait.c: sleep until called, until something is due, or until the back end says or does something else. */
int bench_wait(struct bench_run *run);

/* This phase sends no more. */
static inline void bench_stop_sending(struct bench_run *run)
{
	run->to_send = 0;
}

#endif
