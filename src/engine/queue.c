/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/worker.h"

/*
 * Requests taken in one go. With all of a deep queue in one batch driver and
 * device would take turns, each waiting for the other.
 */
#define QUEUE_BATCH 16

void request_set_state(struct request *request, enum request_state state)
{
	static const uint8_t next[REQUEST_STATE_COUNT] = {
		[REQUEST_FREE] = 1 << REQUEST_PARSED,
		[REQUEST_PARSED] = 1 << REQUEST_SUBMITTED | 1 << REQUEST_DONE,
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

static int create_pool(struct queue *queue, struct error *err)
{
	queue->pool_bytes = queue->vq.size * queue->ops->request_size;
	queue->iov_bytes = queue->vq.size * sizeof(struct iovec) * VIRTQ_MAX_IOV;
	queue->pool = map_pages(queue->pool_bytes);
	if (!queue->pool)
		return error_set(err, -ENOMEM, "no memory for %u requests", queue->vq.size);
	queue->iovs = map_pages(queue->iov_bytes);
	if (!queue->iovs) {
		munmap(queue->pool, queue->pool_bytes);
		return error_set(err, -ENOMEM, "no memory for the segments of %u requests", queue->vq.size);
	}
	return 0;
}

static void run_start(struct mailbox_message *message)
{
	struct queue *queue = (struct queue *)((char *)message - offsetof(struct queue, start));

	worker_add_queue(queue->worker, queue);
}

static void run_stop(struct mailbox_message *message)
{
	struct queue *queue = (struct queue *)((char *)message - offsetof(struct queue, stop));

	queue->stopping = true;
}

/* On the control thread again: the worker has let go. */
static void run_stopped(struct mailbox_message *message)
{
	struct queue *queue = (struct queue *)((char *)message - offsetof(struct queue, stopped));

	munmap(queue->pool, queue->pool_bytes);
	munmap(queue->iovs, queue->iov_bytes);
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
		close_fd(&queue->kick_fd);
		close_fd(&queue->call_fd);
		close_fd(&queue->err_fd);
		return ret;
	}
	queue->worker = worker;
	queue->thread = worker_storage_thread(worker);
	queue->in_flight = 0;
	queue->stopping = queue->broken_said = queue->kick_armed = queue->kick_cancelled = false;
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
	worker_post(queue->worker, &queue->stop);
}

struct set_call {
	struct mailbox_message message;
	struct queue *queue;
	int fd;
};

static void run_set_call(struct mailbox_message *message)
{
	struct set_call *set = (struct set_call *)message;

	close_fd(&set->queue->call_fd);
	set->queue->call_fd = set->fd;
	/* What was published meanwhile may have been told to a descriptor nobody listens to. */
	if (set->fd >= 0)
		eventfd_write(set->fd, 1);
	free(set);
}

int queue_set_call(struct queue *queue, int fd)
{
	struct set_call *set = malloc(sizeof(*set));

	if (!set) {
		close_fd(&fd);
		return -ENOMEM;
	}
	*set = (struct set_call){.message = {.run = run_set_call}, .queue = queue, .fd = fd};
	worker_post(queue->worker, &set->message);
	return 0;
}

/* The driver broke the rules: say so once, tell the front end, take nothing more. */
static void break_queue(struct queue *queue)
{
	if (queue->broken_said)
		return;
	queue->broken_said = true;
	QUEUE_COUNT(queue->counters.broken, 1);
	log_error("disk %s: queue %u is broken by its driver: %s; it stands still until the device is reset",
		  queue->name, queue->index, queue->vq.broken);
	if (queue->err_fd >= 0)
		eventfd_write(queue->err_fd, 1);
}

static struct request *request_at(struct queue *queue, uint16_t head)
{
	return (struct request *)(queue->pool + head * queue->ops->request_size);
}

static int take_one(struct queue *queue, uint16_t head)
{
	struct request *request = request_at(queue, head);

	if (request->state != REQUEST_FREE)
		return virtq_break(&queue->vq, "a chain was made available twice");
	request->chain.iov = queue->iovs + (size_t)head * VIRTQ_MAX_IOV;
	if (virtq_walk(&queue->vq, head, &request->chain) < 0)
		return -EPROTO;
	request->queue = queue;
	request->head = head;
	request_set_state(request, REQUEST_PARSED);
	queue->in_flight++;
	if (queue->ops->handle(queue, request) < 0) {
		request->state = REQUEST_FREE;
		queue->in_flight--;
		return -EPROTO;
	}
	return 0;
}

bool queue_take(struct queue *queue)
{
	unsigned taken = 0;
	uint16_t head;
	int ret = 0;

	if (queue->stopping || queue->broken_said)
		return false;
	while (taken < QUEUE_BATCH) {
		ret = virtq_next(&queue->vq, &head);
		if (ret > 0)
			ret = take_one(queue, head);
		else if (ret == 0)
			break;
		if (ret < 0) {
			break_queue(queue);
			break;
		}
		taken++;
	}
	return taken > 0;
}

void queue_flush(struct queue *queue)
{
	if (!virtq_unpublished(&queue->vq))
		return;
	if (virtq_publish(&queue->vq) && queue->call_fd >= 0) {
		eventfd_write(queue->call_fd, 1);
		QUEUE_COUNT(queue->counters.calls, 1);
	}
}

void request_submit(struct request *request)
{
	request_set_state(request, REQUEST_SUBMITTED);
	storage_submit(request->queue->storage, request->queue->thread, &request->io);
}

void request_done(struct request *request, uint32_t written)
{
	struct queue *queue = request->queue;

	request_set_state(request, REQUEST_DONE);
	virtq_push(&queue->vq, request->head, written);
	QUEUE_COUNT(queue->counters.requests, 1);
	request_set_state(request, REQUEST_FREE);
	queue->in_flight--;
}
