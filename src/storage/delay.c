/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "storage/delay_sample.h"
#include "storage/storage.h"

/*
 * Holds each request back for a time before the back end below sees it, by a
 * timer on the worker's ring. The time counts from when the worker hands its
 * batch to the kernel. A request is never early; it is late by what a timer
 * interrupt and the waking of the worker take, tens of microseconds on a
 * machine that sleeps deeply. The thread's timer slack does not come on top:
 * io_uring's timers have none.
 */

/* Nothing shorter can be had from a timer: such requests go straight through. */
#define SHORTEST_US 1.0

#define LONGEST_US 3.6e9 /* an hour */

struct delay_storage {
	struct storage storage; /* first */
	struct storage_delay_options options;
};

static void delay_event(struct storage_io *io, int32_t result)
{
	if (result == -ETIME || result == 0)
		storage_submit(io->owner->lower, io->thread, io);
	else
		io->done(io, result);
}

static void delay_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	const struct storage_delay_options *options = &((struct delay_storage *)storage)->options;
	struct io_uring_sqe *sqe;
	double us = 0;

	if (options->ops & (1u << io->op))
		us = delay_sample(options, storage_random(thread), storage_random(thread));
	if (us < SHORTEST_US) {
		storage_submit(storage->lower, thread, io);
		return;
	}
	io->owner = storage;
	io->thread = thread;
	io->event = delay_event;
	io->timeout.tv_sec = (int64_t)(us / 1e6);
	io->timeout.tv_nsec = (long long)(fmod(us, 1e6) * 1e3);
	sqe = storage_sqe(thread);
	io_uring_prep_timeout(sqe, &io->timeout, 0, 0);
	io_uring_sqe_set_data(sqe, io);
}

static void delay_close(struct storage *storage)
{
	storage_close(storage->lower);
	free(storage);
}

static const struct storage_ops delay_ops = {
	.name = "delay",
	.submit = delay_submit,
	.close = delay_close,
};

static int check(const struct storage_delay_options *options, const char *name, struct error *err)
{
	const uint32_t all = (1u << STORAGE_OP_COUNT) - 1;

	if (!(options->mean_us >= 0 && options->mean_us <= LONGEST_US))
		return error_set(err, -EINVAL, "disk %s: mean delay of %g us: expected 0 to %g", name, options->mean_us,
				 LONGEST_US);
	if (!(options->spread_us >= 0 && options->spread_us <= LONGEST_US))
		return error_set(err, -EINVAL, "disk %s: spread of the delay of %g us: expected 0 to %g", name,
				 options->spread_us, LONGEST_US);
	if (options->kind == STORAGE_DELAY_UNIFORM && options->spread_us > options->mean_us)
		return error_set(
			err, -EINVAL,
			"disk %s: spread of the delay of %g us: expected at most the mean (%g us), as a delay cannot "
			"be below 0",
			name, options->spread_us, options->mean_us);
	if (options->kind > STORAGE_DELAY_PARETO)
		return error_set(err, -EINVAL, "disk %s: delay of unknown kind %d", name, (int)options->kind);
	if (options->ops & ~all)
		return error_set(err, -EINVAL, "disk %s: delay of operations 0x%x: expected bits within 0x%x", name,
				 options->ops, all);
	return 0;
}

int storage_delay_open(struct storage *lower, const struct storage_delay_options *options, struct storage **out,
		       struct error *err)
{
	struct delay_storage *delay = NULL;
	int ret = check(options, lower->name, err);

	if (!ret) {
		delay = calloc(1, sizeof(*delay));
		if (!delay)
			ret = error_set(err, -ENOMEM, "disk %s: out of memory", lower->name);
	}
	if (ret) {
		storage_close(lower);
		return ret;
	}
	delay->storage = (struct storage){.ops = &delay_ops, .info = lower->info, .lower = lower};
	memcpy(delay->storage.name, lower->name, sizeof(lower->name));
	delay->options = *options;
	if (!delay->options.ops)
		delay->options.ops = (1u << STORAGE_OP_COUNT) - 1;
	*out = &delay->storage;
	return 0;
}
