/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/queue.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/stage_hooks.h"
#include "engine/worker.h"

/*
 * Requests taken in one go. With all of a deep queue in one batch driver and
 * device would take turns, each waiting for the other.
 */
#define QUEUE_BATCH STAGE_BATCH

void request_set_state(struct request *request, enum request_state state)
{
	static const uint8_t next[REQUEST_STATE_COUNT] = {
		[REQUEST_FREE] = 1 << REQUEST_PARSED,
		[REQUEST_PARSED] = 1 << REQUEST_SUBMITTED | 1 << REQUEST_HELD | 1 << REQUEST_DONE,
		[REQUEST_HELD] = 1 << REQUEST_SUBMITTED,
		[REQUEST_SUBMITTED] = 1 << REQUEST_SUBMITTED | 1 << REQUEST_DONE,
		[REQUEST_DONE] = 1 << REQUEST_FREE,
	};

	assert(next[request->state] >> state & 1);
	(void)next;
	request->state = (uint8_t)state;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Memory that costs nothing until it is touched: a queue is seldom as full as it is long. */
static void *map_pages(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void destroy_pool(struct queue *queue)
{
	if (queue->pool)
		munmap(queue->pool, queue->pool_bytes);
	if (queue->iovs)
		munmap(queue->iovs, queue->iov_bytes);
	if (queue->ranges)
		munmap(queue->ranges, queue->range_bytes);
}

static int create_pool(struct queue *queue, struct error *err)
{
	queue->pool_bytes = queue->vq.size * queue->ops->request_size;
	queue->iov_bytes = queue->vq.size * sizeof(struct iovec) * VIRTQ_MAX_IOV;
	queue->range_bytes = queue->vq.size * sizeof(struct virtq_range) * VIRTQ_MAX_IOV;
	queue->pool = map_pages(queue->pool_bytes);
	queue->iovs = map_pages(queue->iov_bytes);
	queue->ranges = queue->vq.log ? map_pages(queue->range_bytes) : NULL;
	if (queue->pool && queue->iovs && (queue->ranges || !queue->vq.log))
		return 0;
	destroy_pool(queue);
	return error_set(err, -ENOMEM, "no memory for %u requests and their segments", queue->vq.size);
}

static void run_start(struct mailbox_message *message)
{
	struct queue *queue = (struct queue *)((char *)message - offsetof(struct queue, start));

	worker_add_queue(queue->worker, queue);
	/* By the worker: whose descriptor it is can make the write wait (docs/THREAT-MODEL.md). */
	if (queue->call_first && queue->call_fd >= 0)
		eventfd_write(queue->call_fd, 1);
	queue->call_first = false;
}

/* A message that reaches a worker after the queue has left it follows the queue. */
static bool follow(struct queue *queue, struct mailbox_message *message)
{
	struct worker *worker = queue_worker(queue);

	if (worker_is_current(worker))
		return false;
	worker_post(worker, message);
	return true;
}

static void run_stop(struct mailbox_message *message)
{
	struct queue *queue = (struct queue *)((char *)message - offsetof(struct queue, stop));

	if (follow(queue, message))
		return;
	/* A message sent earlier, to the worker before, may come later than this one. */
	if (queue->calls_came != queue->calls_sent)
		worker_post(queue_worker(queue), message);
	else
		queue->leaving = QUEUE_STOPS;
}

/* On the control thread again: the worker has let go. */
static void run_stopped(struct mailbox_message *message)
{
	struct queue *queue = (struct queue *)((char *)message - offsetof(struct queue, stopped));

	virtq_destroy(&queue->vq);
	destroy_pool(queue);
	close_fd(&queue->kick_fd);
	close_fd(&queue->call_fd);
	close_fd(&queue->err_fd);
	queue->on_stopped(queue);
}

int queue_start(struct queue *queue, struct worker *worker, const struct queue_setup *setup, struct error *err)
{
	int ret;

	queue->kick_fd = setup->kick_fd;
	queue->call_fd = setup->call_fd;
	queue->err_fd = setup->err_fd;
	ret = virtq_init(&queue->vq, &setup->ring, err);
	if (ret == 0)
		ret = create_pool(queue, err);
	if (ret < 0) {
		virtq_destroy(&queue->vq);
		close_fd(&queue->kick_fd);
		close_fd(&queue->call_fd);
		close_fd(&queue->err_fd);
		return ret;
	}
	queue->worker = worker;
	queue->thread = worker_storage_thread(worker);
	queue->in_flight = queue->held_now = 0;
	memset(queue->held, 0, sizeof(queue->held));
	queue->held_both = false;
	queue->quota = setup->quota;
	queue->leaving = QUEUE_STAYS;
	queue->broken_said = queue->full_said = queue->kick_armed = queue->kick_cancelled = queue->move_pending = false;
	queue->move_since = 0;
	queue->stopping = false;
	queue->calls_sent = queue->calls_came = queue->call_serial = 0;
	call_policy_init(&queue->calls, queue->policy.coalesce_count, clock_ns_to_ticks(queue->policy.coalesce_ns));
	/* Of what was given back last, who had the queue before us may not have told the driver. */
	queue->call_first = setup->ring.inflight.at != NULL;
	stage_clock_start(queue);
	queue->start.run = run_start;
	worker_post(worker, &queue->start);
	return 0;
}

void queue_stop(struct queue *queue, struct mailbox *to, void (*on_stopped)(struct queue *queue))
{
	queue->stopped_to = to;
	queue->on_stopped = on_stopped;
	queue->stopped.run = run_stopped;
	queue->stop.run = run_stop;
	queue->stopping = true;
	worker_post(queue_worker(queue), &queue->stop);
}

static void run_move(struct mailbox_message *message)
{
	struct queue *queue = (struct queue *)((char *)message - offsetof(struct queue, move));

	if (follow(queue, message))
		return;
	if (queue->leaving != QUEUE_STAYS || worker_is_current(queue->move_to)) {
		__atomic_store_n(&queue->move_pending, false, __ATOMIC_RELEASE);
		return;
	}
	queue->leaving = QUEUE_MOVES;
	queue->move_since = clock_ticks();
	queue->move_deadline = queue->move_since + clock_ns_to_ticks(queue->move_patience_ns);
}

void queue_move_within(struct queue *queue, struct worker *to, uint64_t patience_ns)
{
	if (queue->stopping || __atomic_load_n(&queue->move_pending, __ATOMIC_ACQUIRE))
		return;
	queue->move_pending = true;
	queue->move_to = to;
	queue->move_patience_ns = patience_ns;
	queue->move.run = run_move;
	worker_post(queue_worker(queue), &queue->move);
}

void queue_hand_over(struct queue *queue)
{
	struct worker *to = queue->move_to;

	queue->leaving = QUEUE_STAYS;
	queue->kick_armed = queue->kick_cancelled = false;
	queue->thread = worker_storage_thread(to);
	/* From here on it is the other's. Pairs with queue_worker(): who sees the new worker sees what is above. */
	__atomic_store_n(&queue->worker, to, __ATOMIC_RELEASE);
	worker_post(to, &queue->start);
}

/* It took nothing in the meantime, whether it has moved or stayed. */
static void end_move(struct queue *queue, uint64_t *counter)
{
	const uint64_t pause = clock_ticks_to_ns(clock_ticks() - queue->move_since);

	if (pause > queue->counters.move_pause_max_ns)
		__atomic_store_n(&queue->counters.move_pause_max_ns, pause, __ATOMIC_RELAXED);
	queue->move_since = 0;
	__atomic_store_n(&queue->move_pending, false, __ATOMIC_RELEASE);
	QUEUE_COUNT(*counter, 1);
}

void queue_give_up_move(struct queue *queue)
{
	queue->leaving = QUEUE_STAYS;
	end_move(queue, &queue->counters.moves_given_up);
}

void queue_has_moved(struct queue *queue)
{
	if (queue->move_since)
		end_move(queue, &queue->counters.moves);
}

struct set_call {
	struct mailbox_message message;
	struct queue *queue;
	uint32_t serial;
	int fd;
};

static void run_set_call(struct mailbox_message *message)
{
	struct set_call *set = (struct set_call *)message;

	struct queue *queue = set->queue;

	if (follow(queue, message))
		return;
	queue->calls_came++;
	/* While the queue changes its worker a later one may come first. */
	if ((int32_t)(set->serial - queue->call_serial) > 0) {
		close_fd(&queue->call_fd);
		queue->call_fd = set->fd;
		queue->call_serial = set->serial;
		/* What was published meanwhile may have been told to a descriptor nobody listens to. */
		if (set->fd >= 0)
			eventfd_write(set->fd, 1);
	} else {
		close_fd(&set->fd);
	}
	free(set);
}

int queue_set_call(struct queue *queue, int fd)
{
	struct set_call *set = malloc(sizeof(*set));

	if (!set) {
		close_fd(&fd);
		return -ENOMEM;
	}
	*set = (struct set_call){
		.message = {.run = run_set_call}, .queue = queue, .serial = ++queue->calls_sent, .fd = fd};
	worker_post(queue_worker(queue), &set->message);
	return 0;
}

/* The driver broke the rules: say so once, tell the front end, take nothing more. */
static void break_queue(struct queue *queue)
{
	if (queue->broken_said)
		return;
	queue->broken_said = true;
	QUEUE_COUNT(queue->counters.broken, 1);
	/* A ring that reads as zeroes because its memory was taken away is the session's to tell. */
	if (!memmap_lost(queue->vq.map) && log_may_say(queue->quota, queue->name))
		log_error("disk %s: queue %u is broken by its driver: %s; it stands still until it is started anew",
			  queue->name, queue->index, queue->vq.broken);
	if (queue->err_fd >= 0)
		eventfd_write(queue->err_fd, 1);
}

static struct request *request_at(struct queue *queue, uint16_t head)
{
	return (struct request *)(queue->pool + head * queue->ops->request_size);
}

/* 1, or -EPROTO where the queue is broken. */
static int take_one(struct queue *queue, uint16_t head)
{
	struct request *request = request_at(queue, head);

	if (request->state != REQUEST_FREE)
		return virtq_break(&queue->vq, "a chain was made available twice");
	request->chain.iov = queue->iovs + (size_t)head * VIRTQ_MAX_IOV;
	request->chain.ranges = queue->ranges ? queue->ranges + (size_t)head * VIRTQ_MAX_IOV : NULL;
	if (virtq_walk(&queue->vq, head, &request->chain) < 0)
		return -EPROTO;
	request->queue = queue;
	request_set_state(request, REQUEST_PARSED);
	stage_handle(queue, request);
	QUEUE_COUNT(queue->in_flight, 1);
	if (queue->ops->handle(queue, request) < 0) {
		request->state = REQUEST_FREE;
		request->stamp = STAMP_NONE;
		QUEUE_COUNT(queue->in_flight, -1);
		return -EPROTO;
	}
	stage_handled(queue, request);
	return 1;
}

/* How many more it may take now; says once a start that this is what keeps the driver waiting. */
static unsigned room(struct queue *queue)
{
	const uint32_t most = queue->policy.in_flight_max;

	if (__builtin_expect(queue->in_debt, 0) && queue_pays(queue))
		return 0;
	if (!queue_is_full(queue))
		return most && most - queue->in_flight < QUEUE_BATCH ? most - queue->in_flight : QUEUE_BATCH;
	if (!queue->full_said && most < queue->vq.size) {
		queue->full_said = true;
		if (log_may_say(queue->quota, queue->name))
			log_warning("disk %s: queue %u has %u requests under way, as many as it may (in-flight-max); "
				    "others wait in its ring",
				    queue->name, queue->index, most);
	}
	return 0;
}

/* A look at the ring. */
struct look {
	unsigned enough; /* prepared for the kernel */
	unsigned taken;
	uint16_t head; /* of the last one taken */
};

/* Take until there are so many. 1, 0 where there are no more for now, or -EPROTO. */
static inline __attribute__((always_inline)) int take_until(struct queue *queue, struct look *look, unsigned end)
{
	const struct io_uring *ring = queue->thread->ring;
	int ret = 1;

	while (look->taken < end && io_uring_sq_ready(ring) < look->enough &&
	       (queue->leaving == QUEUE_STAYS || queue_owes(queue))) {
		ret = virtq_next(&queue->vq, &look->head);
		if (ret > 0)
			ret = take_one(queue, look->head);
		if (ret <= 0)
			break;
		look->taken++;
	}
	return ret;
}

/* In groups, as the stage clock wants it. */
static STAGE_SELDOM int take_in_groups(struct queue *queue, struct look *look, unsigned most)
{
	unsigned end;
	int ret;

	do {
		end = stage_clock_group(queue, look->taken, most);
		ret = take_until(queue, look, end);
	} while (ret > 0 && look->taken == end && look->taken < most);
	return ret;
}

/*
 * Flattened, all in one piece: a function with two callers is not inlined, and
 * a request would pass five of them between the ring and its device.
 */
__attribute__((flatten)) bool queue_take(struct queue *queue)
{
	/* A device with little to do gets some soon: it starts on the first requests while the others are prepared. */
	struct look look = {.enough =
				    io_uring_sq_ready(queue->thread->ring) + (queue->in_flight ? queue->in_flight : 1)};
	const unsigned most = room(queue);
	int ret;

	if (queue->broken_said)
		return false;
	ret = stage_wants_groups(queue) ? take_in_groups(queue, &look, most) : take_until(queue, &look, most);
	if (ret < 0)
		break_queue(queue);
	stage_looked(queue, look.taken ? request_at(queue, look.head) : NULL, look.taken, ret == 0);
	return look.taken > 0;
}

static void publish(struct queue *queue)
{
	virtq_publish(&queue->vq);
	if (__builtin_expect(queue->vq.log != NULL, 0) && queue->vq.log->event_fd >= 0)
		eventfd_write(queue->vq.log->event_fd, 1);
}

static void call(struct queue *queue)
{
	const bool wanted = virtq_wants_call(&queue->vq) && queue->call_fd >= 0;

	if (wanted) {
		eventfd_write(queue->call_fd, 1);
		QUEUE_COUNT(queue->counters.calls, 1);
	}
	stage_called(queue, wanted);
}

void queue_flush(struct queue *queue)
{
	const uint32_t given_back = queue->given_back;
	uint64_t now = 0;

	if (virtq_unpublished(&queue->vq)) {
		publish(queue);
		now = stage_published(queue);
	} else if (!queue->calls.held) {
		return;
	}
	queue->given_back = 0;
	if (!queue->calls.max_time ||
	    call_policy_due(&queue->calls, now ? now : clock_ticks(), given_back, queue_under_way(queue)))
		call(queue);
}

void queue_release_call(struct queue *queue)
{
	if (!queue->calls.held)
		return;
	queue->calls.held = 0;
	call(queue);
}

void request_submit(struct request *request)
{
	struct queue *queue = request->queue;

	if (__builtin_expect(__atomic_load_n(&queue->limited, __ATOMIC_RELAXED), 0) && !queue_admit(request))
		return;
	request_set_state(request, REQUEST_SUBMITTED);
	stage_submit(queue, request);
}

/* What only those have that were not over at once. */
static __attribute__((noinline)) void settle(struct queue *queue, struct request *request)
{
	stage_done(queue, request);
	if (!request->under_way)
		return;
	request->under_way = false;
	qos_count_under_way(queue->qos, -1);
}

void request_done(struct request *request, uint32_t written)
{
	struct queue *queue = request->queue;

	if (__builtin_expect(request->stamp | request->under_way, 0))
		settle(queue, request);
	request_set_state(request, REQUEST_DONE);
	virtq_push(&queue->vq, &request->chain, written);
	QUEUE_COUNT(queue->counters.requests, 1);
	request_set_state(request, REQUEST_FREE);
	QUEUE_COUNT(queue->in_flight, -1);
	queue->given_back++;
}
