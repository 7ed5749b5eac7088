/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"

#include <errno.h>

#include "base/clock.h"

#define REAP_BATCH 64

/* A random place that is taken is drawn again this often before the request waits for it. */
#define DRAWS 16

/* Looks without a completion before the CPU is told that this is a wait. */
#define SPINS_BEFORE_PAUSE 64

/* Turns of the polling loop from one look at the clock to the next. */
#define TURNS_PER_CLOCK 32

static const uint32_t request_types[BENCH_OP_COUNT] = {
	[BENCH_READ] = VIRTIO_BLK_T_IN,
	[BENCH_WRITE] = VIRTIO_BLK_T_OUT,
	[BENCH_FLUSH] = VIRTIO_BLK_T_FLUSH,
	[BENCH_DISCARD] = VIRTIO_BLK_T_DISCARD,
	[BENCH_WRITE_ZEROES] = VIRTIO_BLK_T_WRITE_ZEROES,
};

static int ring_broken(struct bench_run *run, const struct bench_queue *queue)
{
	return error_set(&run->err, -EPROTO, "%s: the back end broke the rules of queue %u: %s", run->options->socket,
			 queue->queue.index, queue->queue.ring->error);
}

/* Outlined: errors are rare. */
static __attribute__((noinline)) void note_error(struct bench_run *run, const struct bench_slot *slot, uint8_t status,
						 uint32_t used_length)
{
	struct bench_result *result = run->result;
	enum bench_error_kind kind = BENCH_ERROR_STATUS;

	if (status == VIRTIO_BLK_S_OK)
		kind = BENCH_ERROR_SHORT;
	else if (status == VIRTIO_BLK_S_IOERR)
		kind = BENCH_ERROR_IO;
	else if (status == VIRTIO_BLK_S_UNSUPP)
		kind = BENCH_ERROR_UNSUPPORTED;
	result->op[slot->io.op].errors[kind]++;
	if (result->sample_count == BENCH_ERROR_SAMPLES)
		return;
	result->sample[result->sample_count++] = (struct bench_error_sample){
		.kind = kind,
		.op = slot->io.op,
		.offset = slot->io.offset,
		.length = slot->io.length,
		.status = status,
		.used_length = used_length,
	};
}

static inline void complete(struct bench_run *run, struct bench_queue *queue, struct bench_slot *slot,
			    uint32_t used_length, uint64_t now)
{
	const uint8_t status = driver_blk_status(&slot->request);
	const bool whole = slot->io.op != BENCH_READ || used_length > slot->io.length;
	const bool good = status == VIRTIO_BLK_S_OK && whole;

	if (good && run->measuring) {
		struct bench_op_result *result = &run->result->op[slot->io.op];

		hist_add(&result->latency, clock_ticks_to_ns(now - slot->start));
		result->bytes += slot->io.length;
	} else if (!good) {
		note_error(run, slot, status, used_length);
	}
	if (run->options->verify && slot->io.length)
		bench_verify_done(&run->verify, &slot->io, slot->generation, slot->request.data.at, good);
	if (slot == &queue->slots[run->options->depth])
		queue->flusher = slot;
	else
		queue->free[queue->free_count++] = slot;
}

int bench_load_reap(struct bench_run *run, struct bench_queue *queue)
{
	struct driver_ring *ring = queue->queue.ring;
	struct driver_completion done[REAP_BATCH];
	const int count = ring->ops->reap(ring, done, REAP_BATCH);

	if (count == 0)
		return 0;
	if (count < 0)
		return ring_broken(run, queue);
	/* Once for all of them, and for those that take their places. */
	run->now = clock_ticks();
	for (int i = 0; i < count; i++)
		complete(run, queue, (struct bench_slot *)done[i].chain, done[i].length, run->now);
	if (run->options->survive_ns) {
		if (run->survived.waiting)
			bench_survived(run);
		run->survived.last_reap = clock_monotonic_ns();
	}
	run->in_flight -= (unsigned)count;
	run->completed += (unsigned)count;
	if (!run->result->first_completion_ns)
		run->result->first_completion_ns = clock_monotonic_ns() - run->connect_started;
	return count;
}

/* Draw the next request. False: it has to wait for one that is in flight in its place. */
static inline bool draw(struct bench_run *run, struct bench_io *io)
{
	if (!run->options->verify) {
		bench_workload_next(run->source, io);
		return true;
	}
	for (unsigned i = 0; i < DRAWS; i++) {
		if (run->has_pending)
			*io = run->pending;
		else
			bench_workload_next(run->source, io);
		run->has_pending = false;
		if (bench_verify_claim(&run->verify, io))
			return true;
		/* A stream must not skip anything. */
		if (!run->source->random || i + 1 == DRAWS) {
			run->pending = *io;
			run->has_pending = true;
			return false;
		}
	}
	return false;
}

static void send(struct bench_run *run, struct bench_queue *queue, struct bench_slot *slot, uint64_t start)
{
	struct driver_ring *ring = queue->queue.ring;
	const struct bench_io *io = &slot->io;

	slot->start = start;
	/* Cannot fail: the plan saw to it that descriptors for every slot at its longest are there. */
	driver_blk_prepare(ring, &slot->request, request_types[io->op], io->offset / DRIVER_BLK_SECTOR, io->length,
			   run->options->unmap);
	ring->ops->add(ring, &slot->request.chain);
	queue->added = true;
	run->in_flight++;
}

/* --flush-every: the flush of a queue that has written enough, once its last one is back. */
static void send_flush(struct bench_run *run, struct bench_queue *queue, uint64_t now)
{
	struct bench_slot *slot = queue->flusher;

	if (!slot || queue->writes < run->options->flush_every)
		return;
	queue->writes = 0;
	queue->flusher = NULL;
	slot->io = (struct bench_io){.op = BENCH_FLUSH};
	send(run, queue, slot, now);
}

/* Send one request of the workload on a queue that has a free slot. False: it has to wait. */
static inline bool send_next(struct bench_run *run, struct bench_queue *queue, uint64_t start)
{
	struct bench_slot *slot = queue->free[queue->free_count - 1];

	if (!draw(run, &slot->io))
		return false;
	queue->free_count--;
	run->to_send--;
	if (run->options->verify)
		slot->generation = bench_verify_prepare(&run->verify, &slot->io, slot->request.data.at);
	queue->writes += slot->io.op == BENCH_WRITE;
	send(run, queue, slot, start);
	return true;
}

static inline void publish(struct bench_run *run, struct bench_queue *queue)
{
	struct driver_ring *ring = queue->queue.ring;

	if (!queue->added)
		return;
	queue->added = false;
	run->publishes++;
	if (ring->ops->publish(ring))
		driver_queue_kick(&queue->queue);
}

/* Closed loop: as many as there is room for, started at run->now. */
static inline void refill(struct bench_run *run, struct bench_queue *queue)
{
	while (queue->free_count && run->to_send && send_next(run, queue, run->now))
		;
	if (run->options->flush_every)
		send_flush(run, queue, run->now);
	publish(run, queue);
}

/* The queue whose turn it is, or after it the next one with room; NULL if all are full. */
static struct bench_queue *queue_with_room(struct bench_run *run)
{
	for (unsigned i = 0; i < run->queue_count; i++) {
		const unsigned index = (run->next_queue + i) % run->queue_count;

		if (run->queues[index].free_count) {
			run->next_queue = (index + 1) % run->queue_count;
			return &run->queues[index];
		}
	}
	return NULL;
}

/* Open loop: what is due. */
static void send_due(struct bench_run *run)
{
	uint64_t now, intended;

	now = run->now = clock_ticks();
	while (run->to_send && now >= bench_schedule_next(&run->schedule)) {
		struct bench_queue *queue = queue_with_room(run);

		if (!queue || !send_next(run, queue, bench_schedule_next(&run->schedule)))
			break;
		bench_schedule_take(&run->schedule, now, &intended);
		if (run->options->flush_every)
			send_flush(run, queue, now);
	}
	for (unsigned i = 0; i < run->queue_count; i++)
		publish(run, &run->queues[i]);
}

static inline int reap_and_refill(struct bench_run *run)
{
	int reaped = 0;

	for (unsigned i = 0; i < run->queue_count; i++) {
		struct bench_queue *queue = &run->queues[i];
		const int count = bench_load_reap(run, queue);

		if (count < 0)
			return count;
		reaped += count;
		/* Without a completion there is no room either, but at the start and where --verify holds one back. */
		if (run->rated || (!count && !queue->free_count))
			continue;
		if (!count)
			run->now = clock_ticks();
		refill(run, queue);
	}
	if (run->rated)
		send_due(run);
	return reaped;
}

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* What is due besides requests. A loop that never sleeps comes here often enough to skip most of its turns. */
static inline int look_after_chores(struct bench_run *run, unsigned turn)
{
	uint64_t now;

	if (run->options->mode == BENCH_POLLED && turn % TURNS_PER_CLOCK)
		return 0;
	now = clock_ticks();
	return now >= run->next_chore ? bench_chores(run, now) : 0;
}

int bench_load_run(struct bench_run *run)
{
	unsigned idle = 0;

	for (unsigned turn = 0;; turn++) {
		int ret = look_after_chores(run, turn);

		if (ret < 0)
			return ret;
		ret = reap_and_refill(run);
		if (ret < 0)
			return ret;
		if (!run->to_send && !run->in_flight)
			return 0;
		if (ret > 0) {
			idle = 0;
			continue;
		}
		if (run->options->mode == BENCH_EVENT) {
			ret = bench_wait(run);
			if (ret < 0)
				return ret;
		} else if (++idle > SPINS_BEFORE_PAUSE) {
			relax();
		}
	}
}

int bench_load_read_serial(struct bench_run *run)
{
	const uint64_t give_up = clock_monotonic_ns() + run->options->timeout_ns;
	struct bench_queue *queue = &run->queues[0];
	struct driver_ring *ring = queue->queue.ring;
	struct driver_blk_request *request = &queue->free[queue->free_count - 1]->request;
	struct driver_completion done;
	int ret;

	driver_blk_prepare(ring, request, VIRTIO_BLK_T_GET_ID, 0, 0, false);
	ring->ops->add(ring, &request->chain);
	if (ring->ops->publish(ring))
		driver_queue_kick(&queue->queue);
	do {
		ret = ring->ops->reap(ring, &done, 1);
		relax();
	} while (ret == 0 && clock_monotonic_ns() < give_up && driver_channel_alive(&run->device.channel));
	if (ret < 0)
		return ring_broken(run, queue);
	if (ret == 0)
		return error_set(&run->err, -ETIMEDOUT, "%s: the back end did not answer a GET_ID request",
				 run->options->socket);
	if (driver_blk_status(request) == VIRTIO_BLK_S_OK)
		__builtin_memcpy(run->result->device.serial, request->data.at, DRIVER_BLK_ID_SIZE);
	return 0;
}
